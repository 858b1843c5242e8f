"""A plan or a run as the text of a picture."""

from __future__ import annotations

from typing import Final

from astro_mcp.workflow.document.plan import Plan
from astro_mcp.workflow.kernel.state import RunState
from astro_mcp.workflow.pictures import mermaid
from astro_mcp.workflow.pictures.scene import pictured
from astro_mcp.workflow.pictures.svg import svg

SVG: Final = "image/svg+xml"
MERMAID: Final = "text/vnd.mermaid"


def as_svg(plan: Plan, state: RunState | None = None) -> str:
    """As SVG. Blocks for some tenths of a second where the plan is large."""
    return svg(pictured(plan, state))


def as_mermaid(plan: Plan, state: RunState | None = None) -> str:
    """As Mermaid: where there are more boxes than its renderers take, without what is inside of bodies."""
    picture = pictured(plan, state)
    if sum(len(scene.boxes) for scene in picture.scene.all()) > mermaid.BOXES:
        picture = pictured(plan, state, whole=False)
    return mermaid.mermaid(picture)
