"""What a linter of packages is given in place of a network: the advisories of what its files pin.

They are asked for out here, by names and versions, as `lint_audit` does it. Of a pin about which not everything could
be learnt nothing is given, so that the linter says that it does not know, and never that there is nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from astro_mcp.agents.lint.audit.advisory import Advisory
from astro_mcp.agents.lint.audit.formats import reader_of
from astro_mcp.agents.lint.audit.inventory import PYPI, Inventory, Pin
from astro_mcp.agents.lint.audit.leaving import asked_for
from astro_mcp.agents.lint.audit.osv import Osv
from astro_mcp.agents.lint.sources import ADVISED, ADVISORIES, Sources
from astro_mcp.core.call import Context
from astro_mcp.errors import TooLarge
from astro_mcp.packs import Linter
from astro_mcp.sandbox.job import SandboxFile
from astro_mcp.workspace.workspace import Workspace

WITHDRAWN: Final = "1970-01-01T00:00:00Z"
"""OSV has a time here, and who reads it asks only whether there is one."""


class Advised:
    """`modules` are the pack's files that go into the sandbox, by name."""

    def __init__(self, osv: Osv, workspace: Workspace, modules: Mapping[str, bytes]) -> None:
        self._osv = osv
        self._workspace = workspace
        self._modules = modules

    async def files(self, linter: Linter, sources: Sources, ctx: Context) -> tuple[SandboxFile, ...]:
        """The linter's script, and the advisories. Raises what asking for them does, and `TooLarge` for too many."""
        paths = frozenset(path.removeprefix("./") for path in sources.arguments(linter))
        pins = await self._workspace.at_length(lambda: pinned(sources, paths))
        ctx.let_out(*asked_for(pins))
        affected, odd = await self._osv.affected(pins) if pins else ({}, set())
        named = sorted({which for several in affected.values() for which in several})
        details, _ = await self._osv.details(named)
        known = {
            f"{pin.name} {pin.version}": [body(details[which]) for which in affected.get(pin, ())]
            for pin in pins
            if pin not in odd and all(which in details for which in affected.get(pin, ()))
        }
        data = await self._workspace.quickly(lambda: json.dumps(known).encode())
        return SandboxFile(ADVISED, self._modules[linter.advised]), SandboxFile(ADVISORIES, data)


def pinned(sources: Sources, paths: frozenset[str]) -> Sequence[Pin]:
    """The Python packages that the files at `paths` pin. Blocks. Raises `TooLarge`."""
    inventory = Inventory()
    for file in sources.files:
        reader = reader_of(file.path) if file.path in paths else None
        if reader is None:
            continue
        try:
            reader(file.path, file.data, inventory)
        except TooLarge:
            raise
        except Exception:  # noqa: BLE001, S112 - hostile text in the hands of a parser: the linter reads it too, and says so
            continue
    return sorted(pin for pin in inventory.pins if pin.ecosystem == PYPI)


def body(advisory: Advisory) -> dict[str, Any]:
    """In OSV's format, with what is known of it."""
    affected = [
        {
            "package": {"ecosystem": one.ecosystem, "name": one.name},
            "ranges": [{"type": kind, "events": [{"fixed": each} for each in fixed]} for kind, fixed in one.ranges],
        }
        for one in advisory.affected
    ]
    said = {"summary": advisory.summary} if advisory.summary else {}
    withdrawn = {"withdrawn": WITHDRAWN} if advisory.withdrawn else {}
    return {"id": advisory.id, "aliases": list(advisory.aliases), "affected": affected, **said, **withdrawn}
