"""The runner's log adds up to pytest's counts, and a log that a stranger wrote adds up to no harm."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from astro_mcp.agents.tests.events import FAILURES, OTHERS, REST, SLOWEST, WORST, Tally
from astro_mcp.agents.tests.reports import jsonl


def tally(*events: dict[str, Any]) -> Tally:
    return of(b"".join(json.dumps(event).encode() + b"\n" for event in events))


def of(log: bytes) -> Tally:
    return Tally.of(jsonl.events(log))


def test_categories_are_counted_and_a_test_that_never_finished_is_named() -> None:
    found = tally(
        {"event": "start"},
        {"event": "collected", "total": 3},
        {"event": "running", "id": "a"},
        {"event": "report", "id": "a", "when": "call", "category": "passed", "seconds": 0.5},
        {"event": "report", "id": "a", "when": "teardown", "category": "error", "message": "boom", "seconds": 0.25},
        {"event": "finished", "id": "a"},
        {"event": "running", "id": "b"},
    )
    assert (found.started, found.ended, found.total) == (True, False, 3)
    assert found.counts == {"passed": 1, "error": 1}
    assert [event.message for event in found.failures] == ["boom"]
    assert found.slowest == [(0.75, "a")]
    assert list(found.running) == ["b"]


def test_where_workers_collect_the_total_is_what_finished_each_test_of_the_same_name_with_it() -> None:
    told: list[dict[str, Any]] = []
    for name in "aab":
        told += [{"event": "running", "id": name}, {"event": "report", "id": name, "category": "passed"}]
        told += [{"event": "finished", "id": name}]
    found = tally({"event": "collected", "total": 0}, *told)
    assert (found.total, found.counts["passed"]) == (3, 3)


def test_lines_that_are_no_events_are_counted_and_change_nothing() -> None:
    log = (
        b'{"event":"start"}\nnot json\n{"event":"format the disk"}\n[]\n{"event":"report","seconds":"long"}\n'
        + b"x" * 300_000
    )
    found = of(log)
    assert (found.started, found.not_understood, dict(found.counts)) == (True, 5, {})


def test_a_flood_of_failures_is_bounded_and_the_rest_is_counted() -> None:
    line: dict[str, Any] = {"event": "report", "id": "a", "category": "failed", "message": "x"}
    found = tally(*[line] * (FAILURES + 7))
    assert (len(found.failures), found.failures_left_out, found.counts["failed"]) == (FAILURES, 7, FAILURES + 7)


def test_a_flood_of_categories_is_bounded_and_the_rest_is_counted_together() -> None:
    reports = [{"event": "report", "id": "a", "category": f"q{number}"} for number in range(OTHERS + 100)]
    found = tally(*reports, *reports[:1], *[{"event": "report", "id": "a", "category": word} for word in WORST])
    assert found.counts == {f"q{number}": 1 for number in range(OTHERS)} | {REST: 100, "q0": 2} | dict.fromkeys(
        WORST, 1
    )


def test_only_the_slowest_are_kept_slowest_first() -> None:
    events: list[dict[str, Any]] = []
    for number in range(50):
        events += [
            {"event": "running", "id": str(number)},
            {"event": "report", "id": str(number), "category": "passed", "seconds": number},
            {"event": "finished", "id": str(number)},
        ]
    found = tally(*events)
    assert [name for _, name in found.slowest] == [str(number) for number in range(49, 49 - SLOWEST, -1)]
    assert found.running == {}


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=2_000))
def test_no_bytes_make_it_raise(log: bytes) -> None:
    of(log)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"event": st.sampled_from(["start", "collected", "running", "report", "finished", "stopped", "end"])},
            optional={
                "id": st.text(max_size=5) | st.integers(),
                "category": st.text(max_size=5) | st.none(),
                "seconds": st.floats() | st.text(max_size=3),
                "total": st.integers() | st.lists(st.integers()),
                "message": st.text(max_size=5),
            },
        ),
        max_size=20,
    )
)
def test_no_mixture_of_events_makes_it_raise(events: list[dict[str, Any]]) -> None:
    found = tally(*events)
    assert sum(found.counts.values()) + found.not_understood <= len(events)
