"""PID 1 of one run or session: starts its program, says what holds here, takes a request, streams, hands back files.

Runs as `python3 -I -S`, so nothing that a package or a project brought is imported into this process.
"""

from __future__ import annotations

import sys

import facts
import frames
import jail
import program
import request
import run

TYPE_CHECKING = False  # importing typing would cost every run 5 ms
if TYPE_CHECKING:
    from relay import Relay


def main() -> int:
    jail.hide()
    waiting = program.Program(request.WORKSPACE)
    way_out: Relay | None = None
    found = facts.gather()
    if not waiting.up():
        return 0
    frames.send(b"R", frames.json_bytes(found))
    while True:
        job = request.receive()
        if job is None:
            return 0
        if job.egress:
            import relay  # noqa: PLC0415 - no other run needs it

            way_out = way_out or relay.Relay(job.egress)
            job.env = {**way_out.environment(), **job.env}
        end = run.carry_out(job, waiting, way_out if job.egress else None)
        frames.send(b"x", frames.json_bytes(end))
        if end["over"]:
            frames.wait_for_end()
            return 0


sys.exit(main())
