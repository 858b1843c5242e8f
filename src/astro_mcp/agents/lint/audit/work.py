"""What `lint_audit` does: the lock files below a folder, against a database of advisories."""

from __future__ import annotations

import stat
from collections.abc import Mapping, Sequence
from typing import Final

from anyio import from_thread

from astro_mcp.agents.lint.audit.advisory import Advisory
from astro_mcp.agents.lint.audit.formats import UNREAD, reader_of
from astro_mcp.agents.lint.audit.inventory import Inventory, Pin
from astro_mcp.agents.lint.audit.leaving import asked_for
from astro_mcp.agents.lint.audit.models import AuditInput, AuditItem, AuditOutput
from astro_mcp.agents.lint.audit.osv import Named, Osv
from astro_mcp.agents.lint.audit.severity import RANK
from astro_mcp.core.call import Context
from astro_mcp.errors import AstroError, NotFound, TooLarge
from astro_mcp.observe.printable import printable
from astro_mcp.workspace.content import status_of
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.workspace import Workspace

FILES: Final = 200
LOCK_BYTES: Final = 8_000_000
BYTES: Final = 64_000_000
"""Of all lock files of one call."""
_ABOUT: Final = "lock the project: uv lock, npm install --package-lock-only, pip freeze > requirements.txt"


class AuditWork:
    """Reads here, and asks there; nothing of the project runs."""

    def __init__(self, workspace: Workspace, osv: Osv) -> None:
        self._workspace = workspace
        self._osv = osv

    async def audit(self, args: AuditInput, ctx: Context) -> AuditOutput:
        place = self._workspace.locate(ctx.session, args.path)
        locks, unread = await self._locks(place)
        inventory = Inventory()
        for file in unread:
            inventory.leave(file, "it", "is a lock file of a format that is not read")
        await self._workspace.at_length(lambda: self._read(locks, inventory), place.root)
        pins = sorted(inventory.pins)
        ctx.let_out(*asked_for(pins))
        affected, odd = await self._osv.affected(pins) if pins else ({}, set())
        named = sorted({which for several in affected.values() for which in several})
        details, missed = await self._osv.details(named)
        items = [
            item
            for pin, several in affected.items()
            for item in items_of(pin, inventory.pins[pin], _known(several, details))
        ]
        items.sort(key=lambda item: (-RANK[item.severity], item.package, item.version, item.advisory))
        more = [f"and {inventory.untold:,} entries more"] if inventory.untold else []
        more += [f"an advisory for {pin.name} {pin.version} has an id that can't be used" for pin in sorted(odd)]
        return AuditOutput(
            items=items,
            total=len(items),
            checked=len(pins),
            files=[lock.display for lock in locks],
            unchecked=[*inventory.unchecked, *more, *missed],
        )

    async def _locks(self, place: Place) -> tuple[list[Place], list[str]]:
        """Lock files at or below `place`, and the paths of those that are of another format. Raises `NotFound`."""
        if place.relative and not stat.S_ISDIR((await self._workspace.quickly(lambda: status_of(place))).st_mode):
            below = [place]
        else:
            entries = await self._workspace.walk(place)
            below = [place.at(entry.path) for entry in entries if entry.type == "file"]
        own = [one for one in below if "node_modules" not in one.parts[:-1]]
        locks = [one for one in own if reader_of(one.relative)]
        unread = [one.display for one in own if one.name in UNREAD]
        if not locks and not unread:
            raise NotFound(f"there is no lock file at or below {place.display}", _ABOUT)
        if len(locks) > FILES:
            raise TooLarge(f"there are more than {FILES} lock files", "name one of them, or a folder further down")
        return locks, unread

    def _read(self, locks: Sequence[Place], inventory: Inventory) -> None:
        """Raises `TooLarge` where they are too much together; what one of them is, is told."""
        left = BYTES
        for lock in locks:
            from_thread.check_cancelled()
            reader = reader_of(lock.relative)
            if reader is None:
                continue
            try:
                data = self._workspace.read_now(lock, LOCK_BYTES)
            except AstroError as error:
                inventory.leave(lock.display, "it", f"can't be read: {error.message}")
                continue
            left -= len(data)
            if left < 0:
                raise TooLarge(f"the lock files hold more than {BYTES:,} bytes", "name one of them")
            try:
                reader(lock.display, data, inventory)
            except TooLarge:
                raise
            except Exception as error:  # noqa: BLE001 - hostile text in the hands of a parser: any of its errors is the file's
                inventory.leave(lock.display, "it", f"can't be read: {printable(str(error), 200)}")


def _known(named: Sequence[Named], details: Mapping[Named, Advisory]) -> list[Advisory]:
    """Those that stand; one whose details could not be had is known by its id."""
    found = [details.get(which, Advisory(which[0])) for which in named]
    return [advisory for advisory in found if not advisory.withdrawn]


def items_of(pin: Pin, files: Sequence[str], advisories: Sequence[Advisory]) -> list[AuditItem]:
    """One item for each flaw: advisories of several databases that name one another are the same one, told by the one
    that says most of it."""
    items = []
    for group in _groups(advisories):
        best = max(group, key=lambda one: (RANK[one.severity], bool(one.fixed_in(pin)), one.id))
        names = {name for one in group for name in (one.id, *one.aliases)} - {best.id}
        items.append(
            AuditItem(
                package=pin.name,
                version=pin.version,
                ecosystem=pin.ecosystem,
                advisory=best.id,
                aliases=sorted(names)[:20],
                severity=best.severity,
                fixed_in=best.fixed_in(pin) or next(filter(None, (one.fixed_in(pin) for one in group)), ""),
                summary=best.summary or next((one.summary for one in group if one.summary), ""),
                files=list(files),
            )
        )
    return items


def _groups(advisories: Sequence[Advisory]) -> list[list[Advisory]]:
    groups: list[tuple[set[str], list[Advisory]]] = []
    for advisory in advisories:
        names, members = {advisory.id, *advisory.aliases}, [advisory]
        apart = []
        for known, others in groups:
            if known & names:
                names, members = names | known, [*others, *members]
            else:
                apart.append((known, others))
        groups = [*apart, (names, members)]
    return [members for _, members in groups]
