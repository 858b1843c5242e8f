"""Ten thousand schedules: random documents, each in many orders of events."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = 100
"""Of each child, side by side and not traced for coverage: that takes three times as long."""
SECONDS = 100.0


def test_ten_thousand_orders_of_events_end_with_one_result_a_document() -> None:
    environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    children = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.workflow.orders", str(first), str(DOCUMENTS)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for first in (0, DOCUMENTS)
    ]
    try:
        told = [child.communicate(timeout=SECONDS) for child in children]
    finally:
        for child in children:
            child.kill()
            child.wait()
    assert [child.returncode for child in children] == [0, 0], told
    assert sum(int(out) for out, _ in told) == 10_000
