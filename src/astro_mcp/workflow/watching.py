"""The changes of a run, for whoever watches its address."""

from __future__ import annotations

from astro_mcp.workflow.drivers.sqlite.active import Active
from astro_mcp.workflow.kernel.state import TERMINAL


class Changes:
    """A turn for each change of a run, or of the step at `path`, since it was made; several at once are one. It ends
    with the run, or the step; `run` is None where that had ended before."""

    def __init__(self, run: Active | None, path: str = "") -> None:
        self._run = run
        self._path = path
        self._seen = self._look(run) if run is not None else None

    def __aiter__(self) -> Changes:
        return self

    async def __anext__(self) -> None:
        while self._run is not None:
            changed, seen = self._run.changed, self._look(self._run)
            if seen != self._seen:
                self._seen = seen
                return
            if self._over(self._run):
                break
            await changed.wait()
        raise StopAsyncIteration

    def _look(self, run: Active) -> object:
        """What is at the address. States are frozen and shared, so that equal ones are mostly the same objects."""
        state = run.state
        return state.steps.get(self._path) if self._path else (state.status, state.steps)

    def _over(self, run: Active) -> bool:
        step = run.state.steps.get(self._path) if self._path else None
        return run.state.over or (step is not None and step.status in TERMINAL)
