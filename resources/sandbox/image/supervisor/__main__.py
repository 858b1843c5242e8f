"""PID 1 of one run or session: starts its program, says what holds here, takes a request, streams, hands back files.

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
    while True:
        job = request.receive()
        if job is None:
            return 0
        end = run.carry_out(job, waiting)
        frames.send(b"x", frames.json_bytes(end))
        if end["over"]:
            return 0


sys.exit(main())
