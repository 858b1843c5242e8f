"""Runs through the dispatcher, with the real store: what steps see and give, and what is kept of them."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest
from tests.workflow.house import house, session, until_called

from astro_mcp.core.authority import Effect, Label
from astro_mcp.core.call import Call
from astro_mcp.run_settings import WorkflowSettings
from astro_mcp.store.database import Database
from astro_mcp.workflow.drivers.sqlite.journal import Journal
from astro_mcp.workflow.drivers.sqlite.rows import Entry

FAN = """
name: fan
inputs: {count: {type: integer, default: 4}}
steps:
  - id: list
    tool: toy_list
    with: {count: "${{ inputs.count }}"}
  - id: each
    foreach: "${{ steps.list.items }}"
    do:
      - id: say
        tool: toy_say
        with: {text: "${{ item.file }} ${{ index }}"}
      - id: big
        if: steps.say.number > 100
        tool: toy_write
      - id: again
        tool: toy_say
        with: {text: "${{ steps.say.text_ }}!"}
outputs:
  texts: "${{ steps.each.map(e, e.again.text_) }}"
  total: "${{ steps.list.outputs.total }}"
"""


async def test_a_fan_out_runs_whole_and_gives_its_outputs(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        result = await h.run(FAN, inputs={"count": 3})
        assert result["status"] == "succeeded"
        assert result["outputs"] == {"texts": ["f0 0!", "f1 1!", "f2 2!"], "total": 3}
        status = await h.call("workflow_status", run_id=result["run_id"])
        by_id = {step["id"]: step for step in status["steps"]}
        assert by_id["each.1.big"]["status"] == "skipped"
        assert by_id["each.1.say"]["tool"] == "toy_say"
        assert by_id["each.1.say"]["attempts"] == 1


async def test_steps_run_in_parallel_within_the_run_s_bound_and_no_more(tmp_path: Path) -> None:
    settings = WorkflowSettings(parallel=3, parallel_per_run=2)
    steps = [{"id": f"s{n}", "tool": "toy_hold", "with": {"text": str(n)}} for n in range(5)]
    async with house(tmp_path, settings=settings) as h:
        first = await h.run({"steps": steps}, wait_seconds=0)
        await until_called(h.toys, "hold 1")
        await h.run({"steps": steps}, wait_seconds=0)
        with anyio.fail_after(10):
            while h.toys.at_once < 3:
                await anyio.sleep(0.005)
        h.toys.gate.set()
        done = await h.call("workflow_status", run_id=first["run_id"], wait_seconds=10)
        assert done["status"] == "succeeded"
        assert h.toys.most_at_once == 3


async def test_a_waiting_caller_sees_progress_with_a_total(tmp_path: Path) -> None:
    seen: list[tuple[float, float | None, str]] = []

    async def progress(done: float, total: float | None, text: str) -> None:
        seen.append((done, total, text))

    async with house(tmp_path) as h:
        await h.run(FAN, progress=progress)
    assert seen[-1][:2] == (9, 9)
    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)
    assert all(total is not None and len(text) < 200 for _, total, text in seen)


async def test_a_waiting_caller_is_told_of_each_step_as_it_ends(tmp_path: Path) -> None:
    steps = [
        {"id": "first", "tool": "toy_say"},
        {"id": "held", "needs": "first", "tool": "toy_hold"},
        {"id": "last", "needs": "held", "tool": "toy_say"},
    ]
    seen: list[str] = []
    async with house(tmp_path) as h:

        async def progress(done: float, total: float | None, text: str) -> None:
            seen.append(text)
            if (done, total) == (1, 3):
                h.toys.gate.set()  # or the run goes on without end

        done = await h.run({"steps": steps}, progress=progress, wait_seconds=5)
        assert done["status"] == "succeeded"
    assert "1/3 steps, running: held" in seen
    assert seen[-1] == "3/3 steps, succeeded"


BEGUN = "SELECT json_extract(head, '$.in_flight.a.attempt') FROM workflow_run WHERE run_id = ?"


async def test_a_start_record_is_on_disk_before_the_effect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written, before = Journal.save, []

    async def save(self: Journal, entry: Entry) -> None:
        await anyio.sleep(0.05)  # as a slow disk does: what is begun without waiting for it is begun by now
        before.append(list(h.toys.calls))
        await written(self, entry)

    async with house(tmp_path) as h:
        monkeypatch.setattr(Journal, "save", save)
        result = await h.run({"steps": [{"id": "a", "tool": "toy_hold_write"}]}, wait_seconds=0)
        await until_called(h.toys, "hold_write ")
        [(attempt,)] = await h.rows(BEGUN, result["run_id"])
        assert (attempt, before) == (1, [[]])


async def test_a_retry_goes_on_until_it_succeeds(tmp_path: Path) -> None:
    retry = {"max_attempts": 3, "initial_interval": "10ms"}
    async with house(tmp_path) as h:
        h.toys.fail_times = 2
        result = await h.run({"steps": [{"id": "a", "tool": "toy_flaky", "retry": retry}]})
        assert result["status"] == "succeeded"
        assert len(h.toys.calls) == 3


async def test_a_failed_step_fails_the_run_and_says_which(tmp_path: Path) -> None:
    spec = {
        "steps": [
            {"id": "a", "tool": "toy_flaky"},
            {"id": "b", "tool": "toy_say", "needs": "a"},
            {"id": "tidy", "if": "failure()", "needs": "b", "tool": "toy_say", "with": {"text": "tidy"}},
            {"id": "other", "tool": "toy_say", "with": {"text": "other"}},
        ]
    }
    async with house(tmp_path) as h:
        h.toys.fail_times = 1
        result = await h.run(spec)
        assert result["status"] == "failed"
        assert result["error"]["code"] == "provider_failed"
        assert result["error"]["message"].startswith("a: ")
        assert sorted(h.toys.calls) == ["flaky ", "say other", "say tidy"]


async def test_require_fails_a_step_with_its_message(tmp_path: Path) -> None:
    listed = {"id": "l", "tool": "toy_list", "with": {"count": 0}}
    spec = {
        "steps": [listed, {"id": "a", "if": "require(steps.l.total > 0, 'nothing is listed')", "tool": "toy_write"}]
    }
    async with house(tmp_path) as h:
        result = await h.run(spec)
        assert "nothing is listed" in result["error"]["message"]
        assert h.toys.calls == ["list 0"]


async def test_an_item_that_fails_is_an_error_in_the_list_and_ok_drops_it(tmp_path: Path) -> None:
    spec = {
        "steps": [
            {
                "id": "each",
                "foreach": ["a", "b", "c"],
                "max_parallel": 1,
                "tool": "toy_flaky",
                "with": {"text": "${{ item }}"},
            }
        ],
        "outputs": {"good": "${{ size(ok(steps.each)) }}", "all": "${{ size(steps.each) }}"},
    }
    async with house(tmp_path) as h:
        h.toys.fail_times = 1
        assert (await h.run(spec))["outputs"] == {"good": 2, "all": 3}


async def test_steps_see_outputs_whole_also_past_what_is_kept_in_a_row(tmp_path: Path) -> None:
    spec = {
        "steps": [
            {"id": "list", "tool": "toy_list", "with": {"count": 400, "size": 1000}},
            {"id": "q", "ask": "well?"},
            {"id": "last", "tool": "toy_say", "needs": "q", "with": {"text": "${{ steps.list.items[399].file }}"}},
        ],
        "outputs": {"n": "${{ size(steps.list.items) }}"},
    }
    async with house(tmp_path) as h:
        run_id = (await h.run(spec))["run_id"]
        [(output, ref)] = await h.rows("SELECT output, output_ref FROM workflow_step WHERE path = 'list'")
        assert output is None
        assert len(ref) == 64
    async with house(tmp_path) as h:
        await h.call("workflow_answer", run_id=run_id, step="q", value="go on")
        done = await h.call("workflow_status", run_id=run_id, wait_seconds=10)
        assert done["outputs"] == {"n": 400}
        assert h.toys.calls == ["say f0"]


async def test_effects_stay_within_allow_and_within_the_session_s_grant(tmp_path: Path) -> None:
    spec = {"steps": [{"id": "a", "tool": "toy_write"}]}
    async with house(tmp_path) as h:
        error = await h.fails("workflow_run", spec=spec)
        assert "allow" in error.problems[0].suggestion
        reader = session(tmp_path, effects=frozenset({Effect.READ}))
        assert (await h.fails("workflow_run", reader, spec=spec, allow=["read", "write"])).code == "forbidden"
        assert (await h.fails("workflow_run", reader, spec=spec)).code == "invalid_input"
        reads = {"steps": [{"id": "a", "tool": "toy_say"}]}
        assert (await h.call("workflow_run", reader, spec=reads))["status"] == "succeeded"
        [(authority,)] = await h.rows("SELECT authority FROM workflow_run")
        assert json.loads(authority)["effects"] == ["read"]
        assert h.toys.calls == ["say "]


async def test_another_scope_gets_what_a_missing_run_gets(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        run_id = (await h.run({"steps": [{"id": "q", "ask": "well?"}]}))["run_id"]
        (tmp_path / "other").mkdir()
        for stranger in (session(tmp_path, "somebody"), session(tmp_path / "other")):
            for tool, arguments in {
                "workflow_status": {},
                "workflow_answer": {"step": "q", "value": "x"},
                "workflow_control": {"action": "cancel"},
            }.items():
                foreign = await h.fails(tool, stranger, run_id=run_id, **arguments)
                missing = await h.fails(tool, stranger, run_id="run_" + "0" * 32, **arguments)
                assert foreign.code == missing.code == "not_found"
                assert foreign.message.replace(run_id, "") == missing.message.replace("run_" + "0" * 32, "")
            assert (await h.call("workflow_status", stranger))["steps"] == []
            resource, variables = h.dispatcher.registry.resource(f"astro://runs/{run_id}", h.me.grant)
            with pytest.raises(Exception, match="there is no run"):
                await resource.read(stranger, variables)
            assert resource.complete is not None
            assert await resource.complete(stranger, "run_") == []
        assert [run["id"] for run in (await h.call("workflow_status"))["steps"]] == [run_id]


async def test_a_session_that_may_less_steers_no_run_that_may_more(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        run_id = (
            await h.run({"steps": [{"id": "q", "ask": "well?"}, {"id": "w", "needs": "q", "tool": "toy_write"}]})
        )["run_id"]
        less = session(tmp_path, effects=frozenset({Effect.READ, Effect.WRITE}))
        error = await h.fails("workflow_answer", less, run_id=run_id, step="q", value="x")
        assert error.code == "forbidden"


async def test_labels_join_into_the_run_and_reach_later_calls_and_results(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        spec = {
            "steps": [{"id": "l", "tool": "toy_list", "with": {"count": 1}}, {"id": "q", "needs": "l", "ask": "well?"}]
        }
        call = Call(h.me, "workflow_run", {"spec": spec, "wait_seconds": 10})
        result = await h.dispatcher.call(call)
        assert Label.UNTRUSTED in result.labels
        run_id = result.unwrap().model_dump()["run_id"]
    async with house(tmp_path) as h:
        again = await h.dispatcher.call(Call(h.me, "workflow_status", {"run_id": run_id}))
        assert Label.UNTRUSTED in again.labels


async def test_a_hostile_expression_fails_its_step_and_not_the_house(tmp_path: Path) -> None:
    text = "${{ ['a']" + ".map(a,a+a)" * 25 + " }}"
    spec = {"steps": [{"id": "a", "tool": "toy_say", "with": {"text": text}}]}
    async with house(tmp_path) as h:
        result = await h.run(spec)
        assert result["error"]["code"] == "expression_limit"
        assert (await h.run({"steps": [{"id": "b", "tool": "toy_say", "if": "1 + 1 == 2"}]}))["status"] == "succeeded"


async def test_check_tells_plan_and_effects_or_every_problem(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        good = await h.call("workflow_check", spec=FAN)
        assert good["valid"]
        assert good["effects"] == ["read", "write"]
        assert [(s["id"], s["kind"], s["needs"]) for s in good["plan"]][:2] == [
            ("list", "call", []),
            ("each", "foreach", ["list"]),
        ]
        bad = await h.call("workflow_check", spec={"steps": [{"id": "a", "tool": "kb_serch"}]}, inputs="")
        assert not bad["valid"]
        wrong = await h.call("workflow_check", spec=FAN, inputs={"count": "many"})
        assert wrong["problems"][0]["path"] == "inputs.count"


async def test_a_template_runs_by_name_and_is_published(tmp_path: Path) -> None:
    folder = tmp_path / "workflows"
    folder.mkdir()
    text = f'version: "1"\n{FAN}'
    (folder / "fan.yaml").write_text(text)
    async with house(tmp_path, templates=folder) as h:
        assert (await h.run("", template="fan"))["status"] == "succeeded"
        assert "did you mean fan" in (await h.fails("workflow_run", template="fen")).hint
        assert (await h.fails("workflow_run")).code == "invalid_input"
        registry = h.dispatcher.registry
        listed, variables = registry.resource("astro://workflows", h.me.grant)
        assert json.loads((await listed.read(h.me, variables)).text or "")["items"][0]["name"] == "fan"
        one, variables = registry.resource("astro://workflows/fan", h.me.grant)
        assert (await one.read(h.me, variables)).text == text
        assert one.complete is not None
        assert await one.complete(h.me, "f") == ["fan"]


async def test_a_run_and_its_steps_can_be_read_whole(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        run_id = (await h.run(FAN))["run_id"]
        resource, variables = h.dispatcher.registry.resource(f"astro://runs/{run_id}", h.me.grant)
        body = json.loads((await resource.read(h.me, variables)).text or "")
        assert (body["status"], body["inputs"]) == ("succeeded", {"count": 4})
        resource, variables = h.dispatcher.registry.resource(f"astro://runs/{run_id}/steps/each.0.say", h.me.grant)
        step = json.loads((await resource.read(h.me, variables)).text or "")
        assert step["output"]["text_"] == "f0 0"


async def test_every_call_of_a_step_is_in_the_audit_trail_with_its_run(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        run_id = (await h.run({"steps": [{"id": "a", "tool": "toy_write"}]}))["run_id"]
        rows = await h.rows("SELECT phase, tool, step FROM audit WHERE run_id = ? ORDER BY seq", run_id)
        assert rows == [("intent", "toy_write", "a"), ("outcome", "toy_write", "a")]


async def test_the_journal_can_not_be_rewritten(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        run_id = (await h.run({"steps": [{"id": "a", "tool": "toy_say"}]}))["run_id"]
        for sql in (
            "UPDATE workflow_event SET kind = 'x' WHERE run_id = ?",
            "UPDATE workflow_step SET output = '1' WHERE run_id = ? AND path = 'a'",
            "UPDATE workflow_run SET status = 'running' WHERE run_id = ?",
            "UPDATE workflow_given SET inputs = '{}' WHERE run_id = ?",
        ):
            await refused(h.database, sql, run_id)
        kinds = await h.rows("SELECT kind FROM workflow_event WHERE run_id = ? ORDER BY seq", run_id)
        assert [kind for (kind,) in kinds] == ["began", "finished"]


async def test_what_a_run_was_given_is_written_once_however_often_it_is_advanced(tmp_path: Path) -> None:
    text = "of-the-inputs " * 1_000
    steps = [{"id": "q", "ask": "well?"}, {"id": "a", "needs": "q", "tool": "toy_say", "with": {"text": "x"}}]
    document = {"inputs": {"t": {"type": "string"}}, "steps": steps, "outputs": {"n": "${{ size(inputs.t) }}"}}
    async with house(tmp_path) as h:
        run_id = (await h.run(document, inputs=json.dumps({"t": text})))["run_id"]
        [(run,)] = await h.rows("SELECT tenant || name || spec || labels || head FROM workflow_run")
        assert "of-the-inputs" not in run
        assert "well?" not in run
    async with house(tmp_path) as h:
        await h.call("workflow_answer", run_id=run_id, step="q", value="yes")
        run = await h.call("workflow_status", run_id=run_id, wait_seconds=10)
        assert run["outputs"] == {"n": len(text)}
        [(spec, inputs)] = await h.rows("SELECT spec, inputs FROM workflow_given")
        assert (json.loads(spec), json.loads(inputs)) == (document, {"t": text})


async def refused(database: Database, sql: str, run_id: str) -> None:
    with pytest.raises(Exception, match=r"append only|has ended|stays as it is"):
        await database.write(lambda tx: tx.execute(sql, (run_id,)))


async def test_a_second_writer_changes_nothing(tmp_path: Path) -> None:
    """The count of events guards a run: an advance from a stale state is refused whole."""
    async with house(tmp_path) as h:
        run_id = (await h.run({"steps": [{"id": "q", "ask": "well?"}]}))["run_id"]
        await h.database.write(
            lambda tx: tx.execute("UPDATE workflow_run SET events = events + 1 WHERE run_id = ?", (run_id,))
        )
        error = await h.fails("workflow_answer", run_id=run_id, step="q", value="x")
        assert error.code == "internal"
        [(status,)] = await h.rows("SELECT status FROM workflow_step WHERE path = 'q'")
        assert status == "waiting"
