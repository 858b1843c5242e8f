"""The four phases of a run in a worktree, event by event."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from tests.workflow.player import evaluate, plan_of

from astro_mcp.workflow.drivers.sqlite.rows import head_text
from astro_mcp.workflow.kernel import events as e
from astro_mcp.workflow.kernel.machine import step
from astro_mcp.workflow.kernel.state import RunState


class Played:
    """One run in a worktree, event by event; `asked` are the commands of the last one."""

    def __init__(self, *steps: dict[str, Any], **more: Any) -> None:
        self.plan = plan_of(*(steps or ({"id": "a", "tool": "t"},)), workspace="worktree", **more)
        self.state = RunState("run_1", {}, 0.0, 4)
        self.asked: tuple[e.Command, ...] = ()
        self.feed(e.Began(now=0))

    def feed(self, event: e.Event, now: float = 0.0) -> Played:
        advance = step(self.plan, self.state, replace(event, now=now, slots=9), evaluate)
        self.state, self.asked = advance.state, advance.commands
        return self

    def made(self) -> Played:
        return self.feed(e.Made(now=0, tree="/r/x", branch="astro/run_1", base="b"))

    def finished(self, path: str = "a") -> Played:
        return self.feed(e.Finished(now=0, path=path, attempt=1, output={}))

    def closed(self, left: str = "") -> Played:
        return self.feed(e.Closed(now=0, branch="astro/run_1", sha="s", left=left), now=7.0)


def test_no_call_starts_before_the_worktree_is_made_and_the_run_ends_once_it_is_closed() -> None:
    run = Played()
    assert run.asked == (e.Make("", ""),)
    assert (run.state.held, run.state.status, run.state.running) == (True, "running", 0)
    assert [type(command) for command in run.made().asked] == [e.Start]
    assert run.finished().asked == (e.Close("", "b"),)
    assert (run.state.held, run.state.status, run.state.over, run.state.wake) == (True, "running", False, None)
    ended = run.closed()
    assert (ended.state.status, ended.state.ended, ended.asked) == ("succeeded", 7.0, ())
    assert ended.state.worktree == {
        "phase": "closed",
        "path": "/r/x",
        "branch": "astro/run_1",
        "base": "b",
        "sha": "s",
        "left": "",
    }


def test_a_document_in_place_asks_for_no_worktree() -> None:
    plan = plan_of({"id": "a", "tool": "t"})
    advance = step(plan, RunState("run_1", {}, 0.0, 4), e.Began(now=0, slots=9), evaluate)
    assert [type(command) for command in advance.commands] == [e.Start]
    assert advance.state.worktree is None


def test_the_end_that_waits_for_its_worktree_is_not_changed_any_more() -> None:
    run = Played().made().finished()
    before = run.state
    for event in (
        e.Cancelled(now=0),
        e.Paused(now=0),
        e.Tick(now=0),
        e.Finished(now=0, path="a", attempt=1),
        e.Made(now=0),
    ):
        assert run.feed(event, now=1e9).state == before
        assert run.asked == ()
    assert run.closed().state.status == "succeeded"


def test_a_cancel_stops_calls_first_and_what_is_made_late_is_nothing() -> None:
    run = Played().made().feed(e.Cancelled(now=0))
    assert run.asked == (e.Stop("a"), e.Close("", "b"))
    assert run.closed("why").state.status == "cancelled"
    early = Played().feed(e.Cancelled(now=0))
    assert early.asked == (e.Close("", ""),)
    assert early.made().asked == ()
    assert early.closed().state.status == "cancelled"


def test_a_worktree_that_cannot_be_made_fails_the_run_and_begins_nothing() -> None:
    run = Played(on_failure=[{"id": "b", "tool": "t"}]).feed(e.Made(now=0, error={"code": "conflict", "message": "no"}))
    assert (run.state.status, run.state.error, run.asked) == ("failed", {"code": "conflict", "message": "no"}, ())
    assert run.state.worktree is None


def test_what_was_under_way_when_the_process_died_is_begun_again() -> None:
    run = Played()
    assert run.feed(e.Recovered(now=0)).feed(e.Began(now=0)).asked == (e.Make("", ""),)
    assert run.made().feed(e.Recovered(now=0)).feed(e.Began(now=0)).asked == (), "it is there"
    run = Played().made().finished()
    assert run.feed(e.Recovered(now=0)).asked == ()
    assert run.feed(e.Began(now=0)).asked == (e.Close("", "b"),)


def test_a_time_that_is_over_before_the_worktree_is_there_closes_it_and_wakes_nobody_again() -> None:
    run = Played(timeout=5).feed(e.Tick(now=0), now=6.0)
    assert run.asked == (e.Close("", ""),)
    assert run.state.wake is None
    assert run.closed().state.error is not None
    assert run.state.error is not None
    assert run.state.error["code"] == "timeout"


def test_the_failure_of_a_step_is_met_in_the_worktree_before_it_is_closed() -> None:
    run = Played(on_failure=[{"id": "b", "tool": "t"}]).made()
    error = {"code": "not_found", "message": "", "retryable": False}
    run.feed(e.Finished(now=0, path="a", attempt=1, error=error))
    assert [command.path for command in run.asked] == ["on_failure.b"]
    assert run.finished("on_failure.b").asked == (e.Close("", "b"),)
    assert run.closed().state.status == "failed"


def test_a_fork_begins_where_the_other_left_its_worktree() -> None:
    run = Played()
    run.state = RunState("run_2", {}, 0.0, 4)
    run.feed(e.Forked(now=0, origin="run_1", step="a", outputs={}))
    assert run.feed(e.Began(now=0)).asked == (e.Make("", "run_1"),)


def test_a_run_that_waits_for_its_worktree_is_stored_with_the_end_that_waits() -> None:
    run = Played().made().finished()
    stored = json.loads(head_text(run.state))
    assert stored["worktree"]["end"] == {"status": "succeeded", "outputs": {}, "ended": 0.0}


def test_a_run_that_begins_later_gets_its_worktree_then_and_once() -> None:
    run = Played(delay=5)
    run.state = RunState("run_1", {}, 0.0, 4, after=5.0)
    assert run.feed(e.Began(now=0)).asked == ()
    assert run.feed(e.Tick(now=0), now=6.0).asked == (e.Make("", ""),)
    assert run.feed(e.Tick(now=0), now=7.0).asked == ()
    assert run.state.wake is None


def test_a_worktree_that_could_not_be_closed_is_told_with_its_branch() -> None:
    run = Played().made().finished().feed(e.Closed(now=0, branch="", sha="", left="no space"))
    assert run.state.worktree is not None
    assert (run.state.status, run.state.worktree["branch"]) == ("succeeded", "astro/run_1")
    run = Played().made().finished().feed(e.Closed(now=0, branch="", sha=""))
    assert run.state.worktree is not None
    assert run.state.worktree["branch"] == "", "nothing was changed, and the branch is gone"
