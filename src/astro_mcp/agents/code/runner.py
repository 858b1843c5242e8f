"""Runs in the sandbox, never on the host: the code as `__main__`, then what its last expression gave.

The first argument names the code, and `.astro/input.json` is its input; the value goes to `out/.astro-result`, and open
figures of matplotlib to `out/figure-N.png`.
"""

from __future__ import annotations

import ast
import json
import os
import sys
import traceback
import types
from typing import Any

CODE = os.path.join("/workspace", sys.argv[1])
INPUT = "/workspace/.astro/input.json"
OUT = "/workspace/out"
KEPT = "__astro__"


def main() -> int:
    with open(CODE, encoding="utf-8") as file:
        source = file.read()
    module: Any = sys.modules.setdefault(
        KEPT, types.ModuleType("__main__")
    )  # a session's is there from the turn before
    module.__file__ = CODE
    module.__dict__.pop("INPUT", None)
    if os.path.exists(INPUT):
        with open(INPUT, encoding="utf-8") as file:
            module.__dict__["INPUT"] = json.load(file)
        os.unlink(INPUT)  # a session's next turn has its own, or none
    sys.modules["__main__"] = module
    sys.path[0] = "/workspace"
    sys.argv = [CODE]
    try:
        value = _run(source, module.__dict__)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - whatever the code raised is shown, from its own first line on
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename != CODE:
            trace = trace.tb_next
        traceback.print_exception(type(error), error, trace)
        return 130 if isinstance(error, KeyboardInterrupt) else 1
    if value is not None:
        with open(os.path.join(OUT, ".astro-result"), "w", encoding="utf-8") as file:
            file.write(_shown(value))
    _save_figures(module)
    return 0


def _run(source: str, names: dict[str, Any]) -> Any:
    tree = ast.parse(source, CODE)
    last = tree.body[-1] if tree.body else None
    if not isinstance(last, ast.Expr):
        exec(compile(tree, CODE, "exec"), names)  # noqa: S102 - this is the sandbox, and this is what it is for
        return None
    del tree.body[-1]
    exec(compile(tree, CODE, "exec"), names)  # noqa: S102 - the same
    return eval(compile(ast.Expression(last.value), CODE, "eval"), names)  # noqa: S307 - the same


def _shown(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return repr(value)


def _save_figures(module: Any) -> None:
    pyplot: Any = sys.modules.get("matplotlib.pyplot")
    ours = module.__dict__.setdefault("__figures__", set())
    for number in pyplot.get_fignums() if pyplot else ():
        target = os.path.join(OUT, f"figure-{number}.png")
        if target in ours or not os.path.exists(target):
            ours.add(target)
            pyplot.figure(number).savefig(target)
    if pyplot:
        pyplot.close("all")  # a session's next turn draws its own


if __name__ == "__main__":
    sys.exit(main())
