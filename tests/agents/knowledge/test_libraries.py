"""The heavy libraries are loaded by one thread at a time: two at once can leave numpy half loaded for good."""

from __future__ import annotations

import subprocess
import sys

import pytest

CHILD = """
import sys, tempfile, threading, time
from pathlib import Path

FAMILIES = ("numpy", "onnxruntime", "tokenizers", "chromadb")
seen = []

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in FAMILIES:
            seen.append(threading.current_thread().name)
            time.sleep(0.002)  # the other thread gets its chance

sys.meta_path.insert(0, Watch())
from astro_mcp.agents.knowledge.embedding import MODEL, _Model
from astro_mcp.agents.knowledge.index import opened
from astro_mcp.packs import Pack

together = threading.Barrier(2)
done = []

def embed():
    together.wait()
    done.append(_Model(Pack.find().resources / "models" / MODEL).vector("a text").shape)

def index():
    together.wait()
    done.append(opened(Path(tempfile.mkdtemp())).close())

threads = [threading.Thread(target=work, name=work.__name__) for work in (embed, index)]
for thread in threads: thread.start()
for thread in threads: thread.join()
turns = [name for name, before in zip(seen, [None, *seen]) if name != before]
print(len(done), turns)
"""


@pytest.mark.full
def test_threads_that_need_them_at_once_load_them_one_after_the_other() -> None:
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    count, turns = done.stdout.split(" ", 1)
    assert count == "2", done.stderr
    # A library may load parts of its own later; while the heavy ones come, threads do not take turns.
    assert len(turns.split(",")) <= 6, turns
