"""PID 1 of one run: says what holds here, takes one request, runs it, streams what it says, hands back its files, ends.

Runs as `python3 -I -S`, so nothing that a package or a project brought is imported into this process.
"""

import sys

import facts
import frames
import jail
import request
import run


def main() -> int:
    jail.hide()
    frames.send(b"R", frames.json_bytes(facts.gather()))
    job = request.receive()
    if job is None:
        return 0
    frames.send(b"x", frames.json_bytes(run.carry_out(job)))
    return 0


sys.exit(main())
