"""How the steps of a plan are in a run: one step as it is, many instances of one in counts."""

from __future__ import annotations

from collections import Counter
from typing import Final

from astro_mcp.workflow.kernel import state as s
from astro_mcp.workflow.kernel.scope import is_instance

WORST_FIRST: Final = (
    *(s.LOST, s.WAITING, s.RUNNING, s.FAILED, s.READY, s.PENDING, s.CANCELLED, s.SUCCEEDED, s.SKIPPED),
)
"""Whose colour stands for several."""


class Tally:
    """Looks at every step once. A step of a plan is asked for by its path without instances (`files.fix`)."""

    def __init__(self, state: s.RunState | None) -> None:
        self._begun = state is not None
        self._single: dict[str, s.StepState] = {}
        self._counts: dict[str, Counter[str]] = {}
        self._instances: dict[str, Counter[str]] = {}
        for path, step in (state.steps if state else {}).items():
            if path:
                self._see(path, step)

    def _see(self, path: str, step: s.StepState) -> None:
        parts = path.split(".")
        plain = ".".join(part for part in parts if not part.isdigit())
        if len(plain) == len(path):
            self._single[plain] = step
        counts = self._instances if is_instance(path) else self._counts
        counts.setdefault(plain, Counter())[step.status] += 1
        if step.items is not None and (left := len(step.items) - step.opened) > 0 and step.status not in s.TERMINAL:
            self._instances.setdefault(plain, Counter())[s.PENDING] += left

    def status(self, path: str) -> str:
        """Its status, or the one that matters most of several; empty where there is no run."""
        counts = self._counts.get(path) or self._instances.get(path) or Counter()
        return next((status for status in WORST_FIRST if counts[status]), s.PENDING if self._begun else "")

    def lines(self, path: str, *, many: bool) -> list[str]:
        """How it is, in words: with its time or error where it is one, in counts where it is several."""
        if not self._begun:
            return []
        lines = []
        step = self._single.get(path)
        if step is not None:
            lines.append(" · ".join(part for part in (step.status, _took(step), _code(step)) if part))
        elif path in self._counts:
            lines.append(_counted(self._counts[path]))
        if many and path in self._instances:
            lines.append(f"{self._instances[path].total():,} in all: {_counted(self._instances[path])}")
        return lines or [s.PENDING]


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{counts[status]:,} {status}" for status in WORST_FIRST if counts[status])


def _took(step: s.StepState) -> str:
    if step.started is None or step.ended is None:
        return ""
    seconds = max(0.0, step.ended - step.started)
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _code(step: s.StepState) -> str:
    return str(step.error.get("code", "")) if step.error else ""
