"""A project, and a call path over it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.agents.files.house import House, open_house


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = (tmp_path / "project").resolve()
    folder.mkdir()
    return folder


@pytest.fixture
async def house(tmp_path: Path, root: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path / "data", [root]) as opened:
        yield opened


@pytest.fixture
def tree(root: Path) -> dict[str, bytes]:
    """A small project."""
    files = {
        "README.md": b"# Project\n\nHello, world.\n",
        "src/app.py": b"import os\n\n\ndef main():\n    return 1\n\n\ndef other():\n    return 1\n",
        "src/deep/er/x.txt": b"needle in the deep\n",
        ".gitignore": b"*.log\nbuild/\n",
        "noise.log": b"needle\n",
        "build/out.js": b"needle\n",
        "docs/windows.txt": b"one\r\ntwo\r\nthree\r\n",
    }
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return files
