"""Without a network the web says so, and knowledge goes on: words, meaning, notes and all."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHILD = Path(__file__).with_name("unplugged_child.py")
UNPLUGGED = ["unshare", "--map-root-user", "--net"]


def can_unplug() -> bool:
    if shutil.which(UNPLUGGED[0]) is None:
        return False
    return subprocess.run([*UNPLUGGED, "true"], capture_output=True, timeout=10, check=False).returncode == 0


@pytest.mark.full
@pytest.mark.skipif(not can_unplug(), reason="this machine lets nobody make a network namespace")
def test_with_the_network_unplugged_the_search_says_so_and_everything_else_goes_on(
    tmp_path: Path, project: Path
) -> None:
    argv = [*UNPLUGGED, sys.executable, str(CHILD), str(tmp_path / "data"), str(project)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["search"], "the search says that nobody could be asked"
    assert seen["fetch"] == "provider_failed"
    assert seen["indexed"] == [4, 0, ["https://example.com/"]]
    assert seen["meaning"] == ["src/accounts.py", ""]
    assert seen["kept"] == [1, 1, 1]
