"""Runs documents on the real app over a folder of their own; the test answers what they ask."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astro_mcp.testing import Workbench

Answers = Mapping[str, Any]
"""Step → its answer, or a function of what is shown; by the step's own id, whichever body it stands in."""


@dataclass(frozen=True)
class Desk:
    """One folder, and a session on it."""

    bench: Workbench
    folder: Path

    async def check(self, spec: str) -> list[str]:
        checked: Any = await self.bench.value("workflow_check", spec=spec)
        return [f"{p.path}: {p.reason} [{p.corrected}]" for p in checked.problems]

    async def run(self, spec: str, answers: Answers | None = None, **inputs: Any) -> Any:
        """The run at its end; fails where it waits for what nobody answers."""
        allow = ["read", "write", "destroy", "execute", "network"]
        run: Any = await self.bench.value(
            "workflow_run", spec=spec, inputs=json.dumps(inputs), allow=allow, wait_seconds=60
        )
        while run.status == "waiting":
            for asked in run.waiting_for:
                answer = (answers or {})[asked.step.rpartition(".")[2]]
                value = answer(json.loads(asked.shown or "{}")) if callable(answer) else answer
                await self.bench.value("workflow_answer", run_id=run.run_id, step=asked.step, value=json.dumps(value))
            run = await self.bench.value("workflow_status", run_id=run.run_id, wait_seconds=60)
        return run

    def text(self, name: str) -> str:
        return (self.folder / name).read_text()

    def write(self, **files: str) -> None:
        """Files, by name with `__` for the point."""
        for name, text in files.items():
            (self.folder / name.replace("__", ".")).write_text(text)

    def git(self, *arguments: str) -> str:
        argv = ["git", "-c", "user.name=Ann", "-c", "user.email=ann@example.org", *arguments]
        return subprocess.run(argv, cwd=self.folder, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, subject: str, **files: str) -> str:
        """One commit of these files; the first one makes the repository."""
        if not (self.folder / ".git").exists():
            self.git("init", "-q", "-b", "main")
        self.write(**files)
        self.git("add", ".")
        self.git("commit", "-qm", subject)
        return self.git("rev-parse", "HEAD")


def desk(bench: Workbench, folder: Path) -> Desk:
    folder.mkdir()
    return Desk(bench.other(folder, principal=folder.name), folder)
