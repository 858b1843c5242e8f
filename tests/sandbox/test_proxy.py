"""What PID 1 makes of a program's words to its proxy."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sandbox.rig import RESOURCES


def loaded() -> ModuleType:
    path = RESOURCES / "image/supervisor/proxy.py"
    spec = importlib.util.spec_from_file_location("proxy", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PROXY = loaded()
LINES = st.lists(
    st.sampled_from([b"Host: evil.example", b"host:x", b"Connection: keep-alive", b"Proxy-Authorization: k", b"A: b"]),
    max_size=6,
)
TARGETS = st.one_of(
    st.binary(max_size=30), st.sampled_from([b"http://a.example", b"HTTP://a.example:81/x?y#z", b"http://a.example?q"])
)


@pytest.mark.parametrize(
    ("head", "wanted"),
    [
        (b"CONNECT a.example:443 HTTP/1.1\r\nHost: b.example", (b"a.example:443", None)),
        (
            b"GET http://a.example:81/x?y=1#z HTTP/1.1\r\nHost: b\r\nAccept: */*\r\nProxy-Connection: close",
            (b"a.example:81", b"GET /x?y=1 HTTP/1.1\r\nHost: a.example:81\r\nConnection: close\r\nAccept: */*\r\n\r\n"),
        ),
        (
            b"POST http://a.example?q HTTP/1.0",
            (b"a.example:80", b"POST /?q HTTP/1.0\r\nHost: a.example\r\nConnection: close\r\n\r\n"),
        ),
    ],
)
def test_a_tunnel_stays_as_it_is_and_a_plain_request_is_made_the_hosts_own(
    head: bytes, wanted: tuple[bytes, bytes | None]
) -> None:
    assert PROXY.wanted(head) == wanted


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"GET / HTTP/1.1",
        b"GET https://a.example/ HTTP/1.1",
        b"CONNECT a.example:443",
        b"GET  x HTTP/1.1",
        b"\0" * 99,
    ],
)
def test_what_is_no_request_to_a_proxy_is_refused(head: bytes) -> None:
    with pytest.raises(ValueError, match=r"this is a proxy|no request"):
        PROXY.wanted(head)


@given(st.sampled_from([b"GET", b"CONNECT", b"X"]), TARGETS, LINES)
def test_a_request_goes_to_the_host_that_is_asked_for_and_is_its_connections_last(
    method: bytes, target: bytes, lines: list[bytes]
) -> None:
    try:
        to, head = PROXY.wanted(b"\r\n".join([method + b" " + target + b" HTTP/1.1", *lines]))
    except ValueError:
        return
    assert b" " not in to
    if head is not None:
        words = [line.lower() for line in head.split(b"\r\n")]
        assert [line for line in words if line.startswith(b"host")] == [b"host: " + to.removesuffix(b":80").lower()]
        assert [line for line in words if line.startswith((b"connection", b"proxy"))] == [b"connection: close"]


@given(st.text(max_size=600))
def test_a_reply_is_one_answer_whatever_the_reason_holds(reason: str) -> None:
    head, _, body = PROXY.reply(403, reason).partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    assert first.startswith(b"HTTP/1.1 403 ")
    assert f"Content-Length: {len(body)}".encode() in lines
    assert len(lines) == 3
