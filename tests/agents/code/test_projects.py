"""Packages that a project's own files name, and packages that have to be built, for `code_run`."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import cast

import pytest
from tests.agents.code.conftest import House, Open
from tests.sandbox.locks import poetry_lock, poetry_package
from tests.sandbox.sdists import plain, sdist
from tests.sandbox.wheels import only_index, wheel

from astro_mcp.agents.code.model import CodeOutput
from astro_mcp.config import SandboxSettings
from astro_mcp.core.authority import Effect, Label


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages that is all pip knows."""
    return only_index(tmp_path / "index", monkeypatch)


def lock(sha256: str) -> str:
    file = f'{{name = "alpha-1.0-py3-none-any.whl", url = "https://example.org/a", hashes = {{sha256 = "{sha256}"}}}}'
    package = f'[[packages]]\nname = "alpha"\nversion = "1.0"\nwheels = [{file}]\n'
    return f'lock-version = "1.0"\ncreated-by = "a-test"\n{package}'


@pytest.mark.full
async def test_a_projects_lock_gives_the_version_that_it_pins_whosever_it_is_and_another_file_of_it_is_refused(
    house: House, index: Path
) -> None:
    made = wheel(index, "alpha", "1.0")
    for version in ("1.5", "2.0"):
        wheel(index, "alpha", version)
    wheel(index, "beta")
    project = house.root / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text('[project]\nname = "project"\nversion = "1"\ndependencies = ["gone"]')
    (project / "pylock.toml").write_text(lock("0" * 64))
    refused = await house.run(project="project", code="1")
    assert refused.error is not None
    assert refused.error.code == "invalid_input"
    assert "alpha 1.0 is not what is pinned" in refused.error.message
    found = hashlib.sha256(made.read_bytes()).hexdigest()
    (project / "pylock.toml").write_text(lock(found))
    result = await house.run(project="project", packages=["beta"], code="import alpha, beta\nalpha.version")
    assert cast(CodeOutput, result.unwrap()).result == '"1.0"'
    assert result.labels == {Label.PRIVATE, Label.UNTRUSTED}
    (project / "pylock.toml").unlink()
    (project / "poetry.lock").write_text(
        poetry_lock(poetry_package("alpha", "1.0", found), poetry_package("x", "1", found))
    )
    (project / "pyproject.toml").write_text('[tool.poetry.dependencies]\npython = "^3.9"\nalpha = "^1.0"\n')
    result = await house.run(project="project", packages=["beta"], code="import alpha, beta\nalpha.version")
    assert cast(CodeOutput, result.unwrap()).result == '"1.0"'


async def test_a_project_that_is_none_or_leads_outside_is_refused(house: House, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.txt").write_text("secret-name==1\n")
    (house.root / "linked").mkdir()
    (house.root / "linked/requirements.txt").symlink_to(tmp_path / "elsewhere.txt")
    (house.root / "empty").mkdir()
    for project, language, code in (
        ("linked", "python", "path_denied"),
        ("empty", "python", "not_found"),
        ("missing", "python", "not_found"),
        ("../elsewhere", "python", "path_denied"),
        (".", "shell", "unsupported"),
    ):
        refused = await house.run(code="1", project=project, language=language)
        assert refused.error is not None
        assert refused.error.code == code
    for effect in (Effect.NETWORK, Effect.READ):
        refused = await house.run(by=house.with_grant(effects=frozenset(Effect) - {effect}), code="1", project=".")
        assert refused.error is not None
        assert refused.error.code == "forbidden"


async def test_what_is_no_name_in_a_projects_file_is_left_out_and_told(house: House) -> None:
    (house.root / "listed.txt").write_text("-i https://example.org\n../x\ngit+https://example.org/x\n")
    (house.root / "requirements.txt").symlink_to("listed.txt")
    got = cast(CodeOutput, (await house.run(project=".", code="1")).unwrap())
    assert got.result == "1"
    assert len(got.left_out) == 3
    assert got.text().count("left out: ") == 3


@pytest.mark.full
async def test_a_package_without_a_wheel_runs_where_an_operator_named_it_and_no_parameter_does(
    open_house: Open, index: Path
) -> None:
    sdist(index, "sourced", plain("sourced"))
    house = await open_house(SandboxSettings(memory_mb=256))
    refused = await house.run(packages=["sourced"], code="1")
    assert refused.error is not None
    assert refused.error.code == "approval_required"
    assert '"sourced" in sandbox.build_from_source' in refused.error.hint
    await house.dispatcher.registry.unregister("code")
    house = await open_house(SandboxSettings(memory_mb=256, build_from_source=("sourced",)))
    result = await house.run(packages=["sourced"], code="import sourced\nsourced.version")
    assert cast(CodeOutput, result.unwrap()).result == '"1.0"'
