"""The host's parsers against whatever a container might send."""

from __future__ import annotations

import json
import struct
import time

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from astro_mcp.sandbox import frames
from astro_mcp.sandbox.answer import Answer
from astro_mcp.sandbox.frames import BrokenProtocol, Demux, Frame, Parser, decode_file, decode_json, encode
from astro_mcp.sandbox.job import safe_path

LONG = 600.0
KINDS = st.sampled_from([b"R", b"o", b"e", b"a", b"x"])
NAMES = st.one_of(st.text(max_size=12), st.sampled_from(["../x", "/etc/x", "a/../b", "a\0", "x" * 1025, "ok/file"]))
ENDS = st.fixed_dictionaries(
    {"code": st.one_of(st.integers(-300, 300), st.none(), st.booleans()), "limits": st.just(["memory", "lie", 3])},
    optional={"withheld": st.lists(st.text(max_size=300), max_size=3), "error": st.text(max_size=9)},
)


def file_payload(name: str, data: bytes) -> bytes:
    encoded = name.encode("utf-8", "surrogatepass")
    return struct.pack(">HB", len(encoded), 0) + encoded + data


PAYLOADS = st.one_of(
    st.binary(max_size=200),
    st.builds(file_payload, NAMES, st.binary(max_size=20)),
    ENDS.map(lambda fields: json.dumps(fields).encode()),
)


@given(st.binary(max_size=400))
def test_any_bytes_from_the_engine_are_parsed_or_refused(data: bytes) -> None:
    demux = Demux()
    try:
        demux.feed(data)
    except BrokenProtocol:
        return
    assert len(demux.complaint) <= 4096


@given(st.lists(st.tuples(st.sampled_from([0, 1, 2]), st.binary(max_size=50)), max_size=8), st.data())
def test_the_engines_stream_is_the_same_however_it_is_cut(chunks: list[tuple[int, bytes]], data: st.DataObject) -> None:
    stream = b"".join(struct.pack(">B3xI", kind, len(body)) + body for kind, body in chunks)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    demux = Demux()
    parts = [demux.feed(stream[a:b]) for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert b"".join(parts) == b"".join(body for kind, body in chunks if kind == 1)


@given(st.lists(st.tuples(KINDS, st.binary(max_size=50)), max_size=8), st.data())
def test_frames_are_the_same_however_they_are_cut(pairs: list[tuple[bytes, bytes]], data: st.DataObject) -> None:
    stream = b"".join(encode(kind, payload) for kind, payload in pairs)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    parser = Parser()
    found: list[Frame] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += parser.feed(stream[start:end])
    assert found == [Frame(kind, payload) for kind, payload in pairs]


@settings(max_examples=100)
@given(st.lists(st.tuples(KINDS, PAYLOADS), max_size=10))
def test_hostile_frames_give_a_bounded_answer_or_a_refusal(pairs: list[tuple[bytes, bytes]]) -> None:
    answer = Answer(output_bytes=100)
    try:
        for frame in Parser().feed(b"".join(encode(kind, payload) for kind, payload in pairs)):
            answer.take(frame)
    except BrokenProtocol:
        pass
    assert all(len(stream) <= 100 for stream in answer.streams.values())
    assert all(safe_path(path) for path in answer.files)
    assert answer.limits <= {"memory", "output"}
    assert answer.end is None or 0 <= answer.end.code <= 255


@given(st.binary(max_size=300))
def test_any_bytes_in_place_of_frames_are_parsed_or_refused(data: bytes) -> None:
    try:
        for frame in Parser().feed(data):
            Answer(10).take(frame)
    except BrokenProtocol:
        return


def whole_stream(pairs: list[tuple[bytes, bytes]], sizes: list[int]) -> bytes:
    """What the engine would send: frames, in chunks of its own."""
    inner = b"".join(encode(kind, payload) for kind, payload in pairs)
    outer, at = b"", 0
    for size in (*sizes, len(inner)):
        part, at = inner[at : at + size], at + size
        outer += struct.pack(">B3xI", 1, len(part)) + part
    return outer


@st.composite
def mutated(draw: st.DrawFn) -> tuple[list[bytes], int]:
    """A stream that was valid, cut off and with bytes of it changed, in pieces; and how much of it was left alone."""
    pairs = draw(st.lists(st.tuples(KINDS, PAYLOADS), min_size=1, max_size=12))
    stream = bytearray(whole_stream(pairs, draw(st.lists(st.integers(0, 60), max_size=6))))
    del stream[draw(st.integers(0, len(stream))) :]
    spots = draw(st.lists(st.tuples(st.integers(0, max(0, len(stream) - 1)), st.integers(0, 255)), max_size=4))
    for spot, value in spots if stream else ():
        stream[spot] = value
    if draw(st.booleans()):
        spot = draw(st.integers(0, len(stream)))
        stream[spot:spot] = draw(st.binary(max_size=12))
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    return [bytes(stream[a:b]) for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)], len(stream)


def read_on(pieces: list[bytes]) -> Answer:
    """As the host reads them. Nothing but `BrokenProtocol` is raised, and what is kept is bounded by what came."""
    demux, parser, answer, came = Demux(), Parser(), Answer(output_bytes=100), 0
    for piece in pieces:
        came += len(piece)
        for frame in parser.feed(demux.feed(piece)):
            answer.take(frame)
        assert len(demux._buffer) <= min(came, frames.MUX.size + frames.LARGEST_CHUNK)
        assert len(parser._buffer) <= min(came, frames.HEADER.size + max(frames.BOUNDS.values()))
        held = bytes(parser._buffer[: frames.HEADER.size])
        if len(held) == frames.HEADER.size:
            kind, length = frames.HEADER.unpack(held)
            assert length <= frames.BOUNDS[kind]
    return answer


def is_bounded(pieces: list[bytes]) -> None:
    try:
        answer = read_on(pieces)
    except BrokenProtocol:
        return
    assert all(len(stream) <= 100 for stream in answer.streams.values())
    assert all(safe_path(path) for path in answer.files)
    texts = [*answer.files] if answer.end is None else [*answer.files, answer.end.error, *answer.end.withheld]
    for text in texts:
        text.encode()  # what is handed on can be sent on


@settings(max_examples=100)
@given(mutated())
def test_a_valid_stream_that_was_cut_and_changed_is_read_within_bounds_or_refused(
    made: tuple[list[bytes], int],
) -> None:
    is_bounded(made[0])


@pytest.mark.full
@pytest.mark.timeout(LONG + 120)
def test_ten_minutes_of_valid_streams_that_were_cut_and_changed_find_nothing() -> None:
    until, rounds = time.monotonic() + LONG, 0
    while time.monotonic() < until:

        @seed(rounds)
        @settings(max_examples=200, deadline=None, database=None)
        @given(mutated())
        def look(made: tuple[list[bytes], int]) -> None:
            is_bounded(made[0])

        look()
        rounds += 1
    print(rounds * 200, "streams")


def test_text_that_is_none_can_be_sent_on_all_the_same() -> None:
    end = b'{"code":1,"limits":[],"withheld":["\\ud800"],"error":"\\udfff"}'
    is_bounded([whole_stream([(b"x", end)], [])])


@pytest.mark.parametrize(("kind", "length"), [(b"o", 1 << 31), (b"a", 1 << 27), (b"x", 1 << 20), (b"?", 0)])
def test_a_frame_that_is_too_long_or_unknown_is_refused_by_its_header(kind: bytes, length: int) -> None:
    with pytest.raises(BrokenProtocol):
        Parser().feed(struct.pack(">cI", kind, length))


@pytest.mark.parametrize("name", ["../up", "/etc/passwd", "a/../b", "a//b", ".", "", "a\0b", "a\x1bb"])
def test_a_file_with_an_unsafe_name_is_refused(name: str) -> None:
    with pytest.raises(BrokenProtocol):
        decode_file(file_payload(name, b""))


def test_more_files_than_were_asked_for_are_refused() -> None:
    answer = Answer(10)
    for number in range(frames.COLLECT_FILES):
        answer.take(Frame(b"a", file_payload(f"{number}", b"")))
    with pytest.raises(BrokenProtocol):
        answer.take(Frame(b"a", file_payload("more", b"")))


def test_nothing_is_taken_after_the_end() -> None:
    answer = Answer(10)
    answer.take(Frame(b"x", json.dumps({"code": 0, "limits": [], "withheld": []}).encode()))
    with pytest.raises(BrokenProtocol):
        answer.take(Frame(b"o", b"late"))


def test_json_that_nests_without_end_is_refused() -> None:
    with pytest.raises(BrokenProtocol):
        decode_json(b"[" * 100_000)
