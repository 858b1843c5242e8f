"""Fixers that are no Python: what they mend is shown as a diff, by their own rules."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.agents.tests.bench import bench, write

from astro_mcp.agents.lint.fix_models import FixOutput

ESLINT = (
    'module.exports = [{files: ["**/*.js"], rules: {semi: "warn", "prefer-const": "error", "no-undef": "error"}}];\n'
)


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("tool", "settings", "mended"),
    [
        ("eslint", ("eslint.config.js", ESLINT), "+const b = [none];\n"),
        ("biome", ("biome.json", "{}\n"), "+const b = [none]\n"),
    ],
)
async def test_what_is_safe_is_mended_and_the_rest_stays(
    tool: str, settings: tuple[str, str], mended: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    source = "let b = [none]\ndebugger\nexport { b }\n"
    write(tmp_path / "project", {"a.js": source, settings[0]: settings[1]})
    images = tmp_path_factory.getbasetemp() / "images"
    async with bench(tmp_path / "data", (tmp_path / "project",), images) as house:
        result = (await house.call("lint_fix", tools=[tool])).unwrap()
    assert isinstance(result, FixOutput)
    assert (result.tools_run, result.failed_tools) == ([tool], [])
    assert mended in result.diff
    assert result.fixed > 0
    assert result.remaining > 0
    assert (tmp_path / "project/a.js").read_text() == source
