"""One fixer's run in the sandbox, on a copy. What comes out of the container is hostile."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from astro_mcp.agents.lint.copies import BYTES
from astro_mcp.agents.lint.images import Images
from astro_mcp.agents.lint.models import FailedTool
from astro_mcp.agents.lint.report import last_words
from astro_mcp.agents.lint.run import SECONDS
from astro_mcp.agents.lint.sources import FOLDER, Sources, named
from astro_mcp.core.call import Context
from astro_mcp.packs import PATHS, Fix, Linter
from astro_mcp.sandbox.job import Job, Outcome, SandboxFile, beside
from astro_mcp.sandbox.sandbox import Sandbox
from astro_mcp.workspace.text import decode
from astro_mcp.workspace.workspace import Workspace

GIVEN: Final = ".astro/given.json"
SCRIPT: Final = ".astro/mend.py"
_MARKLESS: Final = frozenset({"utf-8", "cp1252", "latin-1"})
"""Encodings that are the same for plain ASCII."""
CHANGED: Final = "changed"
"""Below `FOLDER`: what the script hands back."""


@dataclass(slots=True)
class Fixed:
    """What came of one fixer: new bytes by path, lines on what was not taken, and why it failed where it did."""

    files: dict[str, bytes] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    failed: FailedTool | None = None


class Fixers:
    """Runs fixers; `script` is the pack's `mend.py`."""

    def __init__(self, sandbox: Sandbox, workspace: Workspace, script: bytes) -> None:
        self._sandbox = sandbox
        self._workspace = workspace
        self._script = script

    async def run(self, linter: Linter, fix: Fix, sources: Sources, ctx: Context) -> Fixed:
        """Run the fixer of `linter` over `sources`; raises what the image and the container raise."""
        paths = sources.arguments(linter)
        if not paths:
            return Fixed()
        before = await self._workspace.at_length(lambda: open_to(linter, sources))
        digests = {path: hashlib.sha256(data).hexdigest() for path, data in before.items()}
        files, _ = beside(sources.files, {GIVEN, SCRIPT, f"{FOLDER}/{CHANGED}"})
        ours = (SandboxFile(GIVEN, json.dumps(digests).encode()), SandboxFile(SCRIPT, self._script))
        argv = ["python3", "-P", SCRIPT, GIVEN, f"{FOLDER}/{CHANGED}"]
        for word in fix.argv:
            argv += paths if word == PATHS else [word]
        tenant = ctx.session.scope.tenant
        image = await Images(self._sandbox, self._workspace, ctx, ctx.progress).of(linter, sources)
        job = Job(
            tuple(argv),
            (*files, *ours),
            timeout=SECONDS,
            env=linter.env,
            image=image.tag,
            collect=FOLDER,
            tenant=tenant,
        )
        outcome = await self._sandbox.run(job)
        return await self._workspace.at_length(lambda: fixed(linter, fix, outcome, before))


def open_to(linter: Linter, sources: Sources) -> dict[str, bytes]:
    """The files that a fixer may change: of its kind, and asked for. A settings file that came along is neither."""
    return {
        file.path: file.data for file in sources.files if sources.asked(file.path) and named(file.path, linter.detect)
    }


def fixed(linter: Linter, fix: Fix, outcome: Outcome, before: Mapping[str, bytes]) -> Fixed:
    """Read what a run left: nothing but other bytes of files in `before`, in their encoding and with their line ends.
    Blocks."""
    made = Fixed()
    report = next((file.data for file in outcome.files if file.path == CHANGED), None)
    if outcome.exit_code not in fix.exit_codes or report is None:
        limits = f" (limit: {', '.join(outcome.limits_hit)})" if outcome.limits_hit else ""
        made.failed = FailedTool(tool=linter.name, exit_code=outcome.exit_code, message=last_words(outcome) + limits)
        return made
    try:
        changed = {path: base64.b64decode(text, validate=True) for path, text in json.loads(report).items()}
    except (ValueError, TypeError, AttributeError, RecursionError):
        made.failed = FailedTool(tool=linter.name, exit_code=outcome.exit_code, message="what it left can't be read")
        return made
    for path, data in sorted(changed.items()):
        if path not in before or data == before[path]:
            continue
        if reason := unlike(before[path], data):
            made.refused.append(f"{path} ({linter.name} {reason})")
        else:
            made.files[path] = data
    if sum(map(len, made.files.values())) > BYTES:
        failed = FailedTool(tool=linter.name, exit_code=outcome.exit_code, message=f"it made over {BYTES:,} bytes")
        return Fixed(failed=failed)
    return made


def unlike(before: bytes, after: bytes) -> str:
    """Why `after` is no fix of `before`: empty where it is one."""
    old, new = decode(before), decode(after)
    if old is None or new is None:
        return "made it something that is no text"
    if new.encoding != old.encoding and not (({old.encoding, new.encoding} <= _MARKLESS) and new.raw.isascii()):
        return f"would make {new.encoding} of its {old.encoding}"
    if old.eol != "none" and new.eol not in (old.eol, "none"):
        return f"would make {new.eol} of its {old.eol} line ends"
    return ""


def with_files(sources: Sources, files: Mapping[str, bytes]) -> Sources:
    """`sources` with the new bytes of `files`."""
    return replace(
        sources,
        files=tuple(replace(file, data=files[file.path]) if file.path in files else file for file in sources.files),
    )
