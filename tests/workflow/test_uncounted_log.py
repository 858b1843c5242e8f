"""The log of a long history does not count it to the end: the template that reads one does without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from astro_mcp.agents.git.outputs import Commit, Log
from astro_mcp.workflow.expressions.bind import walk
from astro_mcp.workflow.expressions.evaluator import Evaluator
from astro_mcp.workflow.expressions.template import render

TEMPLATE = Path(__file__).parents[2] / "resources/workflows/release-notes.yaml"
ONE = Commit(sha="0" * 40, author="A", date="2026-01-31", subject="s", files_changed=1, additions=1, deletions=0)


@pytest.mark.parametrize(
    ("log", "left_out"), [(Log(items=[ONE], total=3), 2), (Log(items=[ONE], total=None, at_least=9), 8)]
)
def test_release_notes_of_a_log_that_was_not_counted_to_its_end(log: Log, left_out: int) -> None:
    data = {"steps": {"log": log.model_dump(mode="json")}}

    def lookup(path: Any) -> Any:
        return walk(data[path[0]], path[1:], str(path[0]))

    document = yaml.safe_load(TEMPLATE.read_text())
    group = next(step for step in document["steps"] if step["id"] == "group")
    evaluator = Evaluator()
    try:
        assert render(f"${{{{ {group['if']} }}}}", lookup, evaluator.evaluate) is True
        assert render(group["with"]["left_out"], lookup, evaluator.evaluate) == left_out
        assert render(document["outputs"]["commits"], lookup, evaluator.evaluate) == left_out + 1
    finally:
        evaluator.close()
