"""`kept.py stdout|both FILE PROGRAM ...`: runs PROGRAM, and keeps in FILE what it prints on stdout, or on both its
streams in the order in which it comes. It is printed on stdout as well, for whoever watches.

Runs inside the sandbox, where each stream that leaves it is cut at a bound, and a report must be whole.
"""

from __future__ import annotations

import os
import subprocess
import sys

PIECE = 1 << 16


def main(streams: str, path: str, *argv: str) -> int:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    both = subprocess.STDOUT if streams == "both" else None
    with open(path, "wb", buffering=0) as kept:
        program = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=both)  # noqa: S603 - it is the sandbox's run
        assert program.stdout is not None
        while piece := os.read(program.stdout.fileno(), PIECE):
            kept.write(piece)
            sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
        code = program.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except OSError as error:
        sys.exit(f"{sys.argv[3]} can't be run: {error.strerror}")
