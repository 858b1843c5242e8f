"""A child process of the daemon: becomes npm, within bounds that nothing it fetches can raise.

`python -I -m astro_mcp.sandbox.packages.npm_child NPM ARGUMENT…`
"""

from __future__ import annotations

import os
import resource
import sys
from typing import Final

LARGEST: Final = 1 << 30


def main(arguments: list[str]) -> None:
    """Returns never. A file over the bound is npm's error EFBIG: SIGXFSZ is ignored by Python, and stays so."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST, LARGEST))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.execv(arguments[0], arguments)  # noqa: S606 - the machine's own npm, no shell


if __name__ == "__main__":
    main(sys.argv[1:])
