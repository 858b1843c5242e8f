"""Every error a caller can see, as one tree.

AstroError
├── InvalidInput        the caller can correct the arguments
│   ├── Ambiguous       an edit or a name fits several places
│   └── TooLarge        over a stated bound
├── NotFound            missing or foreign: the same answer for both
├── Denied              refused by a guard or a grant
│   ├── NoRoot · PathDenied · ProtectedPath
│   ├── Unauthorized · Forbidden
│   └── ApprovalRequired
├── Conflict            the world moved: stale digest, name taken
├── Unsupported         not possible here, now or ever
├── Exhausted           a limit, a queue or a clock ran out
│   ├── LimitHit · TimedOut · Busy · RateLimited · ExpressionLimit
├── Unavailable         a part of the machine is missing
│   ├── SandboxUnavailable
│   └── ProviderFailed
├── Cancelled · Rejected · Lost
└── Internal            a defect of ours; details go to the log, never to the caller

The class docstring is the default message.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final, NamedTuple


class Mapping(NamedTuple):
    """How one code reads at each door: HTTP status, JSON-RPC code, CLI exit status."""

    http: int
    jsonrpc: int
    exit: int


CODES: Final[dict[str, Mapping]] = {
    "invalid_input": Mapping(422, -32602, 1),
    "not_found": Mapping(404, -32602, 1),
    "no_root": Mapping(409, -32003, 1),
    "path_denied": Mapping(403, -32003, 1),
    "protected_path": Mapping(403, -32003, 1),
    "conflict": Mapping(409, -32009, 1),
    "ambiguous": Mapping(422, -32602, 1),
    "too_large": Mapping(413, -32602, 1),
    "unsupported": Mapping(501, -32601, 1),
    "sandbox_unavailable": Mapping(503, -32004, 3),
    "limit_hit": Mapping(429, -32005, 1),
    "timeout": Mapping(504, -32006, 1),
    "cancelled": Mapping(499, -32800, 130),
    "busy": Mapping(503, -32005, 3),
    "rate_limited": Mapping(429, -32005, 1),
    "unauthorized": Mapping(401, -32001, 1),
    "forbidden": Mapping(403, -32003, 1),
    "approval_required": Mapping(403, -32007, 1),
    "provider_failed": Mapping(502, -32004, 1),
    "unavailable": Mapping(503, -32004, 3),
    "expression_limit": Mapping(422, -32602, 1),
    "rejected": Mapping(409, -32008, 1),
    "lost": Mapping(409, -32010, 1),
    "internal": Mapping(500, -32603, 1),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a larger input: where, why, and the corrected fragment if there is one."""

    path: str
    reason: str
    suggestion: str = ""

    def as_dict(self) -> dict[str, str]:
        return {"path": self.path, "reason": self.reason, "suggestion": self.suggestion}


class AstroError(Exception):
    """The call failed."""

    code: ClassVar[str] = "internal"
    default_retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str = "",
        hint: str = "",
        *,
        retryable: bool | None = None,
        retry_after_ms: int | None = None,
        problems: tuple[Problem, ...] = (),
    ) -> None:
        self.message = message or (type(self).__doc__ or "").strip()
        self.hint = hint
        self.retryable = self.default_retryable if retryable is None else retryable
        self.retry_after_ms = retry_after_ms
        self.problems = problems
        super().__init__(self.message)

    def as_dict(self) -> dict[str, Any]:
        """The stable JSON form, the same in MCP, HTTP and CLI."""
        body: dict[str, Any] = {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "retryable": self.retryable,
        }
        if self.retry_after_ms is not None:
            body["retry_after_ms"] = self.retry_after_ms
        if self.problems:
            body["problems"] = [problem.as_dict() for problem in self.problems]
        return body

    def text(self) -> str:
        """The form for a model or a person: one line, then hint and problems."""
        lines = [f"{self.code}: {self.message}"]
        if self.hint:
            lines.append(f"hint: {self.hint}")
        for problem in self.problems:
            fix = f"  (use: {problem.suggestion})" if problem.suggestion else ""
            lines.append(f"- {problem.path}: {problem.reason}{fix}")
        return "\n".join(lines)


class InvalidInput(AstroError):
    """The arguments are not valid."""

    code = "invalid_input"


class Ambiguous(InvalidInput):
    """The request fits more than one place."""

    code = "ambiguous"


class TooLarge(InvalidInput):
    """The input is larger than its bound."""

    code = "too_large"


class NotFound(AstroError):
    """There is no such thing here."""

    code = "not_found"


class Denied(AstroError):
    """This is not allowed."""

    code = "forbidden"


class NoRoot(Denied):
    """This session has no usable workspace root."""

    code = "no_root"


class PathDenied(Denied):
    """The path is outside of the workspace roots."""

    code = "path_denied"


class ProtectedPath(Denied):
    """The path is protected."""

    code = "protected_path"


class Unauthorized(Denied):
    """The caller is not known."""

    code = "unauthorized"


class Forbidden(Denied):
    """The caller's grant does not cover this."""


class ApprovalRequired(Denied):
    """This needs an approval first."""

    code = "approval_required"


class Conflict(AstroError):
    """The state changed meanwhile."""

    code = "conflict"


class Unsupported(AstroError):
    """This is not supported here."""

    code = "unsupported"


class Exhausted(AstroError):
    """A limit was reached."""

    code = "limit_hit"


class LimitHit(Exhausted):
    """A limit was reached."""


class TimedOut(Exhausted):
    """The deadline passed."""

    code = "timeout"
    default_retryable = True


class Busy(Exhausted):
    """The queue is full; try again later."""

    code = "busy"
    default_retryable = True


class RateLimited(Exhausted):
    """Too many requests; try again later."""

    code = "rate_limited"
    default_retryable = True


class ExpressionLimit(Exhausted):
    """The expression goes beyond its bounds."""

    code = "expression_limit"


class Unavailable(AstroError):
    """A needed part is not available."""

    code = "unavailable"
    default_retryable = True


class SandboxUnavailable(Unavailable):
    """The sandbox is not available on this machine."""

    code = "sandbox_unavailable"
    default_retryable = False


class ProviderFailed(Unavailable):
    """An outside provider failed."""

    code = "provider_failed"


class Cancelled(AstroError):
    """The call was cancelled."""

    code = "cancelled"


class Rejected(AstroError):
    """The gate was rejected."""

    code = "rejected"


class Lost(AstroError):
    """The process died during this step; whether its effect happened is not known."""

    code = "lost"


class Internal(AstroError):
    """An internal error; the daemon's log has the details."""
