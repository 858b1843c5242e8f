"""Ten minutes of coverage-guided fuzzing of both ends' parsers, and that it would find something."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

pytest.importorskip("atheris", reason="there is no build of atheris for this system")

SCRIPT = Path(__file__).with_name("fuzz_frames.py")
SOURCE = Path(__file__).parents[2] / "src"
LONG = 600


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where the fuzzer's own user gets in."""
    made = Path(tempfile.mkdtemp(prefix="fuzz-", dir="/tmp"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def begun(program: Sequence[str], target: str, folder: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *program, target, *options],
        env={**os.environ, "TMPDIR": str(folder), "PYTHONPATH": str(SOURCE)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )


@pytest.mark.full
@pytest.mark.timeout(LONG + 120)
def test_ten_minutes_of_hostile_streams_find_nothing_in_either_parser(folder: Path) -> None:
    targets = ("host", "supervisor")
    running = {target: begun((str(SCRIPT),), target, folder, f"-max_total_time={LONG}") for target in targets}
    for target, process in running.items():
        said = process.communicate()[0]
        assert process.returncode == 0, said[-3000:]
        runs = re.search(r"number_of_executed_units: (\d+)", said)
        assert runs is not None
        assert int(runs[1]) > 50_000, said[-1000:]
        print(target, runs[1], "streams")


@pytest.mark.full
@pytest.mark.parametrize(
    ("target", "place"), [("host", "astro_mcp.sandbox.answer.decode_json"), ("supervisor", "request._fields")]
)
def test_a_parser_that_raises_something_else_is_found_in_seconds(target: str, place: str, folder: Path) -> None:
    module, _, name = place.rpartition(".")
    broken = f"import json, sys, fuzz_frames; sys.modules[{module!r}].{name} = json.loads; fuzz_frames.main()"
    program = ("-c", f"import sys; sys.path.insert(0, {str(SCRIPT.parent)!r}); {broken}")
    process = begun(program, target, folder, "-max_total_time=60")
    said = process.communicate()[0]
    assert process.returncode not in (0, 1), said[-3000:]
    assert "Uncaught Python exception" in said
