"""Packages of Python: wheels that pip finds, after what has none, and may be built, was built in the sandbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import anyio.to_thread

from astro_mcp.core.call import Progress
from astro_mcp.errors import InvalidInput, LimitHit
from astro_mcp.sandbox.packages import wheels
from astro_mcp.sandbox.packages.order import NO_PINS, Order
from astro_mcp.sandbox.packages.package_images import PackageImages
from astro_mcp.sandbox.packages.requirements import canonical
from astro_mcp.sandbox.packages.source import Fetched, Source
from astro_mcp.sandbox.packages.source_builds import SourceBuilds

MOST_BUILDS: Final = 20
"""Sources that one image may have built, versions that pip tried and left again among them."""


class PythonPackages:
    """`images` makes the images that builds need."""

    def __init__(self, images: PackageImages, builds: SourceBuilds) -> None:
        self._images = images
        self._builds = builds

    def source(self, order: Order) -> Source:
        """What fetches for `order`; images of other approvals or pins are others."""
        hashes = order.pins.hashes
        pinned = sorted(f"{name} {' '.join(sorted(hashes[name]))}" for name in hashes)
        key = (" ".join(sorted(order.approved)), *pinned)
        fetch = partial(self._fetch, order)
        return Source("python", canonical, fetch, "/opt/astro/install.py", "/opt/site/.incoming", key)

    async def _fetch(
        self,
        order: Order,
        requirements: Sequence[str],
        python: Mapping[str, str],
        folder: Path,
        seconds: float,
        progress: Progress,
    ) -> Fetched:
        """pip resolves all of them together, and names one source at a time that it can't do without."""
        place = wheels.Place(folder)
        await anyio.to_thread.run_sync(place.make)
        built: set[str] = set()
        while not isinstance(
            found := await wheels.fetch(requirements, python, order.approved, place, seconds, progress), tuple
        ):
            if found.sha256 in built:
                reason = found.discarded or "it is made for another Python or machine"
                raise InvalidInput(f"the wheel that {found} was built into does not fit: {reason}")
            if len(built) == MOST_BUILDS:
                raise LimitHit(f"more than {MOST_BUILDS} packages would have to be built", "ask for fewer packages")
            built.add(found.sha256)
            _check_hash(order, found)
            inner = replace(order, approved=order.approved - {found.name}, pins=NO_PINS)
            image = partial(self._image, inner, python, progress)
            await self._builds.build(order, found, image, place.built, progress)
        for wheel in found:
            if not (place.built / wheel.path.name).exists():  # a source's hash was checked before it was built
                _check_hash(order, wheel)
        return Fetched(tuple(map(str, found)), {wheel.path.name: wheel.path for wheel in found})

    async def _image(
        self, order: Order, python: Mapping[str, str], progress: Progress, requirements: Sequence[str]
    ) -> str:
        if not requirements:
            return order.base
        source = self.source(order)
        return await self._images.get(order.engine, source, order.base, python, order.tenant, requirements, progress)


def _check_hash(order: Order, found: wheels.Wheel | wheels.Sdist) -> None:
    if found.sha256 not in order.pins.hashes.get(found.name, {found.sha256}):
        raise InvalidInput(
            f"{found.name} {found.version} is not what is pinned: its sha256 is {found.sha256}",
            "nothing of it ran; lock the project anew where that is right",
        )
