"""poetry.lock is walked from what pyproject.toml declares, for the sandbox's own Python and no other."""

from __future__ import annotations

import pytest
from tests.sandbox.locks import A, B, C, poetry_lock, poetry_package, read

from astro_mcp.errors import InvalidInput, TooLarge
from astro_mcp.sandbox.packages.wanted import Wanted

DECLARED = """
[project]
name = "some-project"
dependencies = ["alpha[fast] (>=1,<2)", "gone; sys_platform == 'win32'", "delta @ git+https://example.org/delta.git"]
[tool.poetry.dependencies]
alpha = {source = "private"}
[tool.poetry.group.test.dependencies]
beta = "^2.0"
[tool.poetry.group.docs.dependencies]
unwanted = "*"
"""
OWN = """
[tool.poetry]
name = "some-project"
[tool.poetry.dependencies]
python = "^3.9"
alpha = {version = "^1.0", extras = ["fast"]}
gone = {version = "*", platform = "win32"}
delta = {git = "https://example.org/delta.git"}
beta = {version = "*", optional = true}
[tool.poetry.extras]
test = ["beta"]
"""
ALPHA = """
[package.dependencies]
Speed_Up = {version = ">=4", optional = true, markers = "extra == \\"fast\\" and python_version >= \\"3.9\\""}
never = {version = "*", optional = true, markers = "extra == \\"slow\\""}
Called_For = {version = "*", optional = true}
not-called = {version = "*", optional = true}
old = {version = "*", markers = "python_version < \\"3.12\\""}
either = ">=1.0,<1.5 || >1.5"
[package.extras]
fast = ["called-for", "speed-up (>=4)"]
"""
ELSEWHERE = (
    '[[package]]\nname = "delta"\nversion = "1"\noptional = false\npython-versions = "*"\nfiles = []\n'
    '[package.dependencies]\nof-delta = "*"\n[package.source]\ntype = "{kind}"\nurl = "https://example.org/x"\n'
)
PACKAGES = (
    poetry_package("alpha", "1.2", A, ALPHA + '[package.source]\ntype = "legacy"\nurl = "https://example.org"\n'),
    poetry_package("beta", "2.1", B, '[package.dependencies]\nalpha = "*"\nsetuptools = "*"\nsome-project = "*"\n'),
    poetry_package("called-for", "5", C),
    poetry_package("either", "1.6", C),
    poetry_package("speed-up", "4.0", C),
    poetry_package("never", "1", A),
    poetry_package("not-called", "1", A),
    poetry_package("old", "1", A),
    poetry_package("of-delta", "1", B),
    poetry_package("unwanted", "1", A),
)
LOCK = poetry_lock(*PACKAGES, ELSEWHERE.format(kind="git"))


def of(lock: str, declared: str = DECLARED, *, tests: bool = True) -> Wanted:
    return read({"poetry.lock": lock, "pyproject.toml": declared}, tests=tests)


@pytest.mark.parametrize("declared", [DECLARED, OWN])
@pytest.mark.parametrize("version", ["1.1", "2.0", "2.1"])
def test_it_is_walked_along_markers_extras_and_what_is_for_tests(declared: str, version: str) -> None:
    lock = LOCK.replace('"2.1"\npython', f'"{version}"\npython')
    wanted = of(lock, declared)
    pinned = ["alpha==1.2", "beta==2.1", "called-for==5", "either==1.6", "of-delta==1", "speed-up==4.0"]
    hashes = {"alpha": {A}, "beta": {B}, "called-for": {C}, "either": {C}, "of-delta": {B}, "speed-up": {C}}
    assert wanted.requirements == pinned
    assert wanted.hashes == hashes
    assert [entry.split(":")[0] for entry in wanted.left_out] == ["delta"]
    assert "beta==2.1" not in of(lock, declared, tests=False).requirements


@pytest.mark.parametrize("kind", ["git", "directory", "file", "url"])
def test_what_has_a_source_that_is_no_index_is_left_out_and_what_it_needs_is_not(kind: str) -> None:
    wanted = of(poetry_lock(*PACKAGES, ELSEWHERE.format(kind=kind)))
    assert [entry.split(":")[0] for entry in wanted.left_out] == ["delta"]
    assert "of-delta==1" in wanted.requirements


def test_locks_of_version_1_have_their_hashes_at_the_end() -> None:
    package = '[[package]]\nname = "Alpha"\nversion = "1.2"\ncategory = "main"\noptional = false\n'
    files = (
        f'[metadata.files]\nalpha = [{{file = "a.whl", hash = "sha256:{A}"}}, {{file = "b", hash = "sha256:{B}"}}]\n'
    )
    wanted = of(poetry_lock(package, version="1.1") + files, '[tool.poetry.dependencies]\nalpha = "^1"')
    assert wanted.requirements == ["Alpha==1.2"]
    assert wanted.hashes == {"alpha": {A, B}}


def test_of_several_versions_that_is_taken_which_is_for_this_python_and_which_all_allow() -> None:
    for marks in (['markers = "python_version < \\"3.12\\""', 'markers = "python_version >= \\"3.12\\""'], ["", ""]):
        forked = [poetry_package("forked", str(number), A, mark) for number, mark in enumerate(marks, 1)]
        declared = """
        [tool.poetry.dependencies]
        forked = [{version = "^1", python = "<3.12"}, {version = "^2", python = ">=3.12"}]
        """
        assert of(poetry_lock(*forked), declared).requirements == ["forked==2"]
    forked[1] = poetry_package("forked", "2", A, 'markers = {main = "sys_platform == \\"win32\\""}')
    assert of(poetry_lock(*forked), '[tool.poetry.dependencies]\nforked = "*"').requirements == ["forked==1"]
    lock = poetry_lock(
        poetry_package("forked", "2", A, '[package.dependencies]\nonly-of-2 = "*"'),
        poetry_package("forked", "1", A, '[package.dependencies]\nonly-of-1 = "*"'),
        poetry_package("only-of-1", "1", A),
        poetry_package("only-of-2", "1", A),
        poetry_package("bound", "1", A, '[package.dependencies]\nforked = "<2"'),
    )
    declared = '[tool.poetry.dependencies]\nbound = "*"\nforked = "*"'
    assert of(lock, declared).requirements == ["bound==1", "forked==1", "only-of-1==1"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (('lock-version = "2.1"', 'lock-version = "3.0"'), "version 3.0"),
        (('lock-version = "2.1"', "lock-version = 2"), "can't be read"),
        (('python-versions = ">=3.9"', 'python-versions = "^2.7 || ~3.8"'), "for Python"),
        (("[metadata]", "[other]"), "can't be read"),
        ((f"sha256:{C}", "md5:00"), "without a sha256"),
        (('name = "either"', 'name = "other"'), "has no either"),
        (('version = "1.6"', 'version = "1.5"'), "no either that fits"),
        (('version = "1.2"', 'version = "2.0"'), "no alpha that fits"),
        (('version = "1.2"', 'version = "1.2 @ https://example.org/x.whl"'), "can't be read"),
        (('name = "alpha"', 'name = "../alpha"'), "can't be read"),
        (('name = "alpha"', "name = 7"), "can't be read"),
        (('name = "alpha"\nversion', 'name = "alpha"\nsource = 7\nfiles = 7\nversion'), "can't be read"),
        (('markers = "python', 'markers = "(((python'), "can't be read"),
        (('either = ">=1.0,', "either = [7]\nx = '"), "can't be read"),
    ],
)
def test_a_lock_that_is_not_as_it_should_be_is_refused(change: tuple[str, str], told: str) -> None:
    assert change[0] in LOCK
    with pytest.raises(InvalidInput, match=told):
        of(LOCK.replace(*change))


def test_a_lock_without_the_project_that_it_is_for_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"no pyproject\.toml"):
        read({"poetry.lock": LOCK})
    with pytest.raises(InvalidInput, match="can't be read"):
        of(LOCK, "not toml")


def test_a_great_many_packages_versions_or_dependencies_are_refused() -> None:
    names = [f"p{number}" for number in range(300)]
    every = "[tool.poetry.dependencies]\n" + "".join(f'{name} = "*"\n' for name in names)
    packages = [poetry_package(name, "1", A) for name in names]
    wide = "[package.dependencies]\n" + "".join(
        f'n{number} = {{version = "*", python = "<3"}}\n' for number in range(5_001)
    )
    elsewhere = [ELSEWHERE.format(kind="git").replace("delta", name) for name in names]
    for lock, declared in (
        (poetry_lock(*packages), every),
        (poetry_lock(*elsewhere).replace("of-p", "p"), every),
        (
            poetry_lock(*(poetry_package("p1", str(number), A) for number in range(11))),
            '[tool.poetry.dependencies]\np1 = "*"',
        ),
        (poetry_lock(poetry_package("p1", "1", A, wide)), '[tool.poetry.dependencies]\np1 = "*"'),
    ):
        with pytest.raises(TooLarge):
            of(lock, declared)
