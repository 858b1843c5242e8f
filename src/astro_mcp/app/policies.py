"""The policies of every call, in their order, and their bounds."""

from __future__ import annotations

from astro_mcp.agents.code.agent import CodeAgent
from astro_mcp.agents.lint.agent import LintAgent
from astro_mcp.agents.tests.agent import TestsAgent
from astro_mcp.config import Settings
from astro_mcp.core.dispatcher import Dispatcher
from astro_mcp.core.policies.audit import Audit
from astro_mcp.core.policies.authorize import Authorize
from astro_mcp.core.policies.deadline import Deadline
from astro_mcp.core.policies.flow import Flow
from astro_mcp.core.policies.limit import Limit, Limits
from astro_mcp.core.ports import SystemClock
from astro_mcp.core.registry import Registry
from astro_mcp.store.audit import AuditTrail
from astro_mcp.workflow.agent import WorkflowAgent


def dispatching(registry: Registry, trail: AuditTrail, settings: Settings) -> Dispatcher:
    """The policies in their order: who, what may leave, how many, how long, and the intent right before the effect."""
    clock = SystemClock()
    audit, flow = Audit(trail, clock), Flow(clock, strict=settings.flow == "strict")
    limit = Limit(limits(settings), exempt=frozenset({WorkflowAgent.name}))
    authorize = Authorize(folder.resolve() for folder in settings.roots.ceiling)
    return Dispatcher(
        registry, [audit, authorize, flow, limit, Deadline(), audit.intent()], audit, settings.limits.argument_bytes
    )


def limits(settings: Settings) -> Limits:
    """The limit policy's bounds, from the settings."""
    bounds = settings.limits
    return Limits(
        total=bounds.calls,
        by_agent=bounds.calls_per_agent,
        by_scope=bounds.calls_per_session,
        wait=bounds.wait_seconds,
        agents=dict.fromkeys((CodeAgent.name, TestsAgent.name, LintAgent.name), bounds.sandboxes),
    )
