"""What this process connects to, whoever asks for it.

No audit hook: one in Python lets go of the interpreter while a thread installs its trace function, and a thread that
begins just then dies of it ("Cannot install a trace function while another trace function is being installed").
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def connections() -> Iterator[list[str]]:
    """The addresses that sockets are connected to meanwhile."""
    seen: list[str] = []
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def heard(link: socket.socket, address: Any) -> None:
        seen.append(repr(address))
        connect(link, address)

    def heard_ex(link: socket.socket, address: Any) -> int:
        seen.append(repr(address))
        return connect_ex(link, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", heard)
        patch.setattr(socket.socket, "connect_ex", heard_ex)
        yield seen
