"""Bounds on time that hold on a machine that pauses: such a pause meets one attempt, a defect meets every one."""

from __future__ import annotations

import gc
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

T = TypeVar("T")
ATTEMPTS = 3


async def within(seconds: float, work: Callable[[], Awaitable[T]]) -> T:
    """What `work` gives; fails where none of three attempts took less than `seconds`."""
    took = []
    for _ in range(ATTEMPTS):
        began = time.monotonic()
        value = await work()
        took.append(time.monotonic() - began)
        if took[-1] < seconds:
            return value
    raise AssertionError(f"took {', '.join(f'{each:.2f}' for each in took)} s; the bound is {seconds:g} s")


async def with_pauses(work: Callable[[], Awaitable[T]]) -> tuple[T, float]:
    """What `work` gives, and the seconds of the event loop's longest pause meanwhile."""
    pauses = [0.0]

    async def watch() -> None:
        while True:
            before = anyio.current_time()
            await anyio.sleep(0.01)
            pauses.append(anyio.current_time() - before)

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        value = await work()
        group.cancel_scope.cancel()
    return value, max(pauses)


async def given_more(
    seconds: float, work: Callable[[float], Awaitable[T]], enough: Callable[[T], bool], factor: float = 4
) -> T:
    """What `work(seconds)` gives; with more seconds again where the machine was too slow for what must happen in them.

    The caller's own assertions say what is missing in the end.
    """
    for _ in range(ATTEMPTS):
        value = await work(seconds)
        if enough(value):
            break
        seconds *= factor
    return value


def within_blocking(seconds: float, work: Callable[[], T]) -> T:
    """The same for work that blocks."""
    took = []
    for _ in range(ATTEMPTS):
        began = time.monotonic()
        value = work()
        took.append(time.monotonic() - began)
        if took[-1] < seconds:
            return value
    raise AssertionError(f"took {', '.join(f'{each:.2f}' for each in took)} s; the bound is {seconds:g} s")


def computed(seconds: float, work: Callable[[], T]) -> T:
    """The same for what this thread computes: neither what the process's other threads do counts, nor what all that
    earlier tests left behind costs a garbage collection."""
    took = []
    for _ in range(ATTEMPTS):
        gc.disable()
        try:
            began = time.thread_time()
            value = work()
            took.append(time.thread_time() - began)
        finally:
            gc.enable()
        if took[-1] < seconds:
            return value
    raise AssertionError(f"computed {', '.join(f'{each:.2f}' for each in took)} s; the bound is {seconds:g} s")
