"""The run's way out, where it has one: a proxy on the container's own loopback, whose connections travel as frames.

The host decides what is reached, and believes nothing of this. Here the program is the hostile end: nothing waits for
it, and what is kept for it is bounded, by the connections that there may be and by the window of each.
"""

from __future__ import annotations

import select
import socket
import struct
import time

import frames
import proxy

TYPE_CHECKING = False  # importing typing would cost every run 5 ms
if TYPE_CHECKING:
    from typing import Final

CHUNK: Final = 1 << 15
PATIENCE: Final = 10.0
"""Seconds that a client has for its request, or to take its last answer."""
TICK: Final = 1.0
BACKLOG: Final = 256
"""Connections that wait at the door: with none the kernel lets a program try again after a second."""
NUMBER: Final = struct.Struct(">I")
STATUS: Final = struct.Struct(">H")
RESET: Final = struct.pack("ii", 1, 0)
READING, ASKING, OPEN, LEAVING = range(4)


class _Client:
    """A program's connection. `credit` bytes may go to the host; `out` is on its way to the program, and `own` bytes of
    that are not the host's."""

    def __init__(self, link: socket.socket, window: int) -> None:
        self.link = link
        self.state = READING
        self.until = time.monotonic() + PATIENCE
        self.number = 0
        self.head = b""
        self.tunnel = False
        self.first = b""
        """What goes to the host first."""
        self.credit = window
        self.out = bytearray()
        self.own = 0
        self.ended = False
        """The program sends no more."""
        self.shut = False
        """The host sends no more."""
        self.mask = 0


class Relay:
    """`at_once` connections, and `in_all` of one turn. Listens from here on."""

    def __init__(self, bounds: dict[str, int]) -> None:
        self._at_once, self._in_all, self._window = bounds["at_once"], bounds["in_all"], bounds["window"]
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        self._listener.setblocking(False)
        self._clients: dict[int, _Client] = {}
        self._numbers: dict[int, _Client | None] = {}
        self._last = 0
        self._listening = False
        self.over = False

    def environment(self) -> dict[str, str]:
        """How programs find it."""
        here = "http://{}:{}".format(*self._listener.getsockname())
        names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        local = "localhost,127.0.0.1,::1"
        both = {**dict.fromkeys(names, here), "NO_PROXY": local}
        return {**both, **{name.lower(): value for name, value in both.items()}}

    def begin(self, poll: select.poll) -> None:
        """Serve one turn, from `poll`."""
        self._poll = poll
        self._clients, self._numbers, self._last, self.over = {}, {}, 0, False
        self._listening = False
        self._listen()

    def end(self) -> None:
        """The turn is over: no connection is left."""
        for client in self._clients.values():
            client.link.close()
        self._clients, self._numbers = {}, {}

    def owns(self, descriptor: int) -> bool:
        return descriptor == self._listener.fileno() or descriptor in self._clients

    def settle(self, left: float) -> float:
        """Let those go whose time is over; how long nothing needs to be looked at, at most `left` seconds."""
        now = time.monotonic()
        for client in list(self._clients.values()):
            if client.state in (READING, LEAVING) and client.until < now:
                self._drop(client)
        return min(left, TICK) if self._clients else left

    def serve(self, descriptor: int) -> None:
        """Something can be done at `descriptor`, which is one of its own."""
        client = self._clients.get(descriptor)
        if client is None:
            self._accept()
            return
        try:
            if client.mask & select.POLLOUT:
                self._write(client)
            elif client.state == READING:
                self._read_head(client)
            elif client.state == LEAVING and not client.link.recv(CHUNK):
                self._drop(client)
            if client.mask & select.POLLIN and client.state == OPEN:
                self._read(client)
        except BlockingIOError:
            pass
        except OSError:
            self._drop(client)
        self._watch(client)

    def hear(self) -> bool:
        """Take what the host says; whether it is still there."""
        arrived = frames.arrived()
        if arrived is None:
            return False
        for kind, payload in arrived:
            (number,) = NUMBER.unpack_from(payload)
            if number not in self._numbers:
                continue
            client, body = self._numbers[number], payload[NUMBER.size :]
            if kind == b"q":
                del self._numbers[number]
                self._listen()
            if client is not None:
                try:
                    self._hear(client, kind, body)
                except OSError:
                    self._drop(client)
                self._watch(client)
        return True

    def _hear(self, client: _Client, kind: bytes, body: bytes) -> None:
        if kind == b"c":
            (status,) = STATUS.unpack_from(body)
            if status == 200:
                self._opened(client)
            else:
                self._answer(client, status, body[STATUS.size :].decode("ascii", "replace"))
        elif kind == b"d":
            client.out += body
        elif kind == b"w":
            client.credit += NUMBER.unpack(body)[0]
        elif kind == b"s":
            client.shut = True
            self._flushed(client)
        elif client.number:  # the host is done with it first
            self._say(b"q", client)
            client.number = 0
            if client.out:
                client.state, client.until = LEAVING, time.monotonic() + PATIENCE
            else:
                self._drop(client)

    def _accept(self) -> None:
        try:
            link, _ = self._listener.accept()
        except OSError:
            return
        link.setblocking(False)
        client = self._clients[link.fileno()] = _Client(link, self._window)
        self._watch(client)
        self._listen()

    def _listen(self) -> None:
        """Whether one more may come: a program whose connections are all taken waits at the door."""
        busy = len(self._clients) + sum(client is None for client in self._numbers.values())
        if (busy < self._at_once) != self._listening:
            self._listening = not self._listening
            if self._listening:
                self._poll.register(self._listener, select.POLLIN)
            else:
                self._poll.unregister(self._listener)

    def _watch(self, client: _Client) -> None:
        """Wait for what can be done next with it, and for nothing else: a hang-up is found with the next byte."""
        if client.link.fileno() < 0:
            return
        reads = {
            READING: True,
            OPEN: client.credit > 0 and not client.ended,
            LEAVING: not client.out,
        }
        mask = (select.POLLOUT if client.out else 0) | (select.POLLIN if reads.get(client.state) else 0)
        if mask and client.mask:
            self._poll.modify(client.link, mask)
        elif mask:
            self._poll.register(client.link, mask)
        elif client.mask:
            self._poll.unregister(client.link)
        client.mask = mask

    def _read_head(self, client: _Client) -> None:
        data = client.link.recv(proxy.LONGEST_HEAD - len(client.head))
        client.head += data
        head, end, rest = client.head.partition(proxy.END)
        if not end:
            if not data:
                self._drop(client)
            elif len(client.head) >= proxy.LONGEST_HEAD:
                self._answer(client, 431, "the request's head is too long")
            return
        try:
            target, first = proxy.wanted(head)
        except ValueError as error:
            self._answer(client, 400, str(error))
            return
        if len(target) > 256:
            self._answer(client, 400, "that is no host name and port")
        elif self._last >= self._in_all:
            self.over = True
            self._answer(client, 429, f"a run makes {self._in_all} connections at most")
        else:
            self._last += 1
            client.number, client.state = self._last, ASKING
            client.tunnel, client.first = first is None, (first or b"") + rest
            self._numbers[client.number] = client
            self._say(b"c", client, target)

    def _opened(self, client: _Client) -> None:
        client.state = OPEN
        if client.tunnel:
            client.out += proxy.TUNNEL
            client.own = len(proxy.TUNNEL)
        if client.first:
            client.credit -= len(client.first)
            self._say(b"d", client, client.first)
        client.head = client.first = b""

    def _answer(self, client: _Client, status: int, reason: str) -> None:
        """The last that it is told."""
        said = proxy.reply(status, reason)
        client.out += said
        client.own += len(said)
        client.state, client.until = LEAVING, time.monotonic() + PATIENCE
        client.shut = True
        self._release(client)

    def _read(self, client: _Client) -> None:
        data = client.link.recv(min(client.credit, CHUNK))
        if data:
            client.credit -= len(data)
            self._say(b"d", client, data)
            return
        client.ended = True
        self._say(b"s", client)
        self._flushed(client)

    def _write(self, client: _Client) -> None:
        size = client.link.send(client.out)
        del client.out[:size]
        own = min(size, client.own)
        client.own -= own
        if size > own and client.number:
            self._say(b"w", client, NUMBER.pack(size - own))
        self._flushed(client)

    def _flushed(self, client: _Client) -> None:
        """What is to be done where everything was taken."""
        if client.out:
            return
        if client.ended if client.shut else client.state == LEAVING:
            self._drop(client)
        elif client.shut:
            client.link.shutdown(socket.SHUT_WR)

    def _drop(self, client: _Client) -> None:
        """End it; a host that did not come to its end resets it, so that nobody takes a part for the whole."""
        descriptor = client.link.fileno()
        if descriptor < 0:
            return
        if client.mask:
            self._poll.unregister(client.link)
        if not client.shut:
            client.link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        del self._clients[descriptor]
        client.link.close()
        client.out.clear()
        self._release(client)
        self._listen()

    def _release(self, client: _Client) -> None:
        """Tell the host that its connection is over here; its number is taken until the host says the same."""
        if client.number:
            self._say(b"q", client)
            self._numbers[client.number] = None
            client.number = 0

    def _say(self, kind: bytes, client: _Client, body: bytes = b"") -> None:
        frames.send(kind, NUMBER.pack(client.number) + body)
