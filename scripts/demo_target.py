"""Fetches the demo's target: one source distribution, by name, version and sha256, without running anything of it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from urllib.parse import urljoin

import httpx

JSON = "application/vnd.pypi.simple.v1+json"


def fetch(name: str, version: str, sha256: str, cache: Path) -> Path:
    """The distribution's file, from the cache or from the index that pip is configured for. Exits where its digest is
    another."""
    kept = cache / f"{name}-{version}.tar.gz"
    if not kept.exists() or digest(kept) != sha256:
        cache.mkdir(parents=True, exist_ok=True)
        with httpx.Client(timeout=60, follow_redirects=True) as client:
            page = client.get(urljoin(index(), f"{name}/"), headers={"Accept": JSON}).raise_for_status()
            files = {file["filename"]: file for file in page.json()["files"]}
            url = urljoin(str(page.url), files[f"{name}-{version}.tar.gz"]["url"])
            kept.write_bytes(client.get(url).raise_for_status().content)
    if digest(kept) != sha256:
        kept.unlink()
        sys.exit(f"{kept.name} is not the file that was pinned: its sha256 is another")
    return kept


def unpack(archive: Path, target: Path) -> Path:
    """The distribution's one folder, below `target`."""
    with tarfile.open(archive) as tar:
        tar.extractall(target, filter="data")
    (folder,) = [path for path in target.iterdir() if path.is_dir()]
    return folder


def index() -> str:
    """The index that this machine's pip uses."""
    asked = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    said = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    configured = os.environ.get("PIP_INDEX_URL") or said
    if configured:
        return configured.rstrip("/") + "/"
    from pip._internal.models.index import PyPI

    return PyPI.simple_url.rstrip("/") + "/"


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
