"""In a child process: it ends with the one that started it, however that one ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Final

PR_SET_PDEATHSIG: Final = 1
"""prctl(2). It outlasts the becoming of another program, and is about the thread that started this process: the event
loop's."""


def end_with(owner: int) -> None:
    """From here on the kernel kills this process when its parent `owner` ends. On Linux alone: elsewhere it goes on to
    its end, and what it left is swept."""
    if sys.platform != "linux":
        return
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != owner:
        sys.exit("the owner was gone before")
