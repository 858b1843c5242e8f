"""A run in a worktree of its own: no call starts before it is made, and the run ends once it is closed.

The end that the run came to waits meanwhile, and nothing changes it any more. Both ways are begun again after a crash.
"""

from __future__ import annotations

from typing import Any

from astro_mcp.workflow.document.model import WORKTREE
from astro_mcp.workflow.kernel import events as e
from astro_mcp.workflow.kernel.draft import Draft
from astro_mcp.workflow.kernel.state import CLOSED, CLOSING, MAKING, OPEN, RUNNING

ENDS = ("status", "outputs", "error", "ended")


def phase(draft: Draft) -> str:
    """How it is with the run's worktree; "" for a run without."""
    return str(draft.run.worktree["phase"]) if draft.run.worktree else ""


def begin(draft: Draft, origin: str = "") -> dict[str, Any]:
    """The run begins, and so does its worktree where it has one."""
    if draft.plan.document.workspace != WORKTREE:
        return {}
    draft.commands.append(e.Make("", origin))
    return {"worktree": {"phase": MAKING, "origin": origin}}


def go_on(draft: Draft) -> None:
    """`Began` for a run that had begun, by a fork or before a crash: what was under way is begun again."""
    tree = draft.run.worktree or {}
    if phase(draft) == MAKING:
        draft.commands.append(e.Make("", tree["origin"]))
    elif phase(draft) == CLOSING:
        draft.commands.append(e.Close("", tree.get("base", "")))


def made(draft: Draft, event: e.Made) -> dict[str, Any]:
    """It is there."""
    if phase(draft) != MAKING:
        return {}
    return {"worktree": {"phase": OPEN, "path": event.tree, "branch": event.branch, "base": event.base}}


def withheld(draft: Draft, fields: dict[str, Any]) -> dict[str, Any]:
    """The run has come to its end, which `fields` tell: that waits until the worktree is closed."""
    tree = fields.get("worktree", draft.run.worktree)
    if not tree:
        return fields
    end = {name: fields[name] for name in ENDS if name in fields}
    others = {name: value for name, value in fields.items() if name not in ENDS}
    draft.commands.append(e.Close("", tree.get("base", "")))
    waits = {"status": RUNNING, "paused": False, "deadline": None}
    return {**others, **waits, "worktree": {**tree, "phase": CLOSING, "end": end}}


def closing(draft: Draft, event: e.Event) -> dict[str, Any]:
    """What an event means to a run that only waits for its worktree."""
    if isinstance(event, e.Began):
        go_on(draft)
    if not isinstance(event, e.Closed) or draft.run.worktree is None:
        return {}
    tree = {name: value for name, value in draft.run.worktree.items() if name != "end"}
    branch = event.branch or (tree.get("branch", "") if event.left else "")
    closed = {"phase": CLOSED, "branch": branch, "sha": event.sha, "left": event.left}
    return {**draft.run.worktree["end"], "ended": event.now, "worktree": {**tree, **closed}}
