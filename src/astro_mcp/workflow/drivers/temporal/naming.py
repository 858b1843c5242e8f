"""Names on the server: ids, queues and types. What visibility shows holds digests alone, and no root or user."""

from __future__ import annotations

import hashlib
import re
from typing import Final

from astro_mcp.core.authority import Scope

WORKFLOW: Final = "astro-mcp-run"
CALL: Final = "call"
EVALUATE: Final = "evaluate"
ANSWER: Final = "answer"
TREE: Final = "tree"
MODEL: Final = "model"
"""Whose queue has the asks that the operator's model answers."""
TREES: Final = "worktrees"
"""Whose queue has the worktrees of runs, to be made and closed."""
_RUN_ID: Final = re.compile(r"[A-Za-z0-9_-]{0,100}")


def sound(run_id: str) -> bool:
    """Whether a run's id, or the beginning of one, can be one: it stands in queries."""
    return _RUN_ID.fullmatch(run_id) is not None


def workflow_id(prefix: str, scope: Scope, run_id: str) -> str:
    """The id of a run's workflow: who names another scope's run names what is not there."""
    return f"{prefix}.{tenant_key(scope.tenant)}.{scope.key}.{run_id}"


def tenant_key(tenant: str) -> str:
    """A tenant without its name."""
    return hashlib.sha256(tenant.encode()).hexdigest()[:16]


def runs_queue(prefix: str) -> str:
    """Where runs are advanced."""
    return f"{prefix}-runs"


def agent_queue(prefix: str, agent: str) -> str:
    """Where an agent's calls are carried out."""
    return f"{prefix}-agent-{agent}"
