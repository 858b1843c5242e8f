"""The demo as a person runs it. Its three runs, two kills and every check of its own are in scripts/demo.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.full
@pytest.mark.timeout(600)
def test_the_demo_does_its_real_work_and_survives_its_kills() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "demo.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "not repeated" in done.stdout
    assert "lost" in done.stdout


def test_a_folder_that_is_no_repository_is_told_and_ends_with_1(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "demo.py"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 1
    assert "not done" in done.stdout
    assert "Traceback" not in done.stderr
