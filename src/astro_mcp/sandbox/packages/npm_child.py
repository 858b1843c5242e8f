"""A child process of the daemon: becomes npm, within bounds that nothing it fetches can raise.

`python -I -m astro_mcp.sandbox.packages.npm_child OWNER NPM ARGUMENT…`; OWNER is the process that it ends with.
"""

from __future__ import annotations

import os
import resource
import sys
from typing import Final

from astro_mcp.sandbox.with_owner import end_with

LARGEST: Final = 1 << 30


def main(arguments: list[str]) -> None:
    """Returns never. A file over the bound is npm's error EFBIG: SIGXFSZ is ignored by Python, and stays so."""
    owner, program, *_ = arguments
    end_with(int(owner))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST, LARGEST))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.execv(program, arguments[1:])  # noqa: S606 - the machine's own npm, no shell


if __name__ == "__main__":
    main(sys.argv[1:])
