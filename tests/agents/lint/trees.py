"""Real source trees for linters: source distributions of PyPI by digest, a package of npm, and our own scripts."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from demo_target import fetch, unpack

REPOSITORY = Path(__file__).parents[3]
PIP_TOOLS = ("pip_tools", "7.5.1", "a051a94794ba52df9acad2d7c9b0b09ae001617db458a543f8287fea7b89c2cf")
WSPROTO = ("wsproto", "1.2.0", "ad565f26ecb92588a3e43bc3d96164de84cd9902482b130d0ddbaa9664a85065")
BLACK = ("black", "25.9.0", "0474bca9a0dd1b51791fcc507a4e02078a1c63f6d4e4ae5544b9848c7adfb619")
EXPRESS = "express@5.1.0"


def sdist(pinned: tuple[str, str, str], folder: Path, cache: Path) -> None:
    """The distribution's files in `folder`."""
    unpacked = unpack(fetch(*pinned, cache), folder.parent / f"{pinned[0]}-unpacked")
    shutil.move(unpacked, folder)


def npm_package(folder: Path, cache: Path) -> None:
    """A package's files in `folder`; nothing of it runs."""
    cache.mkdir(parents=True, exist_ok=True)
    found = list(cache.glob("express-*.tgz"))
    if not found:
        argv = ["npm", "pack", "--silent", "--ignore-scripts", EXPRESS]
        subprocess.run(argv, cwd=cache, check=True, timeout=60, stdout=sys.stderr)
        found = list(cache.glob("express-*.tgz"))
    with tarfile.open(found[0]) as tar:
        tar.extractall(folder.parent / "express-unpacked", filter="data")
    shutil.move(folder.parent / "express-unpacked/package", folder)


def own_scripts(folder: Path) -> None:
    """Shell of this repository: what makes the sandbox's image, with two findings of our own."""
    shutil.copytree(REPOSITORY / "resources/sandbox/image", folder)
    (folder / "odd.sh").write_text('#!/bin/sh\ncd $1\nfor f in $(ls); do echo "$f" ; done\n')
