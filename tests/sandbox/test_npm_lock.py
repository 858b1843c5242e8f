"""What may be asked for of npm, what its lock may say, and what the tarballs may hold: each wall by itself."""

from __future__ import annotations

import base64
import json
import runpy
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.sandbox.registry import tarball
from tests.sandbox.rig import RESOURCES

from astro_mcp.errors import InvalidInput
from astro_mcp.sandbox.packages.npm_entries import Package, Platform
from astro_mcp.sandbox.packages.npm_lock import read
from astro_mcp.sandbox.packages.npm_requirements import canonical

LINUX = Platform("linux", "x64", "glibc")
HASH = f"sha512-{base64.b64encode(bytes(64)).decode()}"


@pytest.mark.parametrize(
    ("text", "spelling"),
    [
        ("lodash", "lodash@*"),
        ("lodash@latest", "lodash@*"),
        (" lodash@^4 ", "lodash@^4"),
        ("@scope/name@1.x", "@scope/name@1.x"),
        ("a@>= 1.2.3  < 2", "a@>=1.2.3 <2"),
        ("a@1.0.0-rc.1+b", "a@1.0.0-rc.1+b"),
        ("a@1 - 2.3", "a@1 - 2.3"),
        ("a@~1||^2 || >3.0.0", "a@~1 || ^2 || >3.0.0"),
        ("JSONStream@*", "JSONStream@*"),
    ],
)
def test_a_name_and_its_versions_have_one_spelling(text: str, spelling: str) -> None:
    assert canonical([text, text]) == (spelling,)


BAD = [
    *("", "@", "@scope", "@scope/", "a@", "a@next", "a@1 -", "a@1 - 2 - 3", "a@|| 1", "a@1.2.3.4", "a@=>1", "a@^"),
    *(
        "--registry=http://x",
        "-g",
        "a --global",
        "a@1 --force",
        "a\n--force",
        "a@1\0",
        "./a",
        "../a",
        "/etc",
        "~/a",
        ".",
    ),
    *("a@npm:b@1", "npm:b", "a@file:../b", "file:../b", "a@git+ssh://x/y", "git+https://x/y.git", "github:x/y", "x/y"),
    *("a@https://x/y.tgz", "https://x/y.tgz", "y.tgz@./y.tgz", "a@x/y", "a@workspace:*", "a@link:b", "git@x:y/z.git"),
    *("node_modules", ".bin", "_a", "@A/b", "a/b/c", "@a/../b", "a" * 215, "a@" + "1" * 199, "é", "a@1\u202e"),
]


def test_what_is_no_name_with_versions_is_refused_all_at_once() -> None:
    with pytest.raises(InvalidInput) as caught:
        canonical(["good", *BAD])
    assert [problem.path for problem in caught.value.problems] == [f"packages.{n + 1}" for n in range(len(BAD))]
    assert "lodash" in caught.value.hint


def test_a_name_is_asked_for_once() -> None:
    with pytest.raises(InvalidInput, match="asked for as 1 before") as caught:
        canonical(["a@1", "b", "a@2", "a@1"])
    assert [problem.path for problem in caught.value.problems] == ["packages.2"]


def entry(**fields: Any) -> dict[str, Any]:
    """A package of a lock as it should be, changed by `fields`; None takes a key away."""
    whole = {"version": "1.0.0", "resolved": "https://registry.example/a/-/a.tgz", "integrity": HASH, **fields}
    return {key: value for key, value in whole.items() if value is not None}


def lock(**packages: Any) -> bytes:
    top = {"": {"name": "packages"}, **{f"node_modules/{name}": value for name, value in packages.items()}}
    return json.dumps({"lockfileVersion": 3, "packages": top}).encode()


def refused(text: bytes) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        read(text, LINUX)
    return caught.value


def test_a_whole_lock_reads_parents_first_and_an_alias_is_fetched_by_its_name() -> None:
    deep = {
        "a/node_modules/b": entry(name="@other/b"),
        "a": entry(bin={"tool": "./bin/x.js", "../up": "x", "no": "../x"}),
    }
    needs = {"one": "^1", "two": "npm:@x/y@1 || 2", "three": "latest", "four": "", "five": "1.0.0 - 2"}
    found = read(lock(**deep, c=entry(dependencies=needs, inBundle=None)), LINUX)
    digest = bytes(64).hex()
    assert found == (
        Package("node_modules/a", "a", "1.0.0", digest, {"tool": "bin/x.js"}),
        Package("node_modules/a/node_modules/b", "@other/b", "1.0.0", digest),
        Package("node_modules/c", "c", "1.0.0", digest),
    )


def test_a_package_of_another_platform_that_none_needs_is_left_out_where_npm_does_not_mark_it_as_optional() -> None:
    other = {"a/node_modules/@a/mac": entry(os=["darwin"]), "a/node_modules/@a/here": entry(os=["linux"])}
    wants = entry(optionalDependencies={"@a/mac": "1", "@a/here": "1"})
    found = read(lock(a=wants, **other), LINUX)
    assert [package.name for package in found] == ["a", "@a/here"]
    assert "@a/mac is not for linux" in refused(lock(a=wants, b=entry(dependencies={"@a/mac": "1"}), **other)).message


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"resolved": "git+ssh://git@host/x/y.git#1"}, "no registry"),
        ({"resolved": "file:../x.tgz"}, "no registry"),
        ({"resolved": None}, "no registry"),
        ({"resolved": "../x", "link": True}, "link"),
        ({"integrity": None}, "SHA-512"),
        ({"integrity": "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk="}, "SHA-512"),
        ({"integrity": "sha512-AAAA"}, "SHA-512"),
        ({"integrity": "sha512-../../../etc"}, "SHA-512"),
        ({"version": "../1"}, "no version"),
        ({"version": None}, "no version"),
        ({"version": "1.0.0-x.tgz"}, "no version"),
        ({"name": "--global"}, "no name"),
        ({"hasShrinkwrap": True}, "lock file of its own"),
        ({"os": ["darwin"]}, "not for linux"),
        ({"cpu": ["!x64"]}, "not for linux"),
        ({"dependencies": {"x": "git+https://host/x"}}, "by its address"),
        ({"dependencies": {"x": "user/repository"}}, "by its address"),
        ({"dependencies": {"x": "file:../x"}}, "by its address"),
        ({"dependencies": {"x": "x.tgz"}}, "by its address"),
        ({"dependencies": {"x": "npm:../x"}}, "by its address"),
        ({"optionalDependencies": {"x": "https://host/x.tgz"}}, "by its address"),
        ({"peerDependencies": {"x": "~/x"}}, "by its address"),
    ],
)
def test_a_package_from_elsewhere_is_refused(fields: dict[str, Any], why: str) -> None:
    assert why in refused(lock(a=entry(**fields))).message


@pytest.mark.parametrize(
    "name", ["../a", ".bin", "a/../b", "a/node_modules", "a/b", "a/node_modules/..", "a\0", "@a", ""]
)
def test_a_package_with_an_unsafe_place_is_refused(name: str) -> None:
    assert "no name" in refused(lock(**{name: entry(name="good")})).message
    elsewhere = json.dumps({"packages": {name or "/etc": entry(name="good")}}).encode()
    assert refused(elsewhere).problems


def test_every_problem_of_a_lock_is_told() -> None:
    error = refused(lock(a=entry(integrity=None), b=entry(), c=entry(link=True)))
    assert [problem.path for problem in error.problems] == ["packages.a", "packages.c"]


@pytest.mark.parametrize(
    ("fields", "fits"),
    [
        ({"os": ["darwin"]}, False),
        ({"os": ["!win32"]}, True),
        ({"os": ["any"], "cpu": "x64"}, True),
        ({"os": ["linux"], "cpu": ["arm64"]}, False),
        ({"cpu": ["x64"], "libc": ["musl"]}, False),
        ({"cpu": ["x64"], "libc": ["glibc"]}, True),
    ],
)
def test_an_optional_package_for_another_platform_is_left_out_with_what_is_below_it(
    fields: dict[str, Any], fits: bool
) -> None:
    found = read(lock(**{"a": entry(optional=True, **fields), "a/node_modules/b": entry(optional=True)}), LINUX)
    assert len(found) == (2 if fits else 0)


Install = Callable[..., Any]


@pytest.fixture(scope="module")
def install() -> dict[str, Any]:
    return runpy.run_path(str(RESOURCES / "image/install_npm.py"))


def unpacked(install: dict[str, Any], folder: Path, packed: bytes, left: tuple[int, int] = (1000, 10)) -> set[str]:
    (folder / "a.tgz").write_bytes(packed)
    install["unpack"](folder / "a.tgz", folder / "to" / "a", list(left))
    return {path.relative_to(folder / "to").as_posix() for path in (folder / "to").rglob("*") if path.is_file()}


def member(name: str, **fields: Any) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(made, key, value)
    return made


def test_a_tarballs_first_folder_is_dropped_whatever_its_name(install: dict[str, Any], tmp_path: Path) -> None:
    files = {"package/a.js": b"a", "other/lib/b.js": b"b", "stray": b"c"}
    special = (member("package/lib/", type=tarfile.DIRTYPE), member("package/run", mode=0o6755))
    assert unpacked(install, tmp_path, tarball(files, *special)) == {"a/a.js", "a/lib/b.js", "a/run"}
    assert (tmp_path / "to/a/run").stat().st_mode & 0o7777 == 0o755
    assert (tmp_path / "to/a/a.js").stat().st_mode & 0o7777 == 0o644


@pytest.mark.parametrize(
    "special",
    [
        member("package/x", type=tarfile.SYMTYPE, linkname="/etc"),
        member("package/x", type=tarfile.LNKTYPE, linkname="package/y"),
        member("package/x", type=tarfile.FIFOTYPE),
        member("package/x", type=tarfile.CHRTYPE),
        member("package/x", type=tarfile.BLKTYPE),
        member("package/x", type=tarfile.CONTTYPE),
        member("package/x", type=tarfile.GNUTYPE_SPARSE),
        member("package/../../x"),
        member("../package/x"),
        member("/package/x"),
        member("package/a\\b"),
    ],
    ids=lambda special: f"{special.type!r} {special.name}",
)
def test_what_is_no_plain_file_below_its_package_is_refused(
    install: dict[str, Any], tmp_path: Path, special: tarfile.TarInfo
) -> None:
    with pytest.raises((install["Refused"], tarfile.TarError)):
        unpacked(install, tmp_path, tarball({"package/y": b"y"}, special))
    assert {path.name for path in tmp_path.rglob("*")} <= {"a.tgz", "to", "a", "y"}


def test_what_unpacks_to_more_than_the_bounds_is_refused_before_it_is_written(
    install: dict[str, Any], tmp_path: Path
) -> None:
    for files, left in (({"p/x": bytes(100)}, (99, 9)), ({"p/1": b"", "p/2": b""}, (99, 1))):
        with pytest.raises(install["Refused"]):
            unpacked(install, tmp_path, tarball(files), left)
    assert not (tmp_path / "to/a/x").exists()


CUT = tarball({"package/x": b"x" * 99})[:-20]


@pytest.mark.parametrize("packed", [b"", b"no tarball", CUT], ids=["empty", "text", "cut"])
def test_what_is_no_tarball_is_an_error_that_the_installer_tells(
    install: dict[str, Any], tmp_path: Path, packed: bytes
) -> None:
    with pytest.raises((tarfile.TarError, EOFError)):
        unpacked(install, tmp_path, packed)


def test_programs_are_links_into_their_package_and_the_first_of_a_name_stays(
    install: dict[str, Any], tmp_path: Path
) -> None:
    programs = tmp_path / "node_modules/.bin"
    install["link"].__globals__["PROGRAMS"] = programs
    for name in ("a", "@scope/b"):
        package = tmp_path / "node_modules" / name
        package.mkdir(parents=True)
        (package / "cli.js").write_text("")
        install["link"](package, {"tool": "cli.js", "absent": "no.js"})
    assert [path.name for path in programs.iterdir()] == ["tool"]
    assert (programs / "tool").resolve() == tmp_path / "node_modules/a/cli.js"
    assert (programs / "tool").stat().st_mode & 0o111
