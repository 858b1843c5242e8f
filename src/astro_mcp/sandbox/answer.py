"""A run's answer, put together from frames within the host's own bounds, whatever PID 1 was told to keep to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from astro_mcp.errors import LimitHit
from astro_mcp.sandbox.frames import (
    COLLECT_BYTES,
    COLLECT_FILES,
    BrokenProtocol,
    Frame,
    decode_file,
    decode_json,
)
from astro_mcp.sandbox.job import Outcome, SandboxFile, Traffic

STREAMS: Final = {b"o": "stdout", b"e": "stderr"}
KILLED: Final = 137
LIMITS: Final = frozenset({"timeout", "memory", "processes", "disk", "output", "files", "network"})


@dataclass(frozen=True, slots=True)
class End:
    """The exit frame, checked. `error` is set where the run could not be set up."""

    code: int
    limits: frozenset[str]
    withheld: tuple[str, ...]
    error: str
    over: bool
    built: bool


@dataclass(slots=True)
class Answer:
    """What came so far; still worth handing out where the end never comes."""

    output_bytes: int
    streams: dict[str, bytearray] = field(default_factory=lambda: {"stdout": bytearray(), "stderr": bytearray()})
    files: dict[str, SandboxFile] = field(default_factory=dict)
    limits: set[str] = field(default_factory=set)
    traffic: tuple[Traffic, ...] = ()
    end: End | None = None
    _bytes: int = 0

    def take(self, frame: Frame) -> tuple[str, bytes] | None:
        """Add one frame; output that is to be shown is returned. Raises `BrokenProtocol`."""
        if self.end is not None:
            raise BrokenProtocol(hint="a frame came after the end")
        if name := STREAMS.get(frame.kind):
            return self._output(name, frame.payload)
        if frame.kind == b"a":
            self._file(decode_file(frame.payload))
        elif frame.kind == b"x":
            self.end = _end(decode_json(frame.payload))
            self.limits |= self.end.limits
        else:
            raise BrokenProtocol(hint=f"a frame of kind {frame.kind!r} is out of turn")
        return None

    @property
    def over(self) -> bool:
        """Whether the program is gone."""
        return self.end is None or self.end.over

    def outcome(self, queued_ms: float, run_ms: float) -> Outcome:
        """What the job did. Without an end it was killed. Raises `LimitHit` where its files could not be put in."""
        end = self.end or End(KILLED, frozenset(), (), "", over=True, built=True)
        if end.error:
            raise LimitHit(f"the files could not be put into the sandbox: {end.error}", "pass fewer paths")
        return Outcome(
            exit_code=end.code,
            stdout=bytes(self.streams["stdout"]),
            stderr=bytes(self.streams["stderr"]),
            files=tuple(self.files.values()),
            limits_hit=tuple(sorted(self.limits)),
            queued_ms=queued_ms,
            run_ms=run_ms,
            withheld=end.withheld,
            over=end.over,
            built=end.built,
            egress=self.traffic,
        )

    def _output(self, name: str, data: bytes) -> tuple[str, bytes]:
        kept = self.streams[name]
        part = data[: self.output_bytes - len(kept)]
        if len(part) < len(data):
            self.limits.add("output")
        kept += part
        return name, part

    def _file(self, file: SandboxFile) -> None:
        self._bytes += len(file.data)
        if file.path in self.files or len(self.files) >= COLLECT_FILES or self._bytes > COLLECT_BYTES:
            raise BrokenProtocol(hint="more files than were asked for")
        self.files[file.path] = file


def _end(fields: dict[str, Any]) -> End:
    code, limits, withheld = fields.get("code"), fields.get("limits"), fields.get("withheld")
    if type(code) is not int or not 0 <= code <= 255 or not isinstance(limits, list) or not isinstance(withheld, list):
        raise BrokenProtocol(hint="the exit frame is not whole")
    known = frozenset(limit for limit in limits if isinstance(limit, str)) & LIMITS
    left_out = tuple(_text(path, 200) for path in withheld[:100])
    over, built = (fields.get(name) is not False for name in ("over", "built"))
    return End(code, known, left_out, _text(fields.get("error", ""), 400), over, built)


def _text(value: object, longest: int) -> str:
    """JSON may hold halves of surrogate pairs, which no encoder after this one takes."""
    return str(value)[:longest].encode("utf-8", "backslashreplace").decode()
