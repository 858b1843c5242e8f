"""The child that evaluates CEL: one JSON line in, one JSON line out.

CEL bounds its iterations and its parse depth, and its expressions still can double a string twenty times or compare
long texts a million times, inside one call that holds the interpreter. So it lives in a process of its own: processor
time is bounded by a timer that ends the process, memory by a resource limit, and a crash is the child's alone.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from astro_mcp.workflow.expressions import functions
from astro_mcp.workflow.expressions.prepare import ROOTS, STATUS

CPU_SECONDS: Final = 0.07
"""An expression at the bounds of data and iterations takes about 0.04 on a slow core."""
MEMORY: Final = 1024**3
RESULT_BYTES: Final = 1024**2
SHRUNK: Final = 64
"""`_v0` … are this many: more than 1,024 bytes of source can name."""


def main() -> None:
    """Answer until stdin ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    environment = _environment()

    @lru_cache(maxsize=256)
    def compiled(source: str) -> Any:
        return environment.compile(source)

    for line in sys.stdin.buffer:
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
        answer = _answer(compiled, line)
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.stdout.buffer.write(answer + b"\n")
        sys.stdout.buffer.flush()


def _answer(compiled: Callable[[str], Any], line: bytes) -> bytes:
    try:
        request = json.loads(line)
        expression = compiled(request["source"])
        if "data" not in request:
            return json.dumps({"type": expression.return_type().name()}).encode()
        value = expression.eval(data=request["data"])
        if value.type().name() == "ERROR":
            return _error(str(value.plain_value()))
        answer = json.dumps({"value": _plain(value.plain_value())}, allow_nan=False).encode()
    except Exception as error:  # noqa: BLE001 - whatever the library raises is an answer, and the parent judges it
        return _error(str(error))
    return answer if len(answer) <= RESULT_BYTES else _error(f"budget: the result is over {RESULT_BYTES} bytes")


def _error(message: str) -> bytes:
    return json.dumps({"error": message[:2000]}).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(value[key]) for key in sorted(value, key=str)}  # the library's order is a hash's
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ValueError(f"a result is JSON, and this is {type(value).__name__.lower()}")


def _environment() -> Any:
    from cel_expr_python import cel  # noqa: PLC0415 - the child alone pays for it

    t = cel.Type
    every = [t.LIST, t.STRING, t.INT, t.DOUBLE, t.BOOL, t.MAP, t.NULL]
    declared: list[tuple[str, Callable[..., Any], list[list[Any]], Any]] = [
        ("join", functions.join, [[t.LIST, t.STRING], [t.LIST]], t.STRING),
        ("split", functions.split, [[t.STRING, t.STRING]], t.DYN),
        ("replace", functions.replace, [[t.STRING, t.STRING, t.STRING]], t.STRING),
        ("format", functions.form, [[t.STRING, kind] for kind in every], t.STRING),
        ("distinct", functions.distinct, [[t.LIST]], t.DYN),
        ("flatten", functions.flatten, [[t.LIST]], t.DYN),
        ("sort_by", functions.sort_by, [[t.LIST, t.STRING]], t.DYN),
        ("group_by", functions.group_by, [[t.LIST, t.STRING]], t.DYN),
        ("fuse", functions.fuse, [[t.LIST, t.STRING]], t.DYN),
        ("cited", functions.cited, [[t.LIST, t.LIST]], t.DYN),
        ("slice", functions.cut, [[t.LIST, t.INT, t.INT], [t.STRING, t.INT, t.INT]], t.DYN),
        ("zip", functions.pair, [[t.LIST, t.LIST]], t.DYN),
        ("json", functions.as_json, [[kind] for kind in every], t.STRING),
        ("table", functions.table, [[t.LIST, t.LIST]], t.STRING),
        ("default", functions.default, [[a, b] for a in every for b in every], t.DYN),
        ("ok", functions.ok, [[t.LIST]], t.DYN),
        ("require", functions.require, [[t.BOOL, t.STRING]], t.BOOL),
    ]
    names = [*ROOTS, *(f"_{name}" for name in STATUS), *(f"_v{n}" for n in range(SHRUNK))]
    return cel.NewEnv(
        variables=dict.fromkeys(names, t.DYN),
        functions=[cel.FunctionDecl(name, _overloads(name, impl, lists, out)) for name, impl, lists, out in declared],
    )


def _overloads(name: str, impl: Callable[..., Any], lists: list[list[Any]], out: Any) -> list[Any]:
    """Each parameter list twice: as a function, and as a method of its first parameter."""
    from cel_expr_python import cel  # noqa: PLC0415 - the child alone pays for it

    return [
        cel.Overload(
            f"{name}_{'method' if member else 'function'}_{'_'.join(p.name().lower() for p in parameters)}",
            return_type=out,
            parameters=parameters,
            impl=impl,
            is_member=member,
        )
        for parameters in lists
        for member in (False, True)
    ]


if __name__ == "__main__":
    main()
