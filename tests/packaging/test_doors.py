"""Every door of scripts/ makes the checkout ready before it does anything else."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.mark.parametrize("line", [["demo"], ["test"], ["check"], ["check", "--fix"], ["bench", "start"]])
def test_where_setup_fails_a_script_does_nothing_and_ends_as_setup_did(tmp_path: Path, line: list[str]) -> None:
    for folder in ("scripts", ".venv/bin", "benchmarks"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(SCRIPTS / line[0], tmp_path / "scripts")
    (tmp_path / "benchmarks" / "start.py").touch()
    told = tmp_path / "told"
    for name, status in (("scripts/setup", 7), *((f".venv/bin/{name}", 0) for name in ("python", "ruff", "mypy"))):
        (tmp_path / name).write_text(f"#!/bin/bash\necho {name} >>'{told}'\nexit {status}\n")
        (tmp_path / name).chmod(0o755)
    command = [str(tmp_path / "scripts" / line[0]), *line[1:]]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (7, "", "")
    assert told.read_text() == "scripts/setup\n"
