"""A project's own lock of npm's pins names, versions and hashes; its addresses count for nothing, and it is hostile."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astro_mcp.errors import InvalidInput, TooLarge
from astro_mcp.sandbox.job import safe_path
from astro_mcp.sandbox.packages.npm_entries import Package, Platform
from astro_mcp.sandbox.packages.npm_project_lock import Locked, locked

LINUX = Platform("linux", "x64", "glibc")
DIGEST = bytes(64).hex()
HASH = f"sha512-{base64.b64encode(bytes(64)).decode()}"
OTHER = f"sha512-{base64.b64encode(bytes(63) + b'1').decode()}"


def entry(**fields: Any) -> dict[str, Any]:
    """A package of a lock as it should be, changed by `fields`; None takes a key away."""
    whole = {"version": "1.0.0", "resolved": "https://registry.example/a/-/a.tgz", "integrity": HASH, **fields}
    return {key: value for key, value in whole.items() if value is not None}


def lock(packages: dict[str, Any], version: object = 3, top: dict[str, Any] | None = None) -> bytes:
    return json.dumps({"lockfileVersion": version, "packages": {"": top or {"name": "project"}, **packages}}).encode()


def read(packages: dict[str, Any], **top: Any) -> Locked:
    return locked("package-lock.json", lock(packages, top=top), LINUX)


def refused(data: bytes) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        locked("package-lock.json", data, LINUX)
    assert "--lockfile-version=3" in caught.value.hint
    return caught.value


def test_what_is_for_development_comes_only_where_that_is_asked() -> None:
    data = lock({"node_modules/a": entry(), "node_modules/tool": entry(dev=True)})
    assert [package.name for package in locked("package-lock.json", data, LINUX).packages] == ["a"]
    every = locked("package-lock.json", data, LINUX, development=True)
    assert [package.name for package in every.packages] == ["a", "tool"]


def test_a_package_of_another_platform_that_none_needs_is_left_out_though_it_is_not_marked_as_optional() -> None:
    other = {"node_modules/a/node_modules/mac": entry(os=["darwin"])}
    wants = {"node_modules/a": entry(optionalDependencies={"mac": "1"})}
    assert [package.name for package in read(wants | other).packages] == ["a"]
    needs = {"node_modules/b": entry(dependencies={"mac": "1"})}
    assert "mac is not for linux" in refused(lock(wants | other | needs)).message


@pytest.mark.parametrize("version", [2, 3])
def test_what_a_lock_pins_is_found_with_its_place_and_its_hash(version: int) -> None:
    packages = {
        "node_modules/a/node_modules/b": entry(name="@other/b", resolved=None),
        "node_modules/a": entry(bin={"tool": "./bin/x.js", "../up": "x", "no": "../x", "odd": 7}, peer=True),
        "node_modules/@s/c": entry(version="2.0.0-rc.1", dependencies={"a": "^1", "x": "npm:@other/b@1"}),
    }
    found = locked("package-lock.json", b"\xef\xbb\xbf" + lock(packages, version), LINUX)
    assert found.packages == (
        Package("node_modules/@s/c", "@s/c", "2.0.0-rc.1", DIGEST),
        Package("node_modules/a", "a", "1.0.0", DIGEST, {"tool": "bin/x.js"}),
        Package("node_modules/a/node_modules/b", "@other/b", "1.0.0", DIGEST),
    )
    assert found.left_out == ()


def test_what_npm_would_not_install_here_either_is_not_told() -> None:
    found = read(
        {
            "node_modules/dev": entry(dev=True, integrity=None),
            "node_modules/old": entry(extraneous=True, version=None),
            "node_modules/mac": entry(optional=True, os=["darwin"]),
            "node_modules/mac/node_modules/below": entry(optional=True),
            "node_modules/either": entry(devOptional=True, cpu=["arm64"]),
            "node_modules/here": entry(optional=True, os=["linux"], libc=["glibc"]),
            "node_modules/carrier": entry(bundleDependencies=["inner"]),
            "node_modules/carrier/node_modules/inner": {"version": "1.0.0", "inBundle": True},
        }
    )
    assert [one.name for one in found.packages] == ["carrier", "here"]
    assert found.left_out == ()


def test_what_the_project_itself_bundles_is_no_part_of_another_tarball() -> None:
    assert len(read({"node_modules/a": entry(inBundle=True)}, bundleDependencies=["a"]).packages) == 1
    assert "no SHA-512" in refused(lock({"node_modules/a": entry(inBundle=True, integrity=None)})).message


def test_what_is_no_package_of_a_registry_is_left_out_and_told_with_what_lies_in_it() -> None:
    found = read(
        {
            "node_modules/git": entry(resolved="git+ssh://git@host/git.git#1", integrity=None),
            "node_modules/git/node_modules/below": entry(),
            "node_modules/file": entry(resolved="file:../file.tgz"),
            "node_modules/team": {"resolved": "packages/team", "link": True},
            "packages/team": {"version": "1.0.0", "dependencies": {"kept": "1"}},
            "packages/team/node_modules/kept": entry(),
            "node_modules/remote": entry(),
            "node_modules/kept": entry(dependencies={"deep": "https://host/deep.tgz", "git": "user/git"}),
            "node_modules/kept/node_modules/deep": entry(),
            "node_modules/deep": entry(),
        },
        dependencies={"remote": "https://host/remote.tgz", "absent": "https://host/absent.tgz"},
    )
    assert [one.at for one in found.packages] == ["node_modules/deep", "node_modules/kept"]
    told = [line.partition(": ")[0] for line in found.left_out]
    assert told == [
        *("file", "git", "git/node_modules/below", "kept/node_modules/deep", "remote", "team"),
        "packages/team/node_modules/kept",
    ]
    reasons = {name: line.partition(": ")[2] for name, line in zip(told, found.left_out, strict=True)}
    assert "address" in reasons["remote"] == reasons["git"] == reasons["kept/node_modules/deep"]
    assert "lies in git" in reasons["git/node_modules/below"]
    assert "folder of the project" in reasons["team"]
    assert "host" not in "".join(found.left_out)  # an address may hold a token


def test_a_great_many_that_are_left_out_are_counted() -> None:
    found = read({f"node_modules/p{n}": {"link": True} for n in range(300)})
    assert (len(found.left_out), found.left_out[-1]) == (191, "110 more of package-lock.json")


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"integrity": None}, "SHA-512"),
        ({"integrity": "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk="}, "SHA-512"),
        ({"integrity": "sha512-AAAA é sha512-é"}, "SHA-512"),
        ({"integrity": ["x"]}, "SHA-512"),
        ({"version": None}, "no version"),
        ({"version": "1.0.0 --registry=http://x"}, "no version"),
        ({"version": "1.0.0-x.tgz"}, "no version"),
        ({"version": "\uff11.0.0"}, "no version"),
        ({"version": {"x": 1}}, "no version"),
        ({"name": "--global"}, "no name"),
        ({"name": 7}, "no name"),
        ({"os": ["darwin"]}, "not for linux"),
    ],
)
def test_a_package_that_is_not_pinned_as_it_should_be_is_refused(fields: dict[str, Any], why: str) -> None:
    error = refused(lock({"node_modules/good": entry(), "node_modules/bad": entry(**fields)}))
    assert error.message.startswith("package-lock.json: bad ")
    assert why in error.message


@pytest.mark.parametrize("name", ["../a", ".bin", "a/../b", "a/node_modules", "a/b", "a/node_modules/..", "a\0", "@a"])
def test_a_package_with_an_unsafe_place_is_refused(name: str) -> None:
    assert "no name" in refused(lock({f"node_modules/{name}": entry(name="good")})).message


def test_one_version_with_two_hashes_is_refused() -> None:
    packages = {"node_modules/a": entry(), "node_modules/b/node_modules/a": entry(integrity=OTHER)}
    assert "two hashes" in refused(lock(packages)).message


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"not json", b"[]", b"7", b"\xff\xfe", b"[" * 100_000, b'{"lockfileVersion": ' + b"9" * 5_000 + b"}"),
        *(lock({}, version) for version in (1, 4, None, "3", True, [3])),
        *(b'{"lockfileVersion": 3}', b'{"lockfileVersion": 3, "packages": []}'),
        lock({"node_modules/a": 7}),
        lock({"node_modules/a" * 31: entry()}),
        lock({"node_modules/" + "a" * 5_000: entry(dev=True)}),
    ],
)
def test_what_is_no_lock_that_is_read_is_refused_with_the_line_that_makes_one(data: bytes) -> None:
    refused(data)


def test_a_lock_of_a_great_many_entries_is_refused() -> None:
    with pytest.raises(TooLarge):
        read({f"node_modules/p{number}": {} for number in range(20_000)})


PLACES = st.lists(st.sampled_from(["a", "b", "@s/a", "..", "", ".bin", "a/b", "\ud800"]), min_size=1, max_size=3).map(
    lambda names: "/".join(f"node_modules/{name}" for name in names)
) | st.sampled_from(["", "packages/a", "packages/a/node_modules/b", "/etc", "../a", "node_modules", "node_modules/"])
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([None, True, 7, "", "x", "\ud800", HASH, "1.0.0", "npm:a@1", "git+ssh://host/x", "a", "bin/x"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "b", "@s/a"]), inner, max_size=2),
    max_leaves=3,
)
KEYS = ["name", "version", "resolved", "integrity", "link", "dev", "optional", "inBundle", "os", "bin"]
KEYS += ["dependencies", "peerDependencies", "peerDependenciesMeta", "bundleDependencies"]
CHANGED = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=2).map(lambda fields: entry(**fields))


@pytest.mark.parametrize("examples", [50, pytest.param(3_000, marks=pytest.mark.full)])
def test_whatever_a_lock_says_it_gives_safe_packages_or_one_of_our_errors(examples: int) -> None:
    given_up, found = 0, 0

    @settings(max_examples=examples, deadline=None, derandomize=True)
    @given(st.dictionaries(PLACES, CHANGED | VALUES, max_size=4))
    def check(packages: dict[str, Any]) -> None:
        nonlocal given_up, found
        try:
            gives = read(packages)
        except InvalidInput:
            given_up += 1
            return
        found += len(gives.packages)
        for one in gives.packages:
            assert safe_path(one.at)
            assert one.at.startswith("node_modules/")
            assert len(one.sha512) == 128
            assert not {"..", ".bin"} & set(one.at.split("/"))
            assert f"{one}".isascii()
        assert all(line.isprintable() for line in gives.left_out)

    check()
    assert given_up
    assert found
