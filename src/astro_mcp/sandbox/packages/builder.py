"""The packages of a registry become an image: what the sandbox asks, and what each registry's own modules answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from astro_mcp.config import SandboxSettings
from astro_mcp.core.call import Progress
from astro_mcp.packs import Registry
from astro_mcp.sandbox.maker import Maker
from astro_mcp.sandbox.packages import npm_packages
from astro_mcp.sandbox.packages.order import Order
from astro_mcp.sandbox.packages.package_images import PackageImages
from astro_mcp.sandbox.packages.python_packages import PythonPackages
from astro_mcp.sandbox.packages.source_builds import SourceBuilds


class Builder:
    """`folder` is the data folder's `images/`; `program` is the pack's `build_wheel.py`."""

    def __init__(
        self,
        settings: SandboxSettings,
        folder: Path,
        maker: Maker,
        program: Path,
    ) -> None:
        self._images = PackageImages(settings, folder, maker)
        self._python = PythonPackages(self._images, SourceBuilds(settings, folder / "built", maker, program))

    async def image(
        self,
        registry: Registry,
        order: Order,
        facts: Mapping[str, str],
        requirements: Sequence[str],
        progress: Progress,
        before: Callable[[], object] | None,
    ) -> str:
        """The image of `order.base` with `requirements`; see `Sandbox.package_image`."""
        source = npm_packages.source(order.pins) if registry == "npm" else self._python.source(order)
        base, tenant = order.base, order.tenant
        return await self._images.get(order.engine, source, base, facts, tenant, requirements, progress, before)
