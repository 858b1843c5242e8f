"""Through the shim and the daemon: a host is told of a run that another one moved on, and its person is asked."""

from __future__ import annotations

import json
from typing import Any

from .home import INITIALIZE, Home, Host
from .test_runs import ASKING, call

GATED = {
    "name": "gated",
    "steps": [
        {"id": "gate", "approve": {"message": "List the files?", "level": "host"}},
        {"id": "list", "needs": ["gate"], "tool": "fs_list"},
    ],
}


def host_with_forms(at: Home) -> Host:
    host = at.host()
    greeting: dict[str, Any] = {**INITIALIZE}
    host.send({**greeting, "params": {**greeting["params"], "capabilities": {"elicitation": {}}}})
    assert host.answer()["result"]["capabilities"]["resources"]["subscribe"] is True
    host.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
    return host


def heard(host: Host, method: str) -> Any:
    """The next message of this method; others are passed over."""
    while (said := host.answer()).get("method") != method:
        pass
    return said


def test_a_host_is_told_when_another_one_moves_its_run_on(shared: Home) -> None:
    host = host_with_forms(shared)
    run_id = host.call("workflow_run", {"spec": json.dumps(ASKING), "wait_seconds": 30})["structuredContent"]["run_id"]
    uri = f"astro://runs/{run_id}"
    assert host.ask("resources/subscribe", {"uri": uri}, 2)["result"] == {}
    call(shared, "workflow_answer", run_id=run_id, step="word", value={"word": "please"})
    assert heard(host, "notifications/resources/updated")["params"] == {"uri": uri}
    host.end()


def test_the_person_behind_a_host_lets_a_run_go_on(shared: Home) -> None:
    host = host_with_forms(shared)
    host.start("workflow_run", {"spec": json.dumps(GATED), "wait_seconds": 30})
    question = heard(host, "elicitation/create")
    assert "> List the files?" in question["params"]["message"]
    host.send({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept", "content": {"approve": True}}})
    result = host.answer()["result"]
    assert result["structuredContent"]["status"] == "succeeded", result
    host.end()
