"""A repository that is a trap: it would run a program, or read outside of the roots, where git was trusted."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astro_mcp.agents.git.outputs import Committed, Merged, Undone
from astro_mcp.core.authority import Session
from astro_mcp.core.call import Call, Result
from astro_mcp.core.dispatcher import Dispatcher

OUTSIDE = "this text lies outside of the roots"


@dataclass
class Trap:
    """`root` is the session's root and the hostile repository; `script` leaves `marker` behind when it is run."""

    root: Path
    outside: Path
    marker: Path
    script: Path
    session: Session
    dispatcher: Dispatcher

    def git(self, *arguments: str, folder: Path | None = None, check: bool = True, stdin: str = "") -> str:
        who = {f"GIT_{w}_{k}": "a@b" for w in ("AUTHOR", "COMMITTER") for k in ("NAME", "EMAIL")}
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.outside), "GIT_CONFIG_NOSYSTEM": "1", **who}
        ran = subprocess.run(
            ["git", *arguments],
            cwd=folder or self.root,
            env=environment,
            capture_output=True,
            check=False,
            input=stdin,
            errors="replace",
        )  # fmt: skip - one argument after another
        if check and ran.returncode:
            raise AssertionError(f"git {' '.join(arguments)}: {ran.stderr}")
        return ran.stdout

    def config(self, key: str, value: str) -> None:
        self.git("config", "--file", str(self.root / ".git/config"), key, value)

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def springs(self, *command: str) -> None:
        """Plain git falls into it: the trap is one."""
        self.git(*command, check=False)
        assert self.marker.exists(), f"the trap does not work: git {' '.join(command)}"
        self.marker.unlink()

    async def call(self, tool: str, **arguments: Any) -> Result:
        return await self.dispatcher.call(Call(self.session, tool, arguments))

    async def everything(self, repo: str = ".") -> list[Result]:
        """Every git tool, over everything that could be in the way; nothing may have run or leaked."""
        calls: list[tuple[str, dict[str, Any]]] = [
            ("git_status", {}),
            ("git_log", {}),
            ("git_log", {"path": "a.txt", "grep": "B", "author": "a"}),
            ("git_diff", {}),
            ("git_diff", {"to": "index"}),
            ("git_diff", {"from": "index"}),
            ("git_diff", {"from": "HEAD~1", "to": "HEAD"}),
            ("git_show", {}),
            ("git_show", {"path": "a.txt"}),
            ("git_show", {"path": "a.txt", "blame": True}),
            ("git_branch", {"name": "fresh"}),
            ("git_branch", {"action": "switch", "name": "fresh"}),
            ("git_commit", {"message": "m", "dry_run": True}),
            ("git_commit", {"message": "m", "paths": ["a.txt"]}),
            ("git_commit", {"message": "m"}),
            ("git_status", {}),
            ("git_merge", {"from": "beside"}),
        ]
        results = [await self.call(tool, repo=repo, **arguments) for tool, arguments in calls]
        told = [ref for result in results if (ref := getattr(result.value, "recovery_ref", ""))]
        for ref in told[-1:] or ["refs/astro/recovery/20260131T120000Z-0123abcd"]:
            results.append(await self.call("git_undo", repo=repo, recovery_ref=ref))
        assert not self.marker.exists(), "a program of the repository ran on this machine"
        for result in results:
            said = result.error.text() if result.error else f"{result.unwrap().text()}{result.unwrap().model_dump()}"
            assert OUTSIDE not in said
            assert result.error is None or result.error.code != "internal"
        return results


def works(results: list[Result]) -> None:
    """Not refused: the trap is passed by, and the repository is read, written, merged and taken back all the same."""
    assert [result.error.text() for result in results if result.error and result.error.code != "conflict"] == []
    assert {type(result.value) for result in results} >= {Committed, Merged, Undone}


def codes(results: list[Result]) -> set[str]:
    return {result.error.code if result.error else "ok" for result in results}
