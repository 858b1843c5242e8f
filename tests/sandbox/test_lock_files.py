"""Lock files give names, versions and hashes for the sandbox's own Python; their addresses count for nothing."""

from __future__ import annotations

import pytest
from tests.sandbox.locks import A, B, C, pinned, pipfile_lock, poetry_lock, poetry_package, read

from astro_mcp.errors import InvalidInput, TooLarge

PYLOCK = f"""
lock-version = "1.0"
created-by = "a-test"
requires-python = ">=3.11"
extras = ["fast"]
dependency-groups = ["test", "docs"]
default-groups = []

[[packages]]
name = "alpha"
version = "1.2"
wheels = [{{name = "alpha-1.2-py3-none-any.whl", url = "https://example.org/alpha", hashes = {{sha256 = "{A}"}}}}]
sdist = {{name = "alpha-1.2.tar.gz", url = "https://example.org/alpha", hashes = {{sha256 = "{B}"}}}}

[[packages]]
name = "beta"
version = "2"
marker = "'test' in dependency_groups"
wheels = [{{name = "beta-2-py3-none-any.whl", url = "https://example.org/beta", hashes = {{sha256 = "{B}"}}}}]

[[packages]]
name = "gamma"
version = "3"
marker = "'docs' in dependency_groups or sys_platform == 'win32'"
wheels = [{{name = "gamma-3-py3-none-any.whl", url = "https://example.org/gamma", hashes = {{sha256 = "{C}"}}}}]

[[packages]]
name = "delta"
vcs = {{type = "git", url = "https://example.org/delta.git", commit-id = "1"}}

[[packages]]
name = "project"
directory = {{path = "."}}
"""


def uv_package(name: str, version: str, sha256: str, more: str = "") -> str:
    return (
        f'[[package]]\nname = "{name}"\nversion = "{version}"\nsource = {{ registry = "https://example.org/simple" }}\n'
        f'wheels = [{{ url = "https://example.org/{name}.whl", hash = "sha256:{sha256}" }}]\n{more}\n'
    )


UV = f"""
version = 1
requires-python = ">=3.11"

[[package]]
name = "project"
version = "0.1.0"
source = {{ editable = "." }}
dependencies = [
    {{ name = "alpha", extra = ["fast"] }},
    {{ name = "gamma", marker = "sys_platform == 'win32'" }},
    {{ name = "forked", version = "2", marker = "python_full_version >= '3.12'" }},
    {{ name = "forked", version = "1", marker = "python_full_version < '3.12'" }},
    {{ name = "delta" }},
]

[package.dev-dependencies]
test = [{{ name = "beta" }}]
docs = [{{ name = "unwanted" }}]

[[package]]
name = "delta"
version = "1"
source = {{ git = "https://example.org/delta.git" }}

{uv_package("alpha", "1.2", A, "[package.optional-dependencies]" + chr(10) + 'fast = [{ name = "speed" }]')}
{uv_package("beta", "2", B, 'dependencies = [{ name = "alpha" }]')}
{uv_package("gamma", "3", C)}
{uv_package("speed", "4", C)}
{uv_package("forked", "1", A)}
{uv_package("forked", "2", B)}
{uv_package("unwanted", "1", A)}
"""


def test_pylock_gives_what_its_markers_let_through_with_the_hashes_of_wheels_and_source() -> None:
    wanted = read({"pylock.toml": PYLOCK})
    assert wanted.requirements == ["alpha==1.2", "beta==2"]
    assert wanted.hashes == {"alpha": {A, B}, "beta": {B}}
    assert [entry.split(":")[0] for entry in wanted.left_out] == ["delta"]
    assert read({"pylock.toml": PYLOCK}, tests=False).requirements == ["alpha==1.2"]


def test_uv_lock_is_walked_from_the_project_along_markers_extras_and_the_group_for_tests() -> None:
    wanted = read({"uv.lock": UV})
    assert wanted.requirements == ["alpha==1.2", "beta==2", "forked==2", "speed==4"]
    assert wanted.hashes == {"alpha": {A}, "beta": {B}, "forked": {B}, "speed": {C}}
    assert [entry.split(":")[0] for entry in wanted.left_out] == ["delta"]
    assert read({"uv.lock": UV}, tests=False).requirements == ["alpha==1.2", "forked==2", "speed==4"]


def test_the_first_lock_counts_and_dependency_files_only_where_there_is_none() -> None:
    files = {
        "pylock.toml": PYLOCK,
        "uv.lock": UV,
        "poetry.lock": poetry_lock(poetry_package("of-poetry", "1", A)),
        "Pipfile.lock": pipfile_lock({"of-pipenv": pinned("1", A)}),
        "pyproject.toml": '[tool.poetry.dependencies]\nof-poetry = "*"',
        "Pipfile": '[packages]\nof-pipfile = "*"',
    }
    found = []
    for name in ("pylock.toml", "uv.lock", "poetry.lock", "Pipfile.lock", "pyproject.toml", "Pipfile"):
        found.append(read(files, tests=False).requirements)
        del files[name]
    assert found[0] == ["alpha==1.2"]
    assert found[1] == ["alpha==1.2", "forked==2", "speed==4"]
    assert found[2:] == [["of-poetry==1"], ["of-pipenv==1"], ["of-pipfile", "of-poetry"], ["of-pipfile"]]


def test_requirements_with_hashes_are_pinned_and_never_half_so() -> None:
    wanted = read({"requirements.txt": f"alpha==1.0 \\\n  --hash=sha256:{A} \\\n  --hash=sha256:{B}\nbeta\n"})
    assert wanted.requirements == ["alpha==1.0", "beta"]
    assert wanted.hashes == {"alpha": {A, B}}
    for line in (f"alpha --hash=sha256:{A}", f"alpha>=1 --hash=sha256:{A}", "alpha==1 --hash=md5:00"):
        with pytest.raises(InvalidInput):
            read({"requirements.txt": line})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not toml",
        "a = " + "[" * 50_000,
        "package = 7",
        "package = [7]",
        '[[package]]\nname = "x"\nsource = { editable = "." }\ndependencies = [{ name = "gone" }]',
        '[[package]]\nname = "x"\nsource = { editable = "." }\ndependencies = [{ name = "x", marker = "(((" }]',
        UV.replace('">=3.11"', '">=3.14"'),
        UV.replace(f"sha256:{A}", "md5:00"),
        UV.replace('name = "alpha"', 'name = "--index-url=https://example.org"'),
        UV.replace('version = "1.2"', 'version = "1.2 @ https://example.org/x.whl"'),
    ],
)
def test_a_hostile_lock_gets_an_error_and_no_requirement(text: str) -> None:
    for name in ("uv.lock", "pylock.toml", "poetry.lock", "Pipfile.lock"):
        with pytest.raises(InvalidInput):
            read({name: text, "pyproject.toml": ""})


@pytest.mark.parametrize(
    "change",
    [
        ('"1.0"', '"7.0"'),
        (">=3.11", ">=3.14"),
        ('name = "alpha"', 'name = "../alpha"'),
        (f'sha256 = "{A}"', 'md5 = "00"'),
        ('version = "1.2"', 'version = "1.2; x"'),
    ],
)
def test_a_pylock_that_is_not_as_it_should_be_is_refused(change: tuple[str, str]) -> None:
    changed = PYLOCK.replace(*change).replace(
        f'sha256 = "{B}"', 'md5 = "00"' if "md5" in change[1] else f'sha256 = "{B}"'
    )
    with pytest.raises(InvalidInput):
        read({"pylock.toml": changed})


def test_a_lock_over_its_bound_is_refused_and_dependency_files_do_not_count_in_its_place() -> None:
    with pytest.raises(TooLarge, match=r"uv\.lock"):
        read({"uv.lock": "#" * 8_000_001, "requirements.txt": "alpha"})


def test_a_lock_of_a_great_many_packages_is_refused() -> None:
    names = [f"p{number}" for number in range(300)]
    wanted = ", ".join(f'{{ name = "{name}" }}' for name in names)
    root = f'[[package]]\nname = "project"\nsource = {{ virtual = "." }}\ndependencies = [{wanted}]\n'
    with pytest.raises(TooLarge):
        read({"uv.lock": root + "".join(uv_package(name, "1", A) for name in names)})
