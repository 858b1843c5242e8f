"""What the tests of the sandbox share: where things are, small bounds, and the shapes of fixtures."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from astro_mcp.config import SandboxSettings
from astro_mcp.sandbox.job import Outcome
from astro_mcp.sandbox.sandbox import Sandbox

RESOURCES = Path(__file__).parents[2] / "resources/sandbox"
SMALL = SandboxSettings(memory_mb=128, workspace_mb=32, processes=32, output_bytes=100_000)

Make = Callable[..., Sandbox]
Python = Callable[..., Awaitable[Outcome]]
Containers = Callable[[], Awaitable[list[dict[str, Any]]]]
