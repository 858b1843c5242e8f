"""A child of its own that outlives its owner by a moment, and removes the containers which that one left.

Running containers end by themselves when their owner goes. One that was made and not yet started would stay: nobody is
inside. Standard library alone, as a script: `warden_child.py ENGINE LABEL...`, where ENGINE is a socket's path or
host:port. It waits for the end of its standard input, which is the end of its owner.
"""

import json
import os
import socket
import sys
import time
from http.client import HTTPConnection, HTTPException
from urllib.parse import quote

CALM_SECONDS = 2.0
"""How long nothing may be found: the engine may still be making what the owner asked for with its last breath."""
PATIENCE_SECONDS = 30.0
ANSWER_SECONDS = 10.0


class Engine(HTTPConnection):
    """The Docker Engine's API over its socket."""

    def connect(self) -> None:
        if not self.host.startswith("/"):
            super().connect()
            return
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(ANSWER_SECONDS)
        self.sock.connect(self.host)


def ask(engine: str, method: str, path: str) -> bytes:
    host, _, port = engine.rpartition(":") if not engine.startswith("/") else (engine, "", "")
    link = Engine(host, int(port or 80), timeout=ANSWER_SECONDS)
    try:
        link.request(method, path, headers={"Host": "engine"})
        return link.getresponse().read()
    finally:
        link.close()


def sweep(engine: str, labels: list[str]) -> None:
    """Remove what has every one of `labels`, until none was found for a while."""
    filters = quote(json.dumps({"label": labels}))
    now = time.monotonic()
    until, calm = now + PATIENCE_SECONDS, now + CALM_SECONDS
    while time.monotonic() < min(until, calm):
        try:
            found = json.loads(ask(engine, "GET", f"/containers/json?all=1&filters={filters}"))
            for row in found:
                ask(engine, "DELETE", f"/containers/{row['Id']}?force=1&v=1")
        except (OSError, ValueError, HTTPException):
            found = []  # an engine that is gone holds nothing
        if found:
            calm = time.monotonic() + CALM_SECONDS
        time.sleep(0.1)


if __name__ == "__main__":
    while os.read(0, 1024):
        pass
    sweep(sys.argv[1], sys.argv[2:])
