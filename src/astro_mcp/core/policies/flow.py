"""Keeps what a session has seen, and lets out of it what rule 6 lets out (see `core.flow`).

It stands outside of whatever waits and does, so that a refusal is recorded and nothing has happened yet. Where a person
can be asked the call ends with the question; the face makes it again with their word, which counts for the recipient
as long as the session lasts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from astro_mcp.core import flow
from astro_mcp.core.authority import Effect, Level
from astro_mcp.core.call import Call, Result
from astro_mcp.core.dispatcher import Invocation, Proceed
from astro_mcp.core.flow import Leaving, Verdict
from astro_mcp.core.ports import Clock
from astro_mcp.core.question import Question
from astro_mcp.errors import ApprovalRequired, AstroError
from astro_mcp.observe.printable import printable

SHOWN: Final = 20
"""Texts of one question, each of up to `LONGEST` characters."""
LONGEST: Final = 500


class Flow:
    """`strict`: without a person's word nothing leaves but requests for URLs that were given."""

    def __init__(self, clock: Clock, *, strict: bool) -> None:
        self._clock = clock
        self._strict = strict

    async def apply(self, invocation: Invocation, proceed: Proceed) -> Result:
        call, tool, arguments, effects, _ = invocation
        declaration, ledger, own = tool.declaration, call.session.ledger, call.run_id is None
        seen = call.labels | call.session.labels
        if own:
            seen |= ledger.labels
            ledger.person |= call.person
        if seen != call.labels:
            call = replace(call, labels=seen)
        gate = _Gate(call, self._clock, strict=self._strict)
        try:
            if Effect.NETWORK in effects and declaration.leaves is not None:
                for leaving in declaration.leaves(arguments):
                    gate.let_out(leaving)
            result = await proceed(Invocation(call, tool, arguments, effects, gate))
        except AstroError as error:
            if own:
                ledger.join(declaration.labels)  # what a refusal says may come from there, too
            return Result(error=error, questions=gate.questions, flow=tuple(gate.passed))
        if own:
            ledger.join(result.labels)
        if declaration.gives is not None and result.value is not None:
            flow.learn(ledger, declaration.gives(result.value))
        return result._replace(questions=(*result.questions, *gate.questions)) if gate.questions else result


class _Gate:
    """One call's."""

    __slots__ = ("_call", "_clock", "_strict", "passed", "questions")

    def __init__(self, call: Call, clock: Clock, *, strict: bool) -> None:
        self._call = call
        self._clock = clock
        self._strict = strict
        self.passed: list[str] = []
        self.questions: tuple[Question, ...] = ()

    def let_out(self, leaving: Leaving) -> Verdict:
        """See `core.call.Gate`."""
        call, now = self._call, self._clock.now()
        ledger = call.session.ledger
        of_run = call.run_id is not None
        person = call.person or (of_run and ledger.person and leaving.sort in flow.IN_WORDS)
        if not leaving.texts:
            return Verdict.FREE
        verdict = flow.judge(ledger, call.labels, leaving, now, strict=self._strict, person=person)
        if verdict is Verdict.ASK and self._answered(leaving):
            verdict = flow.judge(ledger, call.labels, leaving, now, strict=self._strict, person=person)
        if verdict is Verdict.ASK and of_run:
            raise flow.unasked(leaving)
        if verdict is Verdict.ASK:
            ledger.asked.setdefault(leaving.to, set()).add(leaving.digest)
            self.questions = (_question(leaving),)
            raise ApprovalRequired(
                f"a person has to approve that this session sends to {leaving.to}", "they were asked, or will be"
            )
        flow.record(ledger, leaving, verdict, now)
        if verdict is not Verdict.FREE:
            self.passed.append(f"{verdict} {leaving.sort} to {printable(leaving.to, 120)}")
        return verdict

    def _answered(self, leaving: Leaving) -> bool:
        """Take up the person's word, where the call brings one for this."""
        approval, ledger = self._call.approval, self._call.session.ledger
        if approval is None or not approval.meets(Level.HOST, leaving.digest, self._clock.now()):
            return False
        (ledger.approved if approval.yes else ledger.refused).add(leaving.to)
        return True


def _question(leaving: Leaving) -> Question:
    """What leaves, line by line behind a mark, between words of ours. It has no tool: the word goes with the call."""
    to = printable(leaving.to, 200).replace("\n", " ")
    shown = [f"> {printable(text, LONGEST).replace(chr(10), ' ')}" for text in leaving.texts[:SHOWN]]
    more = [f"> and {len(leaving.texts) - SHOWN} more"] if len(leaving.texts) > SHOWN else []
    lines = [
        f"This session has read private files and what strangers wrote. {_WHAT[leaving.sort]} {to}:",
        *shown,
        *more,
        f"Your yes lets it send to {to} until it ends, whatever that is. Your no refuses that for good.",
    ]
    return Question("\n".join(lines), leaving.digest, "", {}, {"allow": "boolean"}, alone=True, resumes="")


_WHAT: Final = {
    flow.Sort.PAGE: "A page is asked for at",
    flow.Sort.QUERY: "Words go to",
    flow.Sort.NAME: "Packages are asked for by name at",
    flow.Sort.LISTED: "Packages that files of the workspace name are asked for at",
    flow.Sort.STREAM: "A program may send anything to",
    flow.Sort.DATA: "What the call holds goes to",
    flow.Sort.PUSH: "Commits, with all that they hold, go to",
}
