"""`code_run` with the packages that a project of npm names: its lock's, or its package.json's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.agents.code.conftest import House, Open
from tests.agents.code.test_languages import SETTINGS, output, together
from tests.sandbox.registry import Registry, only_registry

from astro_mcp.core.authority import Label

REQUIRE = "const { said } = require('thing'); console.log(said)"
TYPED = "import { said } from 'thing'; const shown: string = said; console.log(shown)"


@pytest.fixture
async def house(open_house: Open) -> House:
    return await open_house(SETTINGS)


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    with only_registry(monkeypatch) as made:
        yield made


@pytest.fixture
def project(house: House) -> Path:
    folder = house.root / "site"
    folder.mkdir()
    return folder


def lock(project: Path, packages: dict[str, Any], name: str = "package-lock.json") -> None:
    text = json.dumps({"lockfileVersion": 3, "packages": {"": {"name": "site"}, **packages}})
    (project / name).write_text(text)


def needing(project: Path, **fields: Any) -> None:
    (project / "package.json").write_text(json.dumps({"name": "site", "version": "1.0.0", **fields}))


async def refusal(house: House, **arguments: Any) -> tuple[str, str, str]:
    error = (await house.run(language="javascript", project="site", code=REQUIRE, **arguments)).error
    assert error is not None
    return error.code, error.message, error.hint


@pytest.mark.full
async def test_a_lock_gives_what_it_pins_in_both_languages_from_one_image_that_stays(
    tidy: None, house: House, registry: Registry, project: Path, tmp_path: Path
) -> None:
    registry.add("needed", code="module.exports = 'pinned'")
    registry.add("thing", code="exports.said = require('needed')", fields={"dependencies": {"needed": "*"}})
    registry.add("needed", "2.0.0", code="module.exports = 'newest'")
    needing(project, dependencies={"thing": "^9"})
    packages = {f"node_modules/{name}": registry.entry(name) for name in ("thing", "needed")}
    lock(project, {**packages, "node_modules/team": {"resolved": "team", "link": True}})
    said: list[str] = []

    async def progress(done: float, total: float | None, text: str) -> None:
        said.append(text)

    result = await house.run(watch=progress, language="javascript", project="site", code=REQUIRE)
    got = output(result)
    assert (got.exit_code, got.stdout, got.stderr) == (0, "pinned\n", "")
    assert result.labels == {Label.PRIVATE, Label.UNTRUSTED}
    assert [line.partition(":")[0] for line in got.left_out] == ["team"]
    assert said[0] == "fetching 2 packages that the lock pins"

    assert set(registry.asked) == {"/thing", "/needed", "/thing/-/1.0.0.tgz", "/needed/-/1.0.0.tgz"}
    asked = len(registry.asked)
    for record in (tmp_path / "data/images/requests").iterdir():  # as it will be when what resolves is stale
        record.write_text(json.dumps({**json.loads(record.read_text()), "at": 0.0}))
    later = await together(house, {"ts": TYPED}, project="site")
    assert later["ts"].stdout == "pinned\n"
    assert len(registry.asked) == asked


async def test_other_bytes_than_a_lock_pins_and_packages_beside_it_are_refused(
    house: House, registry: Registry, project: Path
) -> None:
    registry.add("thing")
    lock(project, {"node_modules/thing": registry.entry("thing")})
    registry.add("thing", code="exports.said = 'other'")
    code, message, _ = await refusal(house)
    assert (code, message.partition(":")[0]) == ("invalid_input", "thing@1.0.0 is not what is pinned")
    code, _, hint = await refusal(house, packages=["other"])
    assert (code, "leave project out" in hint) == ("invalid_input", True)
    lock(project, {}, "npm-shrinkwrap.json")
    (project / "npm-shrinkwrap.json").write_text('{"lockfileVersion": 1}')
    code, message, hint = await refusal(house)
    assert (code, message[:19]) == ("invalid_input", "npm-shrinkwrap.json")
    assert "--lockfile-version=3" in hint


async def test_a_folder_that_says_nothing_leads_outside_or_says_two_things_is_refused(
    house: House, registry: Registry, project: Path, tmp_path: Path
) -> None:
    assert (await refusal(house))[0] == "not_found"
    (project / "yarn.lock").write_text("")
    assert (await refusal(house))[0] == "not_found"
    (tmp_path / "elsewhere.json").write_text('{"dependencies": {"secret-name": "1"}}')
    (project / "package.json").symlink_to(tmp_path / "elsewhere.json")
    assert (await refusal(house))[0] == "path_denied"
    (project / "package.json").unlink()
    needing(project, dependencies={"thing": "^1"})
    code, message, _ = await refusal(house, packages=["thing@^2"])
    assert code == "invalid_input"
    assert "asked for as ^2 before" in message
    assert registry.asked == []


async def test_what_is_no_package_of_the_registry_is_left_out_of_a_package_json_and_told(
    house: House, project: Path
) -> None:
    needing(project, dependencies={"ours": "workspace:*", "theirs": "git+ssh://git@host/x.git"}, overrides={"x": "1"})
    got = output(await house.run(language="js", project="site", code="console.log(1)"))
    assert got.stdout == "1\n"
    assert [line.partition(":")[0] for line in got.left_out] == ["overrides", "ours", "theirs"]
    assert got.text().count("left out: ") == 3


@pytest.mark.full
async def test_a_package_json_and_packages_beside_it_hold_together(
    tidy: None, house: House, registry: Registry, project: Path
) -> None:
    registry.add("thing", code="exports.said = require('beside')")
    registry.add("thing", "2.0.0", code="exports.said = 'newest'")
    registry.add("beside", code="module.exports = 'beside'")
    registry.add("mac", fields={"os": ["darwin"]})
    needing(project, dependencies={"thing": "^1"}, optionalDependencies={"mac": "1"}, devDependencies={"absent": "1"})
    got = output(await house.run(language="js", project="site", packages=["beside", "thing@^1"], code=REQUIRE))
    assert (got.stdout, got.stderr, got.left_out) == ("beside\n", "", [])
    code, message, _ = await refusal(house, packages=["mac@1"])
    assert (code, "mac" in message) == ("invalid_input", True)
