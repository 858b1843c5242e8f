"""A DNS server on loopback (RFC 1035, A and AAAA), and a resolver that asks it: rebinding with real packets."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address

import anyio

from astro_mcp.net.addresses import Address

A, AAAA = 1, 28


@dataclass
class NameServer:
    """Each question for a name gets the next of its answers, the last one for good; none is to be kept."""

    port: int
    answers: dict[str, list[list[str]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def reply(self, packet: bytes) -> bytes:
        name, kind, end = _question(packet)
        if kind == A:
            self.asked.append(name)
        rounds = self.answers.get(name, [[]])
        records = [ip_address(text).packed for text in rounds[0]]
        wanted = [data for data in records if len(data) == (4 if kind == A else 16)]
        if kind == AAAA and len(rounds) > 1:  # A is asked before AAAA: the round is over
            rounds.pop(0)
        head = packet[:2] + struct.pack(">HHHHH", 0x8180, 1, len(wanted), 0, 0)
        body = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 0, len(data)) + data for data in wanted)
        return head + packet[12:end] + body

    async def resolve(self, host: str) -> Sequence[Address]:
        """What `SystemResolver` is for the machine's own name server."""
        found: list[Address] = []
        for kind in (A, AAAA):
            async with await anyio.create_connected_udp_socket("127.0.0.1", self.port) as channel:
                labels = b"".join(bytes([len(part)]) + part.encode() for part in host.split("."))
                await channel.send(b"\0\7\1\0\0\1\0\0\0\0\0\0" + labels + b"\0" + struct.pack(">HH", kind, 1))
                with anyio.fail_after(5):
                    found += _addresses(await channel.receive())
        return found


@contextmanager
def name_server() -> Iterator[NameServer]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.bind(("127.0.0.1", 0))
        server = NameServer(channel.getsockname()[1])

        def serve() -> None:
            while True:
                packet, sender = channel.recvfrom(512)
                if packet == b"end":
                    return
                channel.sendto(server.reply(packet), sender)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"end", ("127.0.0.1", server.port))
            thread.join()


def _question(packet: bytes) -> tuple[str, int, int]:
    place, labels = 12, []
    while packet[place]:
        labels.append(packet[place + 1 : place + 1 + packet[place]].decode())
        place += 1 + packet[place]
    return ".".join(labels), struct.unpack_from(">H", packet, place + 1)[0], place + 5


def _addresses(packet: bytes) -> list[Address]:
    _, _, place = _question(packet)
    found: list[Address] = []
    for _ in range(struct.unpack_from(">H", packet, 6)[0]):
        size = struct.unpack_from(">H", packet, place + 10)[0]
        found.append(ip_address(packet[place + 12 : place + 12 + size]))
        place += 12 + size
    return found
