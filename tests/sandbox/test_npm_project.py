"""What a package.json needs is read from it as it stands; what is no name with a range is left out, and told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from astro_mcp.errors import InvalidInput
from astro_mcp.sandbox.packages.npm_project import Named, named


def read(*others: str, **fields: Any) -> Named:
    return named(json.dumps({"name": "project", **fields}).encode(), others)


def told(found: Named) -> list[str]:
    return [line.partition(": ")[0] for line in found.left_out]


def test_dependencies_are_names_with_ranges_and_optional_ones_go_before_others_of_their_name() -> None:
    found = read(
        dependencies={"b": "^1.2", "@s/a": ">= 1  <2 || 3.x", "both": "1", "any": "", "newest": "latest"},
        optionalDependencies={"mac": "~2.3", "both": "2"},
        devDependencies={"unwanted": "1"},
    )
    assert found.requirements == ("@s/a@>=1 <2 || 3.x", "any@*", "b@^1.2", "both@2", "mac@~2.3", "newest@*")
    assert found.optional == {"mac", "both"}
    assert found.left_out == ()


@pytest.mark.parametrize(
    "wanted",
    [
        *("next", "npm:other@1", "file:../x", "link:../x", "workspace:*", "user/x", "git+ssh://git@host/x.git"),
        *("https://user:token@host/x.tgz", "./x.tgz", "1.2.3 --force", "1\n2", "1" * 300, 7, None, ["1"], {"x": 1}),
    ],
)
def test_what_is_no_range_of_versions_is_left_out(wanted: object) -> None:
    for key in ("dependencies", "optionalDependencies"):
        found = read(**{key: {"kept": "1", "odd": wanted}})
        assert found.requirements == ("kept@1",)
        assert told(found) == ["odd"]
        assert "token" not in found.left_out[0]


@pytest.mark.parametrize("name", ["../x", "", "a@1", " a", "--global", ".bin", "é", "a\u202e", "x" * 300])
def test_what_is_no_name_is_left_out_and_shown_harmlessly(name: str) -> None:
    found = read(dependencies={name: "1"})
    assert found.requirements == ()
    assert found.left_out[0].isprintable()


def test_what_is_not_read_is_told() -> None:
    peers = {"peer": ">=1", "needed": "1"}
    found = read(
        "yarn.lock",
        dependencies={"needed": "1"},
        peerDependencies=peers,
        overrides={"x": "1"},
        workspaces=["packages/*"],
    )
    assert told(found) == ["yarn.lock", "overrides", "workspaces", "peer"]


def test_there_is_a_bound_of_names() -> None:
    found = read(dependencies={f"p{number:03}": "1" for number in range(250)})
    assert len(found.requirements) == 190
    assert len(found.left_out) == 60


def test_a_great_many_that_are_left_out_are_counted() -> None:
    found = read(dependencies={f"p{number:03}": "next" for number in range(250)})
    assert (len(found.left_out), found.left_out[-1]) == (191, "60 more of package.json")


@pytest.mark.parametrize("data", [b"", b"[]", b"7", b"{", b"\xff", b"[" * 100_000])
def test_a_package_json_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        named(data)


def test_a_part_that_is_no_table_counts_for_nothing() -> None:
    assert read(dependencies=["x"], optionalDependencies="x", peerDependencies=7) == Named((), frozenset(), ())
