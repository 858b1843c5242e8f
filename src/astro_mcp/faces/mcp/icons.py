"""One small picture an agent, as a data URI: a path on a grid of 9 by 9."""

from __future__ import annotations

from typing import Final

_PATHS: Final = {
    "search": "M4 1a3 3 0 1 0 1 5l2 2 1-1-2-2a3 3 0 0 0-2-4z",
    "code": "M3 2 0 4.5 3 7V2zM6 2v5l3-2.5z",
    "files": "M1 1h3l1 1h3v6H1z",
    "git": "M4.5 0 9 4.5 4.5 9 0 4.5z",
    "tests": "M1 5l2 3 5-7-5 5z",
    "lint": "M4 1h1v5H4zM4 7h1v1H4z",
    "knowledge": "M1 1h3v7H1zM5 1h3v7H5z",
    "workflow": "M0 0h3v3H0zM6 6h3v3H6zM3 3h3v3H3z",
    "artifacts": "M1 3h7v5H1zM0 1h9v1H0z",
}


def icon(agent: str) -> dict[str, str] | None:
    """The agent's icon as MCP describes it, or None."""
    path = _PATHS.get(agent)
    if path is None:
        return None
    picture = f"%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 9 9'%3E%3Cpath d='{path}'/%3E%3C/svg%3E"
    return {"src": f"data:image/svg+xml,{picture}"}
