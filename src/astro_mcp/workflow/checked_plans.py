"""Documents that `workflow_check` found sound, kept as artifacts of whoever had them checked: their pictures have
addresses."""

from __future__ import annotations

from typing import Final

from astro_mcp.core.authority import Label, Session
from astro_mcp.core.ports import ArtifactSink
from astro_mcp.errors import InvalidInput, NotFound, TooLarge
from astro_mcp.workflow.authority import frozen
from astro_mcp.workflow.document.bounds import BYTES
from astro_mcp.workflow.document.checks import Checked
from astro_mcp.workflow.document.plan import Plan
from astro_mcp.workflow.scheduler import Scheduler

MIME: Final = "application/yaml"


class CheckedPlans:
    """Keeps a document with the workflows that it runs, and makes its plan again."""

    def __init__(self, scheduler: Scheduler, artifacts: ArtifactSink) -> None:
        self._scheduler = scheduler
        self._artifacts = artifacts

    async def keep(self, session: Session, checked: Checked) -> str:
        """The address of the document's picture, once the document is on disk. It is labelled with all that the session
        had seen when it was checked, as a run of it would be."""
        labels = frozen(session, ()).labels | checked.labels
        sha256 = await self._artifacts.put(session.scope, checked.spec.encode(), MIME, "plan.yaml", labels)
        return f"astro://plans/{sha256}/picture"

    async def get(self, session: Session, sha256: str) -> tuple[Plan, frozenset[Label]]:
        """The plan of the document that is kept for the session's scope, and its labels. Raises `NotFound` alike for
        what is missing, another scope's, or an artifact that is no document: its problems would tell what is in it."""
        data, _ = await self._artifacts.get(session.scope, sha256)
        try:
            if len(data) > BYTES:
                raise NotFound("no such plan")
            plan = await self._scheduler.plan(data.decode())
        except (UnicodeDecodeError, InvalidInput, TooLarge):
            raise NotFound("no such plan", "workflow_check tells the address of a sound one") from None
        return plan, await self._artifacts.labels(session.scope, sha256)
