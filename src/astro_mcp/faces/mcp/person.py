"""The person behind a host, asked by elicitation: in the handshake's era while the call waits, in the modern era by a
result that requires input, and the same call again with it.

A word that comes this way is of level host. A yes or a no is one that the person gave in the form; whoever declines,
dismisses it or takes too long has said neither, and what waited goes on waiting: a no would be final.
"""

from __future__ import annotations

import json
import logging
import secrets
import time
from dataclasses import replace
from typing import Any, Final

import anyio
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CallToolRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
    InputResponse,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from astro_mcp.core.authority import Approval, Level
from astro_mcp.core.call import Call, Result
from astro_mcp.core.ids import new_id
from astro_mcp.core.question import Question
from astro_mcp.errors import InvalidInput
from astro_mcp.faces.mcp.connection import Asked, Ctx

log = logging.getLogger(__name__)

PERSON_SECONDS: Final = 240.0
"""How long a person may take."""
APPROVAL_SECONDS: Final = 60.0
"""How long a word that was given counts, until it has arrived."""
TIMES: Final = 3
"""How often one connection asks for the same decision; once it was declined it asks no more."""
QUESTIONS: Final = 8
"""Of one call; clients make a call again ten times at most. What is left is asked for by the next call that waits."""
KEY: Final = "decision"
_TYPES: Final[dict[str, type | tuple[type, ...]]] = {
    "boolean": bool,
    "string": str,
    "integer": int,
    "number": (int, float),
}


def can_be_asked(ctx: Ctx) -> bool:
    """Whether the host shows forms to a person."""
    declared = ctx.session.client_capabilities
    shown = declared.elicitation if declared else None
    return shown is not None and (shown.form is not None or shown.url is None)


def next_question(ctx: Ctx, result: Result, so_far: frozenset[str]) -> Question | None:
    """What the person is asked next, if anything."""
    if len(so_far) >= QUESTIONS:
        return None
    return next((one for one in open_questions(ctx, result) if one.digest not in so_far), None)


def open_questions(ctx: Ctx, result: Result) -> list[Question]:
    """What the person may be asked, in order."""
    times = ctx.lifespan_context.asked
    return [one for one in result.questions if times[one.digest] < TIMES] if can_be_asked(ctx) else []


async def ask(ctx: Ctx, question: Question) -> str | None:
    """The person's word, in the handshake's era; None where there is none."""
    ctx.lifespan_context.count(question.digest)
    try:
        with anyio.move_on_after(PERSON_SECONDS):
            return word(ctx, question, await ctx.session.elicit_form(question.text, _form(question), ctx.request_id))
    except (MCPError, ValidationError) as error:
        log.info("a host did not ask its person: %.200s", error)
    return None


def is_modern(ctx: Ctx) -> bool:
    return ctx.protocol_version in MODERN_PROTOCOL_VERSIONS


def put(ctx: Ctx, call: Call, question: Question, so_far: frozenset[str]) -> InputRequiredResult:
    """The question as a result, to which the host makes the same call again."""
    state = secrets.token_urlsafe(24)
    here = ctx.lifespan_context
    here.count(question.digest)
    here.keep(state, Asked(call, question, so_far, time.monotonic() + PERSON_SECONDS))
    return InputRequiredResult(input_requests={KEY: request(question)}, request_state=state)


def request(question: Question) -> ElicitRequest:
    """The question as a host of the modern era shows it."""
    return ElicitRequest(params=ElicitRequestFormParams(message=question.text, requested_schema=_form(question)))


def taken_up(ctx: Ctx, call: Call, params: CallToolRequestParams) -> Asked | None:
    """What an earlier leg of this very call asked; None where this is its first. Raises `InvalidInput` for a state that
    is not this connection's, not this call's, over, or was taken up before: each is good once."""
    if params.request_state is None:
        return None
    asked = ctx.lifespan_context.questions.pop(params.request_state, None)
    same = asked is not None and (asked.call.tool, asked.call.arguments) == (call.tool, call.arguments)
    if asked is None or not same or time.monotonic() > asked.until:
        raise InvalidInput("nothing waits for this answer: it came before, too late, or for another call")
    return asked


def word(ctx: Ctx, question: Question, response: InputResponse | None) -> str | None:
    """The answer as JSON, where the person gave one in the form."""
    if not isinstance(response, ElicitResult):
        return None
    if response.action == "decline":
        ctx.lifespan_context.asked[question.digest] = TIMES
    given = response.content or {}
    if response.action != "accept" or not all(_fits(given.get(name), kind) for name, kind in question.fields.items()):
        return None
    values = {name: given[name] for name in question.fields}
    return json.dumps(next(iter(values.values())) if question.alone else values)


def _form(question: Question) -> dict[str, Any]:
    fields = {name: {"type": kind, "title": name} for name, kind in question.fields.items()}
    return {"type": "object", "properties": fields, "required": list(fields)}


def _fits(value: object, kind: str) -> bool:
    return isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def handing_on(call: Call, question: Question, said: str) -> Call:
    """The call that hands the person's word on, bound to what they were shown."""
    approval = Approval(Level.HOST, question.digest, time.time() + APPROVAL_SECONDS)
    return Call(call.session, question.tool, {**question.arguments, "value": said}, approval=approval)


def with_word(call: Call, question: Question, said: str) -> Call:
    """The call that asked, made again with the person's word."""
    approval = Approval(Level.HOST, question.digest, time.time() + APPROVAL_SECONDS, yes=json.loads(said) is True)
    return replace(call, id=new_id("call"), approval=approval)
