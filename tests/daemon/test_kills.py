"""`kill -9` on the daemon under load, round after round: no acknowledged run is lost, no step that ended runs again.

The full form has 200 rounds in 40 parts, each with a data folder of its own; `-s` shows what each part saw.
`ASTRO_TEST_KILLS` sets the rounds of a part.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import threading
import time
from contextlib import closing, suppress
from typing import Any

import pytest

from .home import PATIENCE, Home, Host, alive, until

CLIENTS = 3
FEW, MANY, PARTS = 1, 5, 40
RUNS = 4
"""That a client starts in a round: all of them are brought to their end at last."""
MARKED: dict[str, Any] = {
    "name": "marked",
    "inputs": {"at": {}},
    "steps": [
        {"id": "count", "tool": "fs_write", "with": {"path": "${{ inputs.at }}/count", "content": "end\n"}},
        {"id": "look", "tool": "fs_list", "needs": "count", "with": {"path": "${{ inputs.at }}"}},
        {
            "id": "marks",
            "needs": "look",
            "foreach": ["one", "two", "three"],
            "max_parallel": 1,
            "tool": "fs_edit",
            "with": {"edits": [{"path": "${{ inputs.at }}/count", "old": "end", "new": "${{ item }} end"}]},
        },
        {"id": "from", "tool": "fs_write", "with": {"path": "${{ inputs.at }}/from", "content": "moves once"}},
        {
            "id": "move",
            "needs": "from",
            "tool": "fs_move",
            "with": {"path": "${{ inputs.at }}/from", "to": "${{ inputs.at }}/to"},
        },
    ],
}
DONE = "SELECT run_id, path FROM workflow_step WHERE status = 'succeeded'"
BEGUN = (
    "SELECT run_id, step, count(DISTINCT call_id) FROM audit"
    " WHERE phase IN ('intent', 'outcome') AND run_id IS NOT NULL GROUP BY 1, 2"
)


class Client(threading.Thread):
    """A host that starts one run after the other; what it was told of is in `runs`, by the run's id."""

    def __init__(self, at: Home, number: int) -> None:
        super().__init__(daemon=True)
        self.at = at
        self.number = number
        self.runs: dict[str, str] = {}
        self.ended = threading.Event()
        self.strange: list[Any] = []

    def run(self) -> None:
        count = 0
        while not self.ended.is_set():
            with suppress(BrokenPipeError, ConnectionError):
                host = self.at.host()
                if host.begin() is None:
                    continue
                while not self.ended.is_set() and self._one(host, f"c{self.number}_{count}"):
                    count += 1
                    if len(self.runs) >= RUNS:
                        self.ended.wait()
            count += 1

    def _one(self, host: Host, place: str) -> bool:
        """Start a run; false where nobody answers any more."""
        given: dict[str, Any] = {"spec": json.dumps(MARKED), "inputs": json.dumps({"at": place}), "wait_seconds": 0}
        given["allow"] = ["read", "write", "destroy"]
        answer = host.ask("tools/call", {"name": "workflow_run", "arguments": given})
        if answer is None or "result" not in answer:
            return False
        body = answer["result"]["structuredContent"]
        if not answer["result"]["isError"]:
            self.runs[body["run_id"]] = place
        elif body["error"]["code"] not in ("busy", "rate_limited"):
            self.strange.append(body)
        return True


def rows(at: Home, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(at.folder / "astro.db", timeout=10)) as database:
        return database.execute(sql).fetchall()


def one_round(at: Home, chance: random.Random, runs: dict[str, str], number: int) -> dict[tuple[str, str], int]:
    """Load, a kill, and a look at what it left; gives how often each step that had ended had begun."""
    clients = [Client(at, number * CLIENTS + n) for n in range(CLIENTS)]
    for client in clients:
        client.start()
    until(lambda: any(client.runs for client in clients))
    time.sleep(chance.uniform(0.0, 0.8))
    pid = at.pid
    for client in clients:
        client.ended.set()
    os.kill(pid, signal.SIGKILL)
    until(lambda: not alive(pid))
    for client in clients:
        client.join(PATIENCE)
        assert not client.is_alive()
        assert not client.strange
        runs.update(client.runs)
    at.end_hosts()
    stored = {run_id for (run_id,) in rows(at, "SELECT run_id FROM workflow_run")}
    assert runs.keys() <= stored, "an acknowledged run is never lost"
    assert not rows(at, "SELECT path FROM workflow_step WHERE status = 'lost'")
    begun = {(run_id, step): count for run_id, step, count in rows(at, BEGUN)}
    return {(run_id, step): begun.get((run_id, step), 0) for run_id, step in rows(at, DONE)}


def ended(host: Host, run_id: str) -> str:
    """The run's end; no step waits for a word, since each of these tools finds by its key what it did."""
    status = host.call("workflow_status", {"run_id": run_id, "wait_seconds": 60})["structuredContent"]
    return str(status["status"])


def rounds(at: Home, count: int, seed: int) -> None:
    chance = random.Random(seed)
    runs: dict[str, str] = {}
    done: dict[tuple[str, str], int] = {}
    for number in range(count):
        done |= one_round(at, chance, runs, number)
    host = at.host()
    host.begin()
    every = [run_id for (run_id,) in rows(at, "SELECT run_id FROM workflow_run")]
    ends = {run_id: ended(host, run_id) for run_id in every}
    assert set(ends.values()) == {"succeeded"}
    begun = {(run_id, step): times for run_id, step, times in rows(at, BEGUN)}
    again = {step: (was, begun.get(step, 0)) for step, was in done.items() if begun.get(step, 0) != was}
    assert not again, "a step that had ended at a kill began again"
    for run_id in every:
        [(place,)] = rows(at, f"SELECT json_extract(inputs, '$.at') FROM workflow_given WHERE run_id = '{run_id}'")
        assert (at.project / place / "count").read_text() == "one two three end\n", "each mark is there, once"
        assert (at.project / place / "to").read_text() == "moves once"
        assert not (at.project / place / "from").exists()
    assert not rows(at, "SELECT path FROM workflow_step WHERE status = 'lost'")
    print(f"\n{count} kills: {len(runs)} acknowledged of {len(every)} runs, {len(done)} ended steps")


@pytest.fixture
def at(at: Home) -> Home:
    at.environment["ASTRO_MCP_SANDBOX__ENGINE"] = "none"
    return at


@pytest.mark.full
def test_runs_outlive_some_kills_of_the_daemon_under_load(at: Home) -> None:
    rounds(at, FEW, 1)


@pytest.mark.full
@pytest.mark.parametrize("part", range(PARTS))
def test_runs_outlive_200_kills_of_the_daemon_under_load(at: Home, part: int) -> None:
    rounds(at, int(os.environ.get("ASTRO_TEST_KILLS", MANY)), part)
