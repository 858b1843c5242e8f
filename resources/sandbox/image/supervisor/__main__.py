"""PID 1 of one run: starts its program, says what holds here, takes one request, streams what is said, hands back files.

Runs as `python3 -I -S`, so nothing that a package or a project brought is imported into this process.
"""

import sys

import facts
import frames
import jail
import program
import request
import run


def main() -> int:
    jail.hide()
    waiting = program.Program(request.WORKSPACE)
    frames.send(b"R", frames.json_bytes(facts.gather()))
    job = request.receive()
    if job is None:
        return 0
    frames.send(b"x", frames.json_bytes(run.carry_out(job, waiting)))
    return 0


sys.exit(main())
