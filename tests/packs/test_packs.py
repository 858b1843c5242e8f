"""What a pack is, and what a manifest may say."""

from __future__ import annotations

from pathlib import Path

import pytest

from astro_mcp.errors import InvalidInput, Unavailable
from astro_mcp.packs import SUFFIX, Language, Linter, Manifest, Pack, read_manifest

LINTER = """
schema = 1
kind = "linter"
name = "toy"
install_hint = "get it"
detect = ["*.toy"]
argv = ["toy", "--json", "{paths}"]
[image]
pip = ["toy==1.0"]
[report]
format = "json"
[report.fields]
file = "path"
line = "at.line"
message = "text"
"""


def pack_with(tmp_path: Path, text: str, name: str = "toy.tool.toml") -> Pack:
    (tmp_path / "tools" / "linters").mkdir(parents=True)
    (tmp_path / "resources").mkdir()
    (tmp_path / "tools" / "linters" / name).write_text(text)
    return Pack.first([tmp_path])


def refusal(tmp_path: Path, text: str, name: str = "toy.tool.toml") -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        pack_with(tmp_path, text, name).manifests("linter")
    assert str(tmp_path / "tools" / "linters" / name) in caught.value.message
    return caught.value


def test_the_checkout_is_a_pack_and_every_file_below_tools_is_a_manifest_that_reads() -> None:
    pack = Pack.find()
    read: list[Manifest] = [*pack.manifests("linter"), *pack.manifests("runner")]
    read += [*pack.manifests("language"), *pack.manifests("search")]
    files = [path for path in pack.tools.rglob("*") if path.is_file()]
    assert sorted(manifest.name + SUFFIX for manifest in read) == sorted(path.name for path in files)
    assert {"ruff", "pytest", "python"} <= {manifest.name for manifest in read}


def test_the_first_folder_with_both_tools_and_resources_is_the_pack(tmp_path: Path) -> None:
    for folder in ("half/tools", "whole/tools", "whole/resources"):
        (tmp_path / folder).mkdir(parents=True)
    assert Pack.first([tmp_path / "half", tmp_path / "whole"]).root == tmp_path / "whole"


def test_a_pack_without_one_of_the_two_folders_is_no_pack_and_the_error_names_where_it_looked(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    with pytest.raises(Unavailable) as caught:
        Pack.first([tmp_path, tmp_path / "none"])
    assert str(tmp_path / "none") in caught.value.message


def test_a_whole_manifest_reads(tmp_path: Path) -> None:
    [linter] = pack_with(tmp_path, LINTER).manifests("linter")
    assert (linter.name, linter.argv, linter.exit_codes) == ("toy", ("toy", "--json", "{paths}"), (0, 1))


def test_an_unknown_key_is_refused_with_the_nearest_right_one(tmp_path: Path) -> None:
    error = refusal(tmp_path, LINTER.replace("detect =", "detects ="))
    assert {"detects", "detect"} == {problem.path for problem in error.problems}
    unknown = next(problem for problem in error.problems if problem.path == "detects")
    assert (unknown.reason, unknown.suggestion) == ("unknown key", "detect")


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("schema = 1", "schema = 2", "schema"),
        ('kind = "linter"', 'kind = "runner"', "kind"),
        ('name = "toy"', 'name = "../toy"', "name"),
        ('["toy", "--json", "{paths}"]', '["toy"]', "no {paths}"),
        ('["toy", "--json", "{paths}"]', '"toy --json {paths}"', "argv"),
        ('file = "path"', "", "does not give file"),
        ('file = "path"', 'file = "path["', "no JMESPath"),
        ('file = "path"', 'file = "path"\nfiel = "x"', "fiel"),
        ('format = "json"', 'format = "sarif"', "report"),
        ('format = "json"', 'format = "json"\nwithin = "a["', "within is no JMESPath"),
        ('format = "json"', 'format = "json"\nzero_based = ["file"]', "zero_based"),
        ('pip = ["toy==1.0"]', "", "either pip, or npm and debian"),
        ('pip = ["toy==1.0"]', 'npm = ["toy@1.0.0"]', "either pip, or npm and debian"),
        ('pip = ["toy==1.0"]', 'npm = ["toy"]\ndebian = ["nodejs"]', "image.npm"),
        ('pip = ["toy==1.0"]', 'npm = ["https://example.org/a@1"]\ndebian = ["nodejs"]', "image.npm"),
        ('"toy==1.0"', '"--index-url=https://example.org/"', "image.pip"),
        ('"toy==1.0"', '"toy @ https://example.org/toy.whl"', "image.pip"),
        ('"toy==1.0"', '"./toy"', "image.pip"),
    ],
)
def test_a_wrong_value_is_refused_with_file_and_key(tmp_path: Path, old: str, new: str, key: str) -> None:
    assert old in LINTER
    assert key in refusal(tmp_path, LINTER.replace(old, new)).message


def test_a_pattern_that_re2_can_not_keep_linear_is_refused(tmp_path: Path) -> None:
    start = LINTER.index("[report]")
    report = "[report]\nformat = \"regex\"\npattern = '(?P<file>a)(?P<line>b)(?P<message>c)(?P=file)'\n"
    assert "not an RE2 pattern" in refusal(tmp_path, LINTER[:start] + report).message


def test_broken_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    assert "line 1" in refusal(tmp_path, "schema = = 1").message


def test_a_manifest_is_named_like_its_file(tmp_path: Path) -> None:
    assert "toy.tool.toml" in refusal(tmp_path, LINTER, "other.tool.toml").hint


def test_a_file_that_is_no_manifest_is_not_passed_over(tmp_path: Path) -> None:
    assert SUFFIX in refusal(tmp_path, LINTER, "toy.toml").message


def test_a_manifest_is_frozen(tmp_path: Path) -> None:
    path = tmp_path / "toy.tool.toml"
    path.write_text(LINTER)
    linter = read_manifest(path, Linter)
    with pytest.raises(ValueError, match="frozen"):
        linter.name = "other"  # type: ignore[misc] # that is the point


LANGUAGE = """
schema = 1
kind = "language"
name = "toy"
install_hint = "make it"
file = "toy.t"
build = ["toyc", "-o", "toy", "toy.t"]
argv = ["./toy"]
[image]
debian = ["toy-tools", "libtoy++-dev"]
"""


def language(folder: Path, text: str) -> Language:
    path = folder / "toy.tool.toml"
    path.write_text(text)
    return read_manifest(path, Language)


def test_a_whole_language_reads(tmp_path: Path) -> None:
    read = language(tmp_path, LANGUAGE)
    assert (read.file, read.build[0], read.argv, read.script) == ("toy.t", "toyc", ("./toy",), False)
    assert read.image is not None
    assert read.image.debian == ("toy-tools", "libtoy++-dev")


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('"toy.t"\n', '"../toy.t"\n', "file"),
        ('"toy.t"\n', '"/toy.t"\n', "file"),
        ('"toy.t"\n', '".astro/../toy.t"\n', "file"),
        ('"-o", "toy", "toy.t"', '"-o", "toy"', "names toy.t"),
        ('["./toy"]', '"./toy"', "argv"),
        ('["./toy"]', '["./toy"]\nscript = true', "a script"),
        ('["./toy"]', '["./toy"]\npackages = "cargo"', "packages"),
        ('["./toy"]', '["./toy"]\naliases = ["T o y"]', "aliases"),
        ('"toy-tools"', '"--option"', "image.debian"),
        ('"toy-tools"', '"a,b"', "image.debian"),
        ('"toy-tools"', '"a=1"', "image.debian"),
        ("debian", "pip", "image"),
    ],
)
def test_a_wrong_value_of_a_language_is_refused_with_its_key(tmp_path: Path, old: str, new: str, key: str) -> None:
    assert old in LANGUAGE
    with pytest.raises(InvalidInput) as caught:
        language(tmp_path, LANGUAGE.replace(old, new, 1))
    assert key in caught.value.message
