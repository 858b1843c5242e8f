"""Coverage-guided fuzzing of what parses the two ends of a container's stream: `fuzz_frames.py host|supervisor` and
libFuzzer's own options. Only a parser's own refusal may come out of it, and no more is kept than came.

    python tests/sandbox/fuzz_frames.py host -max_total_time=60
"""

from __future__ import annotations

import codecs
import json
import os
import shutil
import signal  # noqa: F401 - atheris loads it in the end, when this user may read no library any more
import struct
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

SUPERVISOR = Path(__file__).parents[2] / "resources/sandbox/image/supervisor"
sys.path.insert(0, str(SUPERVISOR))

with atheris.instrument_imports(include=["astro_mcp.sandbox", "frames", "request"]):
    import frames as inside  # the supervisor's own, by the name that it has in the image
    import request

    from astro_mcp.config import SandboxSettings
    from astro_mcp.errors import SandboxUnavailable
    from astro_mcp.sandbox import frames, hardening
    from astro_mcp.sandbox.answer import Answer
    from astro_mcp.sandbox.frames import BrokenProtocol, Demux, Parser, decode_json
    from astro_mcp.sandbox.job import safe_path

NOBODY = 65534
OUTPUT = 100
SETTINGS = SandboxSettings()
JOB = {
    "argv": ["python3", "s.py"],
    "build": [],
    "script": True,
    "session": False,
    "env": {"A": "b"},
    "timeout": 1,
    "output_bytes": 9,
    "collect": "out",
    "collect_files": 1,
    "collect_bytes": 1,
    "egress": None,
}


def host(data: bytes) -> None:
    """What the host does with whatever comes off the attached socket, in pieces: the first frame's facts are compared,
    the rest becomes an answer."""
    demux, parser, answer = Demux(), Parser(), Answer(OUTPUT)
    step, came = (data[0] or 1, 0) if data else (1, 0)
    try:
        for at in range(1, len(data), step):
            piece = data[at : at + step]
            came += len(piece)
            for frame in parser.feed(demux.feed(piece)):
                if frame.kind == b"R":
                    compare(frame.payload)
                else:
                    answer.take(frame)
            kept = len(demux._buffer) + len(parser._buffer) + len(demux.complaint)
            assert kept <= came, f"{kept} bytes kept of {came}"
    except BrokenProtocol:
        pass
    assert all(len(stream) <= OUTPUT for stream in answer.streams.values())
    assert all(safe_path(path) for path in answer.files)
    assert sum(len(file.data) for file in answer.files.values()) <= came
    texts = [] if answer.end is None else [answer.end.error, *answer.end.withheld]
    for text in (*answer.files, *texts):
        text.encode()  # what is handed on can be sent on


def compare(payload: bytes) -> None:
    try:
        hardening.check(decode_json(payload), SETTINGS)
    except SandboxUnavailable as error:
        error.message.encode()


def supervisor(workspace: Path) -> Callable[[bytes], None]:
    """What PID 1 does with whatever comes on its standard input. Every file stays below the workspace."""
    request.WORKSPACE = str(workspace)
    stream = os.memfd_create("stdin")
    os.dup2(stream, 0)

    def once(data: bytes) -> None:
        os.ftruncate(stream, 0)
        os.pwrite(stream, data, 0)
        os.lseek(stream, 0, os.SEEK_SET)
        workspace.mkdir(exist_ok=True)
        try:
            job = request.receive()
        except inside.Broken:
            job = None
        if job is not None:
            assert len(job.stdin) <= len(data)
            job.error.encode("utf-8", "surrogatepass")
        assert os.listdir(workspace.parent) == [workspace.name]
        if os.listdir(workspace):
            written = sum(path.lstat().st_size for path in workspace.rglob("*") if path.is_file())
            assert written <= len(data)
            shutil.rmtree(workspace)

    return once


def seeds(folder: Path, target: str) -> None:
    """Whole streams to begin with: what no mutation would find by itself."""
    file = struct.pack(">HB", 3, 1) + b"a/bdata"
    if target == "supervisor":
        job = frames.encode(b"J", json.dumps(JOB).encode())
        streams = [job + frames.encode(b"F", file) + frames.encode(b"I", b"in") + frames.encode(b"G"), job]
    else:
        end = {"code": 1, "limits": ["memory"], "withheld": ["x"], "error": "", "over": True, "built": True}
        inner = [frames.encode(b"o", b"out"), frames.encode(b"a", file), frames.encode(b"x", json.dumps(end).encode())]
        facts = frames.encode(b"R", json.dumps({"uid": [65532] * 6, "mounts": {}, "limits": {}}).encode())
        streams = [b"\x40" + muxed(1, facts) + b"".join(muxed(1, part) for part in inner), b"\x05" + muxed(2, b"oh")]
    for number, stream in enumerate(streams):
        (folder / f"seed-{number}").write_bytes(stream)


def muxed(stream: int, data: bytes) -> bytes:
    return struct.pack(">B3xI", stream, len(data)) + data


def main() -> None:
    target, *options = sys.argv[1:]
    folder = Path(tempfile.mkdtemp(prefix=f"fuzz-{target}-"))
    corpus, work = folder / "corpus", folder / "work"
    for made in (corpus, work):
        made.mkdir()
    seeds(corpus, target)
    for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"):
        codecs.lookup(encoding)  # as with signal: json finds out which of them it was given
    if os.geteuid() == 0:  # names are hostile: whoever writes them may write nowhere else
        for made in (folder, corpus, work):
            os.chown(made, NOBODY, NOBODY)
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    os.chdir(corpus)
    one = host if target == "host" else supervisor(work / "workspace")
    bounds = ["-rss_limit_mb=1024", "-timeout=10", "-max_len=8192", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *bounds, *options, f"-artifact_prefix={folder}/", str(corpus)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
