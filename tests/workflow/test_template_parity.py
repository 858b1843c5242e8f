"""Every template leaves the same state on SQLite and on Temporal, on a real repository, with real containers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.agents.lint.osv import osv
from tests.workflow import test_dependency_audit as audit
from tests.workflow import test_research as research
from tests.workflow.parity import left
from tests.workflow.temporal_server import Server
from tests.workflow.test_templates import FILES, RIGHT, repository
from tests.workflow.test_temporal_app import environment

from astro_mcp.testing import Workbench, workbench

loopback = research.loopback
TEMPLATES = Path(__file__).parents[2] / "resources" / "workflows"
MADE_ANEW = frozenset(
    {
        "sha",
        "commit",
        "undo_id",
        "recovery_ref",
        "id",
        "digest",
        "artifact",
        "date",
        "mtime",
        "duration_ms",
        "run_ms",
        "queued_ms",
        "seconds",
    }
)
"""Fields that a tool gives another value each time."""
Answer = Callable[[Any], Any]
ANSWERS: dict[str, dict[str, Answer]] = {
    "dependency-audit": {},
    "explain-failures": {"explain": lambda shown: {"markdown": "a half is lost"}},
    "fix-failing-tests": {"look": lambda shown: {"paths": ["halves.py"]}, "fix": lambda shown: RIGHT},
    "fix-lint-file-by-file": {
        "fix": lambda shown: {"edits": [{"old": "import os\n", "new": ""}], "reason": "nothing uses it"}
    },
    "index-codebase": {},
    "release-notes": {
        "group": lambda shown: {"breaking": [], "added": ["halves"], "changed": [], "fixed": [], "internal": []}
    },
    "research-and-report": {
        "draft": lambda shown: {"claims": claims(shown["passages"]), "disagreements": [], "open": ["why"]},
        "mend": lambda shown: {"claims": []},
    },
    "review-repository": {},
}
INPUTS = {"research-and-report": {"question": research.QUESTION, "queries": ["wal checkpoint"]}}


def claims(passages: list[dict[str, str]]) -> list[dict[str, str]]:
    """One that stands and one that does not, of each passage."""
    return [
        {"claim": one["id"], "passage": one["id"], "quote": quote}
        for one in passages
        for quote in (one["text"][:30], "nobody has said this")
    ]


def plain(value: Any) -> Any:
    """Without what is made anew each time."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items() if name not in MADE_ANEW}
    return [plain(item) for item in value] if isinstance(value, list) else value


async def ended(bench: Workbench, template: str) -> Any:
    """The state of a run of `template` at its end, its questions answered."""
    allow = ["read", "write", "destroy", "execute", "network"]
    inputs = json.dumps(INPUTS.get(template, {}))
    run: Any = await bench.value("workflow_run", template=template, inputs=inputs, allow=allow, wait_seconds=110)
    while run.status == "waiting":
        [question] = run.waiting_for
        answer = ANSWERS[template][question.step.rpartition(".")[2]](json.loads(question.shown))
        await bench.value("workflow_answer", run_id=run.run_id, step=question.step, value=json.dumps(answer))
        run = await bench.value("workflow_status", run_id=run.run_id, wait_seconds=110)
    assert run.status == "succeeded", run
    scheduler = await bench.app.scheduler.get()
    return plain({**left((await scheduler.view(bench.session.scope, run.run_id)).state, strict=False), "run_id": ""})


def test_every_template_is_compared() -> None:
    assert {path.stem for path in TEMPLATES.glob("*.yaml")} == ANSWERS.keys()


@pytest.mark.full
@pytest.mark.timeout(400)
@pytest.mark.parametrize("template", sorted(ANSWERS))
@pytest.mark.usefixtures("loopback")
async def test_a_template_leaves_the_same_state_on_both(tmp_path: Path, temporal: Server, template: str) -> None:
    project, found = tmp_path / "project", []
    files = FILES | (audit.LOCKS if template == "dependency-audit" else {})
    async with AsyncExitStack() as stack:
        database = stack.enter_context(osv())
        audit.advise(database)
        _, web = await stack.enter_async_context(research.found())
        known = audit.environment(database) | web
        for name, more in (("sqlite", {}), ("temporal", environment(temporal.address, f"t-{template}"))):
            project.mkdir()
            repository(project, files)
            async with workbench(tmp_path / name, roots=[project], environment={**more, **known}) as bench:
                found.append(await ended(bench, template))
            shutil.rmtree(project)
    assert found[0] == found[1]
