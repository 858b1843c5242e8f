"""A search finds the same with ripgrep and without: generated patterns, globs, and files of every kind."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path

import anyio.to_thread
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from astro_mcp.agents.files import ripgrep
from astro_mcp.agents.files.literals import Required, required
from astro_mcp.agents.files.models import SearchInput, SearchOutput
from astro_mcp.agents.files.searching import search
from astro_mcp.errors import InvalidInput
from astro_mcp.workspace.guards import ReadGuard
from astro_mcp.workspace.place import Place

RIPGREP = shutil.which("rg", path=ripgrep.PLACES)
needs_ripgrep = pytest.mark.skipif(RIPGREP is None, reason="there is no ripgrep here")

WORDS = [
    "needle",
    "Needle",
    "NEEDLE",
    "need",
    "kelvin",
    "\u212aelvin",
    "mass",
    "ma\u017f\u017f",
    "caf\u00e9",
    "a.b",
    "x{2}",
]
ATOMS = st.sampled_from(
    [
        *(word for word in WORDS if "{" not in word),
        *(r"\w+", r"\W", r"\s*", r"\d", ".", ".*", "^", "$", r"\b", r"\B", r"\.", r"x\{2\}", "|", r"\Qa.b\E", r"\x6e"),
        *("[a-c]", "[^a-z]", "[]n]", "[[:alpha:]]", "(?:need|mass)", "(le)?", "(a(b|c[)]))*", "le+", "e{2}", "e{0,1}"),
        *(r"\pL", "n?", "\n", r"\n", "s", "K", "dx*", "\u00e9*", "(?i:KELVIN)", r"\t", "\t"),
    ]
)
REGEXES = st.builds(
    lambda flags, atoms: flags + "".join(atoms),
    st.sampled_from(["", "", "", "(?i)", "(?s)", "(?si)", "(?U)"]),
    st.lists(ATOMS, min_size=1, max_size=4),
)
PLAIN = st.sampled_from([*WORDS, "needle\nneed", "no such", "e", "\u00e9", "le need"])
PIECES = st.sampled_from(
    [word.encode() for word in WORDS] + [b" ", b"\n", b"\r\n", b"\r", b"\xff", b"\xe9", b"\xff\xfe"]
)
TEXTS = st.lists(PIECES, min_size=4, max_size=24).map(b"".join)
CONTENTS = TEXTS | st.builds(
    lambda text, encoding: text.decode("utf-8", "ignore").encode(encoding),
    TEXTS,
    st.sampled_from(["utf-16", "utf-8-sig", "utf-32", "utf-16-le"]),
)
BINARY = TEXTS.map(lambda text: b"\x00" + text)
NAMES = st.sampled_from(
    ["a.txt", "b.py", "sub/c.txt", "sub/deep/d.py", ".env", "-e", "sub/\u00e9 x.txt", "x.log", "n\nl.txt"]
)
FILES = st.dictionaries(NAMES, CONTENTS | BINARY, min_size=1, max_size=6)
GLOBS = st.none() | st.sampled_from(["*.txt", "*.py", "sub/**", "/a.txt", "*", "sub/*/d.*", "[ab].*"])


def found(root: Path, args: SearchInput) -> SearchOutput | str:
    try:
        return search([Place(root, "")], args, ReadGuard())
    except InvalidInput as error:
        return error.text()


@needs_ripgrep
async def test_results_are_equal_with_ripgrep_and_without(monkeypatch: pytest.MonkeyPatch) -> None:
    await equal(monkeypatch, 80, derandomize=True)


@needs_ripgrep
@pytest.mark.full
@pytest.mark.timeout(900)
async def test_results_are_equal_over_thousands_of_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    await equal(monkeypatch, 2_000, derandomize=False)


async def equal(monkeypatch: pytest.MonkeyPatch, examples: int, *, derandomize: bool) -> None:
    monkeypatch.setattr(ripgrep, "FEW", 0)
    sieved = hits = 0
    ask = ripgrep._Asked.answer

    def counted(self: ripgrep._Asked, until: float) -> object:
        nonlocal sieved
        sieved += 1
        return ask(self, until)

    monkeypatch.setattr(ripgrep._Asked, "answer", counted)

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=derandomize,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        files=FILES, pattern=REGEXES.map(lambda text: (text, True)) | PLAIN.map(lambda text: (text, False)), glob=GLOBS
    )
    @example({"a.txt": b"NEEDLE\n", "b.py": b"none\n"}, ("(?i)needle", True), None)
    @example({"a.txt": "\u212aELVIN\n".encode(), "b.py": b"none\n"}, ("(?i)kelvin", True), None)
    @example({"a.txt": "needle\n".encode("utf-16"), "b.py": b"none\n"}, ("needle", False), "*.txt")
    def same(files: dict[str, bytes], pattern: tuple[str, bool], glob: str | None) -> None:
        nonlocal hits
        args = SearchInput(pattern=pattern[0], regex=pattern[1], glob=glob, context=1)
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder).resolve()
            for name, data in {**files, ".gitignore": b"*.log\n"}.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_bytes(data)
            outcomes = []
            for program in (RIPGREP, None):
                monkeypatch.setattr(ripgrep, "program", lambda roots, program=program: program)
                outcomes.append(found(root, args))
        assert outcomes[0] == outcomes[1]
        hits += isinstance(outcomes[0], SearchOutput) and outcomes[0].total > 0

    await anyio.to_thread.run_sync(same)
    assert sieved > examples // 10
    assert hits > examples // 10


@pytest.mark.parametrize(
    ("pattern", "texts"),
    [
        (r"def test_\w+_fails", ["def test_"]),
        ("needle|haystack", ["needle", "haystack"]),
        (r"^\s*class\b", ["class"]),
        ("colou?rs", ["colo"]),
        ("ab+cdef", ["cdef"]),
        (r"a\.b\(c", ["a.b(c"]),
        ("x{2}yz{z", ["yz{z"]),
    ],
)
def test_the_texts_that_an_expression_demands(pattern: str, texts: list[str]) -> None:
    assert required(pattern, regex=True) == Required(tuple(texts))


@pytest.mark.parametrize(
    "pattern", [r"\w+", "ab", "abc|d", "(abc)", "abc?", r"\Qabc*\E", "(?:x)(?i)abc", "[abc]def|", "a\0bc"]
)
def test_what_demands_nothing_certain_is_not_sieved(pattern: str) -> None:
    assert required(pattern, regex=True) is None


def test_case_is_ignored_where_the_expression_does() -> None:
    assert required("(?i)needle", regex=True) == Required(("needle",), ignore_case=True)
    assert required("needle\nin", regex=False) == Required(("needle",))


@pytest.fixture
def forest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Some files with needles, a secret with one, and links to more of them."""
    monkeypatch.setattr(ripgrep, "FEW", 0)
    root = (tmp_path / "root").resolve()
    (root / "sub").mkdir(parents=True)
    for name in ("a.txt", "sub/b.txt", ".env"):
        (root / name).write_text("a needle\n")
    (tmp_path / "outside.txt").write_text("an outside needle\n")
    (root / "link.txt").symlink_to(tmp_path / "outside.txt")
    (root / "folder").symlink_to(tmp_path)
    return root


def program(path: Path, text: str) -> str:
    path.write_text(f"#!{sys.executable}\nimport os, sys, time\n{text}\n")
    path.chmod(0o755)
    return str(path)


async def needles(root: Path, seconds: float = 20) -> SearchOutput:
    args = SearchInput(pattern="needle")
    return await anyio.to_thread.run_sync(lambda: search([Place(root, "")], args, ReadGuard(), seconds=seconds))


@needs_ripgrep
async def test_the_users_own_settings_of_ripgrep_change_nothing(forest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (forest / "rc").write_text("--invert-match\n--pre=./evil\n")
    program(forest / "evil", f"open({str(forest / 'ran')!r}, 'w')")
    monkeypatch.setenv("RIPGREP_CONFIG_PATH", str(forest / "rc"))
    assert [item.path for item in (await needles(forest)).items] == ["a.txt", "sub/b.txt"]
    assert not (forest / "ran").exists()


async def test_a_program_of_the_workspace_is_not_run(forest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(forest / "rg", f"open({str(forest / 'ran')!r}, 'w')")
    monkeypatch.setenv("PATH", f"{forest}:{os.environ['PATH']}")
    assert ripgrep.program([forest]) == RIPGREP
    monkeypatch.setattr(ripgrep, "PLACES", str(forest))
    assert ripgrep.program([forest]) is None
    assert (await needles(forest)).total == 2
    assert not (forest / "ran").exists()


async def test_it_is_given_no_secrets_and_no_links(
    forest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = tmp_path / "said"
    fake = program(tmp_path / "rg", f"open({str(said)!r}, 'w').write(repr((sys.argv, dict(os.environ)))); sys.exit(2)")
    monkeypatch.setattr(ripgrep, "program", lambda roots: fake)
    assert (await needles(forest)).total == 2
    argv, environment = eval(said.read_text())
    assert argv[argv.index("--") + 1 :] == ["./a.txt", "./sub/b.txt"]
    assert set(environment) <= {"PATH", "LC_ALL", "LC_CTYPE"}


@pytest.mark.parametrize(
    "does", ["sys.exit(2)", "os.kill(os.getpid(), 9)", "sys.stdout.write('./a.txt\\0'); sys.exit(2)"]
)
async def test_where_it_fails_the_files_are_read_without_it(
    forest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str
) -> None:
    fake = program(tmp_path / "rg", does)
    monkeypatch.setattr(ripgrep, "program", lambda roots: fake)
    assert [item.path for item in (await needles(forest)).items] == ["a.txt", "sub/b.txt"]
    monkeypatch.setattr(ripgrep, "program", lambda roots: str(tmp_path / "missing"))
    assert (await needles(forest)).total == 2


async def test_it_does_not_outlive_the_search(forest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = tmp_path / "pid"
    fake = program(tmp_path / "rg", f"open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(60)")
    monkeypatch.setattr(ripgrep, "program", lambda roots: fake)
    found = await needles(forest, seconds=1)
    assert found.truncated
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
    with anyio.move_on_after(1):
        await needles(forest)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


@pytest.mark.parametrize("sieved", [pytest.param(True, marks=needs_ripgrep), False])
async def test_what_fs_read_reads_by_a_code_page_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, sieved: bool
) -> None:
    monkeypatch.setattr(ripgrep, "FEW", 0)
    if not sieved:
        monkeypatch.setattr(ripgrep, "program", lambda roots: None)
    texts = {
        "latin.txt": b"none\nle caf\xe9 \x81\r\n",
        "utf8.txt": "le caf\u00e9\n".encode(),
        "windows.txt": b"le caf\xe9 \x80\n",
        "mixed.txt": "le m caf\u00e9\n".encode() + b"\xff\n",
        "binary": b"le caf\xe9 \x01\n",
    }
    for name, data in texts.items():
        tmp_path.joinpath(name).write_bytes(data)
    for pattern, regex, names in (
        ("le caf\u00e9", False, ["latin.txt", "utf8.txt", "windows.txt"]),
        ("^le caf[\u00e8\u00e9]", True, ["latin.txt", "utf8.txt", "windows.txt"]),
        ("caf\u00e9 \u20ac", False, ["windows.txt"]),
        ("(?i)CAF\u00c9", True, ["latin.txt", "mixed.txt", "utf8.txt", "windows.txt"]),
        ("\u017f\u017f\u017f", False, []),
        ("^le m|\u00e9", True, ["latin.txt", "mixed.txt", "utf8.txt", "windows.txt"]),
    ):
        args = SearchInput(pattern=pattern, regex=regex)
        got = await anyio.to_thread.run_sync(partial(found, tmp_path, args))
        assert isinstance(got, SearchOutput)
        assert [item.path for item in got.items] == names, pattern
        assert all("caf\u00e9" in item.text for item in got.items)
