"""Pages made to break a reader, from a real server through the whole call path: each ends in time, within bounds,
with a typed error or what could be read."""

from __future__ import annotations

import bz2
import gzip
import io
import time
import zipfile
import zlib
from collections.abc import Awaitable, Callable

import anyio
import anyio.abc
import pytest
from tests.agents.files.pdfs import pdf
from tests.agents.search.conftest import Ask, Build
from tests.agents.search.test_fetch import fetch, page
from tests.net.web_site import Reply, Site, answer, redirect

HTML = "text/html; charset=utf-8"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
MEGABYTE = b"\0" * (1 << 20)


@pytest.fixture
async def short(build: Build) -> Ask:
    """A megabyte for each page."""
    return await build(most=1_000_000, seconds=20)


def endless(head: bytes, piece: bytes, pause: float = 0.0) -> Callable[[anyio.abc.ByteStream], Awaitable[None]]:
    async def send(stream: anyio.abc.ByteStream) -> None:
        await stream.send(head)
        while True:
            await stream.send(piece)
            await anyio.sleep(pause)

    return send


def packed(level: int = 9) -> bytes:
    packer = zlib.compressobj(level)
    return b"".join([*(packer.compress(MEGABYTE) for _ in range(8)), packer.flush()])


def twice(data: bytes) -> bytes:
    return gzip.compress(gzip.compress(data))


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.html", MEGABYTE)
    return out.getvalue()


HOSTILE: dict[str, tuple[Reply, str]] = {
    "gzip": (answer(gzip.compress(MEGABYTE * 8), content_encoding="gzip", content_type=HTML), "too_large"),
    "deflate": (answer(packed(), content_encoding="deflate", content_type=HTML), "too_large"),
    "gzip in gzip": (answer(twice(MEGABYTE), content_encoding="gzip, gzip", content_type=HTML), "unsupported"),
    "brotli": (answer(b"\x5b\xff\xff\x03" * 9, content_encoding="br", content_type=HTML), "unsupported"),
    "zstd": (answer(b"\x28\xb5\x2f\xfd" * 9, content_encoding="zstd", content_type=HTML), "unsupported"),
    "zip": (answer(zipped(), content_type="application/zip"), "unsupported"),
    "bzip2": (answer(bz2.compress(MEGABYTE), content_type="application/x-bzip2"), "unsupported"),
    "a stream without end": (endless(OK + b"\r\n", b"<p>x" * 16_384), "too_large"),
    "chunks without end": (endless(OK + CHUNKED, b"1000\r\n" + b"x" * 4096 + b"\r\n"), "too_large"),
    "a gigabyte announced": (endless(OK + b"Content-Length: 1073741824\r\n\r\n", b"x" * 65_536), "too_large"),
    "a slow drip": (endless(OK + b"Content-Length: 99999\r\n\r\n", b"x", 0.05), "timeout"),
    "headers that drip": (endless(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", 0.05), "timeout"),
    "headers without end": (endless(b"HTTP/1.1 200 OK\r\n", b"X-Y: " + b"z" * 4096 + b"\r\n"), "provider_failed"),
    "one header without end": (endless(b"HTTP/1.1 200 OK\r\nX: ", b"z" * 65_536), "provider_failed"),
    "chunk lines without end": (endless(OK + CHUNKED, b"1;" + b"z" * 65_536), "provider_failed"),
    "redirects without end": (redirect("/page"), "provider_failed"),
    "a location of a megabyte": (redirect("/" + "x" * 50_000), "forbidden"),
    "a hundred thousand elements deep": (answer(b"<div>" * 100_000 + b"deep", content_type=HTML), "limit_hit"),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
async def test_a_hostile_answer_ends_in_time_with_a_typed_error(build: Build, site: Site, kind: str) -> None:
    site.replies["/page"], code = HOSTILE[kind]
    ask = await build(most=1_000_000, seconds=0.4 if "drip" in kind else 20)
    began = time.monotonic()
    error = (await fetch(ask, site)).error
    assert error is not None
    assert error.code == code
    assert len(error.message) < 500
    assert time.monotonic() - began < 15


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"[" * 90_000, "application/json"),
        (b'{"a":' * 15_000, "application/json"),
        (b"<a>" * 100_000, "application/xml"),
        (b"<rss>" + b"<item>" * 50_000, "application/rss+xml"),
        (bytes(range(256)) * 400, "text/plain"),
        (b"\x1b$B" * 60_000, "text/html; charset=iso-2022-jp"),
        (b"\xff\xfe" + b"\x00\xd8" * 50_000, "text/html"),
        (b"\x80" * 200_000, "text/html"),
        (b"<!DOCTYPE html>" + b"&lt" * 60_000, "text/html; charset=xn--"),
    ],
    ids=["JSON", "objects", "XML", "a feed", "all bytes", "a stateful charset", "surrogates", "no charset", "entities"],
)
async def test_a_hostile_body_is_read_as_far_as_it_goes(short: Ask, site: Site, body: bytes, content_type: str) -> None:
    site.replies["/page"] = answer(body, content_type=content_type)
    began = time.process_time()
    await page(short, site)
    assert time.process_time() - began < 15


@pytest.mark.parametrize(
    ("body", "content_type"),
    [(b"# a" + b"#" * 40_000 + b"b", "text/plain"), (b"<h1>a" + b"#" * 40_000 + b"b</h1>", HTML)],
    ids=["text", "HTML"],
)
async def test_a_heading_of_forty_thousand_signs_is_read_at_once(
    short: Ask, site: Site, body: bytes, content_type: str
) -> None:
    site.replies["/page"] = answer(body, content_type=content_type)
    began = time.process_time()
    got = await page(short, site)
    assert time.process_time() - began < 2
    assert [heading.text for heading in got.headings] == ["a" + "#" * 99]


async def test_thousands_of_style_tags_that_never_end_are_read_at_once(short: Ask, site: Site) -> None:
    site.replies["/page"] = answer(b"<p>word</p>" + b"<style " * 60_000, content_type=HTML)
    began = time.process_time()
    got = await page(short, site)
    assert time.process_time() - began < 2
    assert got.markdown == "word\n"


@pytest.mark.parametrize("where", ["its own", "a base"])
@pytest.mark.parametrize("mode", ["article", "full"])
async def test_a_long_address_is_not_told_with_each_of_many_links(
    short: Ask, site: Site, where: str, mode: str
) -> None:
    long = "p" * 1_500
    path = f"/{long}/" if where == "its own" else "/page"
    base = "" if where == "its own" else f'<base href="http://site.example/{long}/">'
    site.replies[path] = answer((base + "<p>" + "<a href=x>word</a> " * 20_000).encode(), content_type=HTML)
    got = await page(short, site, path=path, mode=mode)
    assert got.markdown.count("word") == 20_000
    assert got.characters < 2_000_000


@pytest.mark.full
async def test_a_pdf_that_inflates_to_gigabytes_ends_in_its_child(ask: Ask, site: Site) -> None:
    site.replies["/page"] = answer(pdf(["x"], inflate=4 << 30), content_type="application/pdf")
    error = (await fetch(ask, site)).error
    assert error is not None
    assert error.code in ("limit_hit", "invalid_input", "timed_out")


@pytest.mark.parametrize("mode", ["article", "full"], ids=["its article", "all of it"])
async def test_a_page_with_nul_bytes_is_read_without_them(ask: Ask, site: Site, mode: str) -> None:
    site.replies["/page"] = answer(b"<p>" + b"\0" * 500 + b"se\0en</p>", content_type=HTML)
    assert (await page(ask, site, mode=mode)).markdown == "seen\n"


async def test_what_is_called_html_and_is_none_is_read_as_a_pdf_or_refused(ask: Ask, site: Site) -> None:
    site.replies["/page"] = answer(pdf(["Hello"]), content_type=HTML)
    assert "Hello" in (await page(ask, site)).markdown
    site.replies["/zip"] = answer(b"PK\x03\x04" + b"word " * 100, content_type=HTML)
    error = (await fetch(ask, site, "/zip", mode="full")).error
    assert error is not None
    assert error.code == "unsupported"


@pytest.mark.parametrize(
    "reply",
    [
        OK + b"x\x01: " + b"OBEY " * 10_000 + b"\r\n\r\n",
        b"OBEY " * 10_000 + b"\r\n\r\n",
        OK + CHUNKED + b"OBEY " * 10_000 + b"\r\n",
        answer(b"x", content_type="image/\x1b[31m" + "x" * 10_000),
    ],
    ids=["header", "status", "chunk", "type"],
)
async def test_what_a_broken_answer_says_does_not_become_an_error_of_ours(ask: Ask, site: Site, reply: Reply) -> None:
    site.replies["/page"] = reply
    error = (await fetch(ask, site)).error
    assert error is not None
    assert len(error.message) < 300
    assert "OBEY" not in error.message
    assert error.message.isprintable()
