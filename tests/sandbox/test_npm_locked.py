"""What a project's lock pins is fetched by name and version from npm's registry, and has the lock's own bytes."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.sandbox.registry import Registry, only_registry, tarball

from astro_mcp.core.call import silent
from astro_mcp.errors import AstroError, InvalidInput, ProviderFailed
from astro_mcp.sandbox.packages import npm
from astro_mcp.sandbox.packages.npm_packages import source
from astro_mcp.sandbox.packages.npm_project_lock import locked
from astro_mcp.sandbox.packages.order import Pins
from astro_mcp.sandbox.packages.source import Fetched
from astro_mcp.sandbox.sandbox import Sandbox

FACTS = {"platform_machine": "x86_64", "libc": "glibc 2.41"}


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    with only_registry(monkeypatch) as made:
        yield made


def pins(**packages: Any) -> Pins:
    entries = {f"node_modules/{name}": entry for name, entry in packages.items()}
    text = json.dumps({"lockfileVersion": 3, "packages": entries}).encode()
    return Pins(locked=locked("package-lock.json", text, npm.platform(FACTS)).packages)


async def fetched(folder: Path, wanted: Pins) -> Fetched:
    folder.mkdir()
    return await source(wanted).fetch((), FACTS, folder, 60, silent)


async def failure(folder: Path, wanted: Pins) -> AstroError:
    with pytest.raises(AstroError) as caught:
        await fetched(folder, wanted)
    return caught.value


@pytest.mark.full
async def test_the_versions_of_a_lock_come_from_the_registry_by_name_and_nothing_is_resolved(
    registry: Registry, tmp_path: Path
) -> None:
    registry.add("thing", fields={"dependencies": {"unpinned": "1"}})
    registry.add("thing", "2.0.0")
    registry.add("@s/other")
    again = registry.entry("thing", name="thing", resolved=f"{registry.url}/elsewhere.tgz")
    wanted = pins(thing=registry.entry("thing"), **{"@s/other": registry.entry("@s/other"), "alias": again})
    found = await fetched(tmp_path / "build", wanted)
    assert [line.partition(":")[0] for line in found.contents] == [
        "node_modules/@s/other=@s/other@1.0.0",
        "node_modules/alias=thing@1.0.0",
        "node_modules/thing=thing@1.0.0",
    ]
    assert len(found.files) == 3
    assert set(registry.asked) == {"/thing", "/@s%2fother", "/thing/-/1.0.0.tgz", "/@s/other/-/1.0.0.tgz"}


@pytest.mark.full
@pytest.mark.parametrize("promised", [True, False])
async def test_other_bytes_than_the_lock_pins_are_refused_by_name(
    registry: Registry, tmp_path: Path, promised: bool
) -> None:
    registry.add("thing")
    registry.add("good")
    wanted = pins(thing=registry.entry("thing"), good=registry.entry("good"))
    if promised:
        registry.add("thing", code="other")
    else:
        registry._files["/thing/-/1.0.0.tgz"] = tarball({"package/index.js": b"other"})
    error = await failure(tmp_path / "build", wanted)
    assert isinstance(error, InvalidInput)
    assert error.message.startswith("thing@1.0.0 is not what is pinned")
    assert "nothing of it ran" in error.hint
    assert ("/thing/-/1.0.0.tgz" in registry.asked) is not promised  # what the registry itself promises is not fetched


@pytest.mark.full
async def test_what_the_registry_has_not_is_told_by_name_and_one_that_is_down_may_be_asked_again(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.add("thing")
    wanted = pins(thing=registry.entry("thing", version="1.5.0"))
    error = await failure(tmp_path / "absent", wanted)
    assert isinstance(error, InvalidInput)
    assert "thing@1.5.0" in error.message
    assert "lock pins" in error.hint
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    down = await failure(tmp_path / "down", wanted)
    assert isinstance(down, ProviderFailed)
    assert down.retryable


FAKE = """#!/bin/sh
mkdir -p {place} && echo other >{place}/{rest}
"""


async def test_what_lies_in_npms_cache_is_held_against_the_lock_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "npm"
    program.write_text(FAKE.format(place="cache/_cacache/content-v2/sha512/00/00", rest="0" * 124))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    integrity = f"sha512-{base64.b64encode(bytes(64)).decode()}"
    error = await failure(tmp_path / "build", pins(thing={"version": "1.0.0", "integrity": integrity}))
    assert isinstance(error, InvalidInput)
    assert error.message.startswith("thing@1.0.0 is not what is pinned")


def test_a_lock_goes_with_nothing_besides() -> None:
    wanted = pins(thing={"version": "1.0.0", "integrity": f"sha512-{base64.b64encode(bytes(64)).decode()}"})
    assert source(wanted).canonical([]) == ()
    with pytest.raises(InvalidInput):
        source(wanted).canonical(["other"])


@pytest.mark.full
async def test_an_image_of_a_lock_is_its_tenants_and_its_programs(sandbox: Sandbox, registry: Registry) -> None:
    registry.add("thing")
    plain, other = pins(thing=registry.entry("thing")), pins(thing=registry.entry("thing", bin={"x": "index.js"}))
    made = [
        await sandbox.package_image("npm", "", tenant, (), pins=wanted)
        for tenant, wanted in (("local", plain), ("other", plain), ("local", other))
    ]
    assert len(set(made)) == 3
    assert await sandbox.package_image("npm", "", "local", ["thing@1.0.0"]) == made[0]


@pytest.mark.full
async def test_what_is_optional_is_left_out_where_it_does_not_fit_or_is_not_there(
    registry: Registry, tmp_path: Path
) -> None:
    registry.add("thing")
    registry.add("mac", fields={"os": ["darwin"]})
    (tmp_path / "build").mkdir()
    optional = source(Pins(optional=frozenset({"mac", "absent"})))
    wanted = optional.canonical(["thing", "mac", "absent"])
    found = await optional.fetch(wanted, FACTS, tmp_path / "build", 60, silent)
    assert [line.partition("=")[0] for line in found.contents] == ["node_modules/thing"]
    (tmp_path / "none").mkdir()
    only = optional.canonical(["mac"])
    assert (await optional.fetch(only, FACTS, tmp_path / "none", 60, silent)).contents == ()
