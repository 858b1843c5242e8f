"""A child in the peers' environment: llm-sandbox, timed at `print(1)` as its own documentation uses it.

`_llm_sandbox.py IMAGE`: each line on stdin is `open` (in a session that stays open) or `fresh` (a session for the run);
each answer is the seconds until the output was there.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from llm_sandbox import SandboxSession


def session(image: str) -> Any:
    """Without the set-up that needs a network, and with the template kept: its quickest way."""
    runtime = {"command": "/bin/sh", "tty": True}
    return SandboxSession(
        lang="python", image=image, keep_template=True, skip_environment_setup=True, runtime_configs=runtime
    )


def timed(box: Any, began: float) -> float:
    said = box.run("print(1)")
    took = time.perf_counter() - began
    if said.exit_code or said.stdout.strip() != "1":
        raise RuntimeError(f"llm-sandbox said {said.stdout!r} {said.stderr!r}")
    return took


def main(image: str) -> None:
    with session(image) as kept:
        print("ready", flush=True)
        for line in sys.stdin:
            began = time.perf_counter()
            if line.strip() == "open":
                took = timed(kept, began)
            else:
                box = session(image)
                box.open()
                took = timed(box, began)
                box.close()
            print(took, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
