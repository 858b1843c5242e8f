"""The changes of a run, for whoever watches its address."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from astro_mcp.workflow.driver import RunView
from astro_mcp.workflow.kernel.state import TERMINAL, RunState


class Changes:
    """A turn for each change of a run, or of the step at `path`, since it was `state`; several at once are one. It ends
    with the run, or the step. `states` are what a driver's `follow` gives. `every`: a turn for each event, whether it
    changed anything or not."""

    def __init__(
        self, state: RunState, states: AsyncGenerator[RunView, None], path: str = "", *, every: bool = False
    ) -> None:
        self._states = states
        self._path = path
        self._every = every
        self._last = state

    def __aiter__(self) -> Changes:
        return self

    async def __anext__(self) -> None:
        if not self._over(self._last):
            async for run in self._states:
                before, self._last = self._last, run.state
                if (self._every and before is not run.state) or self._look(before) != self._look(run.state):
                    return
                if self._over(run.state):
                    break
        raise StopAsyncIteration

    def _look(self, state: RunState) -> object:
        """What is at the address. States are frozen and shared, so that equal ones are mostly the same objects."""
        return state.steps.get(self._path) if self._path else (state.status, state.steps)

    def _over(self, state: RunState) -> bool:
        step = state.steps.get(self._path) if self._path else None
        return state.over or (step is not None and step.status in TERMINAL)
