"""What one run's data can break: that run at most, and never another one, the loop, or the next start."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.workflow.house import House, Text, Toys, house

from astro_mcp.core.authority import Effect
from astro_mcp.core.call import Call, Context, Result
from astro_mcp.core.dispatcher import Dispatcher
from astro_mcp.core.model import Output
from astro_mcp.core.tool import tool
from astro_mcp.errors import AstroError, ProviderFailed
from astro_mcp.store.database import Database
from astro_mcp.workflow.expressions.evaluator import Evaluator

ASK = {"steps": [{"id": "q", "ask": "well?"}], "outputs": {"a": "${{ steps.q.answer }}"}}
LONE = "\\ud800"


class Anything(Output):
    value: Any = None

    def text(self) -> str:
        return "something"


def nested(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


class Odd(Toys):
    """Tools that break in unusual ways, or give what is hard to keep."""

    @tool(title="Break", effects={Effect.READ}, idempotent=True)
    async def toy_break(self, args: Text, ctx: Context) -> Anything:
        """Raise something odd."""
        if args.text == "told":
            raise ProviderFailed("the page \udc80 is gone", "look at \ud800")
        odd: dict[str, Exception] = {
            "recursion": RecursionError("too deep"),
            "group": ExceptionGroup("several", [ValueError("\ud800"), TypeError()]),
            "unicode": UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
            "memory": MemoryError(),
            "stop": StopAsyncIteration(),
        }
        raise odd[args.text]

    @tool(title="Give", effects={Effect.READ}, idempotent=True)
    async def toy_give(self, args: Text, ctx: Context) -> Anything:
        """Give something odd."""
        values = {
            "lone": "a\ud800b",
            "deep": nested(5_000),
            "number": 10**5_000,
            "thing": object(),
            "large": "\ud800" + "x" * 300_000,
        }
        return Anything(value=values[args.text])


async def unharmed(h: House) -> None:
    """Another run begins and ends."""
    done = await h.run({"steps": [{"id": "a", "tool": "toy_say", "with": {"text": "hello"}}]})
    assert done["status"] == "succeeded"


async def answered(h: House, run_id: str) -> None:
    """A run that waited before goes on to its end."""
    await h.call("workflow_answer", run_id=run_id, step="q", value="yes")
    assert (await h.call("workflow_status", run_id=run_id, wait_seconds=10))["outputs"] == {"a": "yes"}


async def error_code(h: House, run_id: str) -> str:
    """Of the run, or where it can't be read any more of the call that asks for it."""
    try:
        return str((await h.call("workflow_status", run_id=run_id))["error"]["code"])
    except AstroError as error:
        return error.code


# What comes in.


@pytest.mark.parametrize(
    "spec",
    [
        '{"steps":[{"id":"a","ask":"x","with":{"k":"' + LONE + '"}}]}',
        '{"steps":[{"id":"a","ask":"x","with":{"' + LONE + '":1}}]}',
        '{"name":"' + LONE + '","steps":[{"id":"a","ask":"x"}]}',
        '{"steps":[{"id":"a","tool":"toy_say","with":{"text":"\\udc80"}}]}',
        'steps:\n - id: a\n   ask: "' + LONE + '"\n',
        "steps:\n - id: a\n   ask: \ud800\n",
        '{"steps":[{"id":"a","ask":"\ud800"}]}',
        "steps:\n - id: a\n   ask: x\n   with: {k: 0x" + "f" * 20_000 + "}\n",
        '{"steps":[{"id":"a","ask":"x","with":{"k":' + "9" * 4_000 + "}}]}",
    ],
)
async def test_a_document_with_half_a_character_or_an_endless_number_is_refused(tmp_path: Path, spec: str) -> None:
    async with house(tmp_path) as h:
        waiting = (await h.run(ASK))["run_id"]
        assert (await h.fails("workflow_run", spec=spec)).code == "invalid_input"
        await unharmed(h)
    async with house(tmp_path) as h:
        await answered(h, waiting)


@pytest.mark.parametrize(
    "inputs", ['{"p":"' + LONE + '"}', '{"' + LONE + '":"x"}', '{"p":' + "[" * 40 + "]" * 40 + "}"]
)
async def test_inputs_that_are_no_sound_text_or_too_deep_are_refused(tmp_path: Path, inputs: str) -> None:
    spec = {**ASK, "inputs": {"p": {"default": ""}}}
    async with house(tmp_path) as h:
        assert (await h.fails("workflow_run", spec=spec, inputs=inputs)).code == "invalid_input"
        await unharmed(h)


@pytest.mark.parametrize(
    "value",
    [
        f'"{LONE}"',
        f'{{"a":"{LONE}"}}',
        f'{{"{LONE}":1}}',
        "a\ud800",
        "[" * 40 + "]" * 40,
        '{"a":1e999}',
        '{"a":NaN}',
        "9" * 5_000_000,
        '"' + "x" * 5_000_000 + '"',
    ],
    ids=lambda value: value[:12].encode("ascii", "replace").decode(),
)
async def test_an_answer_that_is_not_sound_is_refused_and_the_step_waits_on(tmp_path: Path, value: str) -> None:
    async with house(tmp_path) as h:
        run_id = (await h.run(ASK))["run_id"]
        error = await h.fails("workflow_answer", run_id=run_id, step="q", value=value)
        assert error.code in ("invalid_input", "too_large")
        await unharmed(h)
        await answered(h, run_id)


async def test_an_answer_that_opens_with_a_quote_and_is_no_json_is_text(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        run_id = (await h.run(ASK))["run_id"]
        await h.call("workflow_answer", run_id=run_id, step="q", value='"Yes" is my word')
        done = await h.call("workflow_status", run_id=run_id, wait_seconds=10)
        assert done["outputs"] == {"a": '"Yes" is my word'}


@pytest.mark.parametrize(
    ("run_id", "code"), [("\ud800", "invalid_input"), ("run_\x00", "not_found"), ("rün", "not_found")]
)
async def test_a_run_id_that_is_none_is_refused_by_its_code(tmp_path: Path, run_id: str, code: str) -> None:
    async with house(tmp_path) as h:
        assert (await h.fails("workflow_status", run_id=run_id)).code == code
        assert (await h.fails("workflow_answer", run_id=run_id, step="q", value="x")).code == code


# What tools do.


@pytest.mark.parametrize("how", ["recursion", "group", "unicode", "memory", "stop"])
async def test_a_tool_that_breaks_oddly_fails_its_step_alone(tmp_path: Path, how: str) -> None:
    async with house(tmp_path, toys=Odd()) as h:
        waiting = (await h.run(ASK))["run_id"]
        result = await h.run({"steps": [{"id": "a", "tool": "toy_break", "with": {"text": how}}]})
        assert (result["status"], result["error"]["code"]) == ("failed", "internal")
        await unharmed(h)
    async with house(tmp_path) as h:
        await answered(h, waiting)


async def test_an_error_s_words_are_kept_whatever_they_hold(tmp_path: Path) -> None:
    spec = {"steps": [{"id": "a", "tool": "toy_break", "with": {"text": "told"}}, {"id": "q", "ask": "x"}]}
    async with house(tmp_path, toys=Odd()) as h:
        run_id = (await h.run(spec))["run_id"]
        await unharmed(h)
    async with house(tmp_path, toys=Odd()) as h:
        status = await h.call("workflow_status", run_id=run_id)
        assert status["steps"][0]["error"] == "provider_failed: the page \udc80 is gone"
        await unharmed(h)


@pytest.mark.parametrize("what", ["lone", "large"])
async def test_an_output_reads_back_equal_whatever_text_it_holds(tmp_path: Path, what: str) -> None:
    spec = {
        "steps": [{"id": "a", "tool": "toy_give", "with": {"text": what}}, {"id": "q", "ask": "x", "needs": "a"}],
        "outputs": {"v": "${{ steps.a.value }}"},
    }
    expected = {"lone": "a\ud800b", "large": "\ud800" + "x" * 300_000}[what]
    async with house(tmp_path, toys=Odd()) as h:
        run_id = (await h.run(spec))["run_id"]
        await unharmed(h)
    async with house(tmp_path, toys=Odd()) as h:
        await h.call("workflow_answer", run_id=run_id, step="q", value="go")
        await h.call("workflow_status", run_id=run_id, wait_seconds=10)
    async with house(tmp_path, toys=Odd()) as h:
        assert json.loads(await h.read(f"astro://runs/{run_id}"))["outputs"] == {"v": expected}


@pytest.mark.parametrize("what", ["deep", "number", "thing"])
async def test_an_output_that_can_not_be_kept_fails_its_step_alone(tmp_path: Path, what: str) -> None:
    async with house(tmp_path, toys=Odd()) as h:
        waiting = (await h.run(ASK))["run_id"]
        result = await h.run({"steps": [{"id": "a", "tool": "toy_give", "with": {"text": what}}]})
        assert (result["status"], result["error"]["code"]) == ("failed", "internal")
        await unharmed(h)
    async with house(tmp_path) as h:
        await answered(h, waiting)


async def test_a_call_path_that_raises_fails_the_step_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Dispatcher.call

    async def call(self: Dispatcher, call: Call) -> Result:
        if call.step == "broken":
            raise RecursionError("maximum recursion depth exceeded")
        return await whole(self, call)

    monkeypatch.setattr(Dispatcher, "call", call)
    async with house(tmp_path) as h:
        waiting = (await h.run(ASK))["run_id"]
        result = await h.run({"steps": [{"id": "broken", "tool": "toy_say"}]})
        assert (result["status"], result["error"]["code"]) == ("failed", "internal")
        await unharmed(h)
        await answered(h, waiting)


# What happens inside.


async def test_an_evaluator_that_breaks_ends_its_run_and_what_the_run_has_in_flight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Evaluator.evaluate

    def evaluate(self: Evaluator, source: str, data: Mapping[str, Any]) -> Any:
        if "'break'" in source:
            raise KeyError("\ud800")
        return whole(self, source, data)

    monkeypatch.setattr(Evaluator, "evaluate", evaluate)
    steps = [
        {"id": "long", "tool": "toy_hold"},
        {"id": "q", "ask": "well?"},
        {"id": "b", "tool": "toy_say", "if": "steps.q.answer != 'break'"},
    ]
    async with house(tmp_path) as h:
        waiting = (await h.run(ASK))["run_id"]
        run_id = (await h.run({"steps": steps}, wait_seconds=0.2))["run_id"]
        assert (await h.fails("workflow_answer", run_id=run_id, step="q", value="x")).code == "internal"
        status = await h.call("workflow_status", run_id=run_id, wait_seconds=10)
        assert (status["status"], status["error"]["code"]) == ("failed", "internal")
        assert {s["id"]: s["status"] for s in status["steps"]} == {
            "long": "cancelled",
            "q": "cancelled",
            "b": "cancelled",
        }
        await unharmed(h)
        assert not h.toys.at_once
        assert not h.scheduler.active()
    async with house(tmp_path) as h:
        assert (await h.call("workflow_status", run_id=run_id))["status"] == "failed"
        await answered(h, waiting)


class Refusing(Database):
    """A store where chosen works of one run break."""

    broken: str = ""
    works: tuple[str, ...] = ()

    async def write(self, work: Callable[[Any], Any]) -> Any:
        name = getattr(work, "__qualname__", "")
        cells = [str(cell.cell_contents) for cell in getattr(work, "__closure__", None) or ()]
        if Refusing.broken and any(w in name for w in Refusing.works) and any(Refusing.broken in c for c in cells):
            raise TypeError("the driver takes no such value")
        return await super().write(work)


async def test_a_run_that_can_not_be_written_is_stored_as_failed(tmp_path: Path) -> None:
    async with house(tmp_path, database=Refusing) as h:
        waiting = (await h.run(ASK))["run_id"]
        run_id = (await h.run(ASK))["run_id"]
        Refusing.broken, Refusing.works = run_id, ("Journal.save",)
        try:
            assert (await h.fails("workflow_answer", run_id=run_id, step="q", value="x")).code == "internal"
            status = await h.call("workflow_status", run_id=run_id)
        finally:
            Refusing.broken = ""
        assert (status["status"], status["error"]["code"]) == ("failed", "internal")
        await unharmed(h)
    async with house(tmp_path) as h:
        assert (await h.call("workflow_status", run_id=run_id))["status"] == "failed"
        await answered(h, waiting)


async def test_a_run_that_can_not_even_be_failed_is_left_for_the_next_start(tmp_path: Path) -> None:
    async with house(tmp_path, database=Refusing) as h:
        waiting = (await h.run(ASK))["run_id"]
        run_id = (await h.run(ASK))["run_id"]
        Refusing.broken, Refusing.works = run_id, ("Journal.save", "Journal.fail")
        try:
            assert (await h.fails("workflow_answer", run_id=run_id, step="q", value="x")).code == "internal"
        finally:
            Refusing.broken = ""
        assert (await h.fails("workflow_answer", run_id=run_id, step="q", value="x")).code == "unavailable"
        await unharmed(h)
    async with house(tmp_path) as h:
        await answered(h, waiting)
        await answered(h, run_id)


@pytest.mark.parametrize("when", ["first", "later"])
async def test_a_host_that_is_gone_does_not_harm_the_run_it_watched(tmp_path: Path, when: str) -> None:
    told: list[str] = []

    async def progress(done: float, total: float | None, text: str) -> None:
        told.append(text)
        if when == "first" or len(told) > 1:
            raise ConnectionResetError("nobody is there")

    async with house(tmp_path) as h:
        steps = [{"id": "a", "tool": "toy_say"}, {"id": "b", "tool": "toy_say", "needs": "a"}]
        done = await h.run({"steps": steps}, progress=progress)
        assert done["status"] == "succeeded"
        assert len(told) == (1 if when == "first" else 2)


# What stands on disk.

GIVEN = (
    "INSERT OR REPLACE INTO workflow_given (tenant, scope, run_id, spec, inputs)"
    " SELECT tenant, scope, run_id, {}, {} FROM workflow_given WHERE run_id = ?"
)
IN_FLIGHT = "UPDATE workflow_run SET head = json_set(head, '$.in_flight', json('{}')) WHERE run_id = ?"
DAMAGE = {
    "spec": GIVEN.format("'{'", "inputs"),
    "spec of no document": GIVEN.format("'{\"steps\":[]}'", "inputs"),
    "inputs": GIVEN.format("spec", "'{'"),
    "inputs of another shape": GIVEN.format("spec", "'[1]'"),
    "nothing given": "DELETE FROM workflow_given WHERE run_id = ?",
    "spec of another": GIVEN.format('\'{"steps":[{"id":"z","ask":"x"}]}\'', "inputs"),
    "no text": GIVEN.format("CAST(x'ff' AS TEXT)", "inputs"),
    "authority": "UPDATE workflow_run SET authority = '{}' WHERE run_id = ?",
    "labels": "UPDATE workflow_run SET labels = '[\"nobody\"]' WHERE run_id = ?",
    "head": "UPDATE workflow_run SET head = 'oh' WHERE run_id = ?",
    "head of another shape": "UPDATE workflow_run SET head = '[1]' WHERE run_id = ?",
    "deep head": "UPDATE workflow_run SET head = replace(printf('%.5000c', '['), '', '') WHERE run_id = ?",
    "deadline": "UPDATE workflow_run SET head = json_set(head, '$.deadline', 'soon') WHERE run_id = ?",
    "another run": "UPDATE workflow_run SET head = json_set(head, '$.run_id', 'run_x') WHERE run_id = ?",
    "calls in flight": IN_FLIGHT.format("[1]"),
    "a call in flight": IN_FLIGHT.format('{"q":1}'),
    "a call of nobody": IN_FLIGHT.format('{"nobody":{"position":9}}'),
    "ended head": "UPDATE workflow_run SET head = json_set(head, '$.status', 'succeeded') WHERE run_id = ?",
    "body": "UPDATE workflow_step SET body = '[]' WHERE run_id = ?",
    "wake": "UPDATE workflow_step SET body = json_set(body, '$.wake', 'soon') WHERE run_id = ?",
    "request": "UPDATE workflow_step SET body = json_set(body, '$.position', '') WHERE run_id = ?",
    "items": "UPDATE workflow_step SET items = '{' WHERE run_id = ?",
    "output": "UPDATE workflow_step SET output_ref = '" + "0" * 64 + "' WHERE run_id = ?",
    "path": "UPDATE workflow_step SET path = 'nobody', status = 'running' WHERE run_id = ? AND path = 'q'",
}


@pytest.mark.parametrize("damage", DAMAGE)
async def test_a_damaged_run_is_failed_at_the_start_and_the_others_go_on(tmp_path: Path, damage: str) -> None:
    async with house(tmp_path) as h:
        broken, waiting = [(await h.run(ASK))["run_id"] for _ in range(2)]
        await h.database.write(lambda tx: tx.execute(DAMAGE[damage], (broken,)))
    async with house(tmp_path) as h:
        await unharmed(h)
        runs = {step["id"]: step["status"] for step in (await h.call("workflow_status"))["steps"]}
        assert runs[broken] == "failed"
        assert await error_code(h, broken) == "internal"
        await answered(h, waiting)
    async with house(tmp_path) as h:
        await unharmed(h)
