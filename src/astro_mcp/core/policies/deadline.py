"""Ends what takes too long."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Generator
from typing import Any

import anyio

from astro_mcp.core.call import Result
from astro_mcp.core.dispatcher import Invocation, Proceed
from astro_mcp.errors import TimedOut


class Deadline:
    """The tool's own timeout, or the call's where that is shorter; both in seconds."""

    async def apply(self, invocation: Invocation, proceed: Proceed) -> Result:
        seconds, call = invocation.tool.declaration.timeout, invocation.call
        if call.timeout is not None:
            seconds = min(seconds, call.timeout)
        if call.lent is not None:
            return await _Timed(proceed(invocation), call.lent, seconds, call.tool)
        with anyio.move_on_after(seconds) as scope:
            return await proceed(invocation)
        if not scope.cancelled_caught:
            raise AssertionError("a cancel scope that was left early was cancelled")
        raise _timed_out(call.tool, seconds)


class _Timed:
    """A call within a lent scope. Its clock is set when it first waits for something: many never do, and a scope and a
    clock of their own were a quarter of what their way costs."""

    __slots__ = ("_call", "_name", "_scope", "_seconds")

    def __init__(self, call: Awaitable[Result], scope: anyio.CancelScope, seconds: float, name: str) -> None:
        self._call = call
        self._scope = scope
        self._seconds = seconds
        self._name = name

    def __await__(self) -> Generator[Any, Any, Result]:
        call = self._call.__await__()
        try:
            waits = next(call)
        except StopIteration as end:
            result: Result = end.value
            return result
        self._scope.deadline = anyio.current_time() + self._seconds
        try:
            return (yield from _resumed(call, waits))
        except anyio.get_cancelled_exc_class():
            if anyio.current_time() >= self._scope.deadline:
                raise _timed_out(self._name, self._seconds) from None
            raise
        finally:
            self._scope.deadline = math.inf


def _resumed(call: Generator[Any, Any, Result], waits: Any) -> Generator[Any, Any, Result]:
    """The rest of `call`, which waits for `waits`."""
    while True:
        try:
            yield waits
        except BaseException as error:  # noqa: BLE001 - for the call, which may go on waiting
            try:
                waits = call.throw(error)
            except StopIteration as end:
                result: Result = end.value
                return result
        else:
            return (yield from call)


def _timed_out(name: str, seconds: float) -> TimedOut:
    return TimedOut(f"{name} took longer than {seconds:g} s", "give it less to do, or more time")
