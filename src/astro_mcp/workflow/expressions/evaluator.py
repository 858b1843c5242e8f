"""CEL from the parent's side: a child that is killed and replaced where an expression goes beyond its bounds."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any, Final

from astro_mcp.errors import ExpressionLimit, InvalidInput, Unavailable

WALL_SECONDS: Final = 10.0
_LIMITS: Final = ("Iteration budget", "recursion limit", "recursion depth", "budget:", "RESOURCE_EXHAUSTED")


class Evaluator:
    """Blocking, and safe to share: call it from a thread, never on the event loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None

    def evaluate(self, source: str, data: Mapping[str, Any]) -> Any:
        """The value of `source` over `data`; raises `InvalidInput` or `ExpressionLimit`."""
        return self._ask(source, {"source": source, "data": data})["value"]

    def check(self, source: str) -> str:
        """The static type of `source`; raises as `evaluate` does."""
        return str(self._ask(source, {"source": source})["type"])

    def close(self) -> None:
        """End the child and reap it."""
        with self._lock:
            self._end()

    def _ask(self, source: str, request: Mapping[str, Any]) -> dict[str, Any]:
        try:
            line = json.dumps(request, allow_nan=False).encode()
        except (RecursionError, TypeError, ValueError) as error:
            raise InvalidInput(f"the expression is given what is no JSON: {str(error)[:120]}") from None
        with self._lock:
            try:
                answer = self._exchange(line + b"\n")
            except OSError as error:
                self._end()  # or the next expression would be given this one's answer
                raise Unavailable(f"expressions can't be evaluated now: {error}") from None
        if answer is None:
            raise ExpressionLimit(
                f"the expression takes too much time or memory: {source[:80]}",
                "compute it in a step of its own, with code_run",
            )
        if "error" in answer:
            raise _failure(source, str(answer["error"]))
        return answer

    def _exchange(self, line: bytes) -> dict[str, Any] | None:
        """One line there and one back; None where the child died of it."""
        child = self._child if self._child and self._child.poll() is None else self._start()
        if child.stdin is None or child.stdout is None:
            raise Unavailable("the expression process has no pipes")
        try:
            child.stdin.write(line)
            child.stdin.flush()
            body = _line(child.stdout.fileno(), time.monotonic() + WALL_SECONDS)
        except BrokenPipeError:
            body = b""
        if body:
            found: dict[str, Any] = json.loads(body)
            return found
        self._end()
        self._start()
        return None

    def _start(self) -> subprocess.Popen[bytes]:
        self._end()
        self._child = subprocess.Popen(
            [sys.executable, "-I", "-m", "astro_mcp.workflow.expressions.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            start_new_session=True,
        )
        return self._child

    def _end(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None


def _line(descriptor: int, deadline: float) -> bytes:
    """Everything up to the line's end; empty where the other side closed or the deadline passed."""
    body = bytearray()
    while not body.endswith(b"\n"):
        ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        chunk = os.read(descriptor, 1 << 16) if ready else b""
        if not chunk:
            return b""
        body += chunk
    return bytes(body)


def _failure(source: str, message: str) -> Exception:
    if any(mark in message for mark in _LIMITS):
        return ExpressionLimit(f"the expression goes beyond its bounds: {source[:80]}", _first(message))
    return InvalidInput(f"{_first(message)}: in the expression {source[:200]}")


def _first(message: str) -> str:
    """The library's first line, without its codes and the picture of the source."""
    line = message.strip().splitlines()[0] if message.strip() else "the expression failed"
    for prefix in ("INVALID_ARGUMENT: ", "OUT_OF_RANGE: ", "UNKNOWN: ", "NOT_FOUND: ", "INTERNAL: ", "ERROR: "):
        line = line.removeprefix(prefix)
    return line.split(">:", 1)[-1].split(": ", 1)[-1].strip() if line.startswith("<input") else line
