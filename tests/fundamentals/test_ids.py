"""Identifiers: sorted by time, and never the same twice, whoever makes them."""

from __future__ import annotations

import os
import re
import threading
import time

from astro_mcp.core import ids
from astro_mcp.core.ids import new_id, uuid7

MANY = 1_000
"""More than are made of what the kernel gave at once."""


def test_an_id_is_a_uuid_of_version_7_with_the_time_in_front() -> None:
    before = time.time_ns() // 1_000_000
    made = [uuid7() for _ in range(MANY)]
    after = time.time_ns() // 1_000_000
    for one in made:
        assert re.fullmatch(r"[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}", one), one
        assert before <= int(one[:12], 16) <= after
    assert {one[16] for one in made} == set("89ab")
    assert re.fullmatch(r"run_[0-9a-f]{32}", new_id("run"))


def test_no_two_threads_make_ids_of_the_same_random_bits() -> None:
    made: list[str] = []
    threads = [threading.Thread(target=lambda: made.extend([uuid7() for _ in range(MANY)])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len({one[12:] for one in made}) == len(made) == 8 * MANY


def test_a_forked_process_makes_ids_of_other_random_bits_than_the_one_it_came_from() -> None:
    uuid7()
    assert ids._random, "nothing was kept that both could use"
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, "".join(uuid7()[12:] for _ in range(100)).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        there = pipe.read()
    os.waitpid(child, 0)
    here = {uuid7()[12:] for _ in range(MANY)}
    assert len(there) == 2_000
    assert here.isdisjoint(there[at : at + 20] for at in range(0, 2_000, 20))
