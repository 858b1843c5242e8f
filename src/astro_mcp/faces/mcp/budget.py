"""Keeps a result within the token budget: pages are cut and go on by cursor, anything else is cut head and tail.

One token counts as four bytes of UTF-8. The whole is always kept as an artifact, and what was cut says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from pydantic_core import to_json

from astro_mcp.core.authority import REPOSITORY, Label, Session
from astro_mcp.core.model import Output, Page
from astro_mcp.core.ports import ArtifactSink
from astro_mcp.core.tool import Tool
from astro_mcp.errors import AstroError
from astro_mcp.faces.mcp.cursor import Cursor, binding, unknown_cursor
from astro_mcp.faces.mcp.peer import Profile
from astro_mcp.faces.mcp.shape import Shape
from astro_mcp.faces.mcp.trim import trim

TOKENS: Final = 8_000
BYTES: Final = TOKENS * 4 - 400
"""What text and structured content may weigh together; the rest is the envelope's."""
NEAR: Final = 512
"""Characters that a page of text may hold too few, so that few renderings find it."""
AROUND: Final = 300
"""Bytes of what stands around the text in a form of it, more or less: facts of the file, and a cursor."""


class Budget:
    """Shapes values for one host, and finds the rest of what it cut."""

    def __init__(self, artifacts: ArtifactSink, most: int = BYTES) -> None:
        self._artifacts = artifacts
        self._most = most

    async def shape(
        self,
        session: Session,
        tool: Tool,
        arguments: Any,
        value: Output,
        profile: Profile,
        labels: frozenset[Label] = REPOSITORY,
    ) -> Shape:
        """The value's forms; over the budget its first page, or its head and tail, and the whole is kept with the
        value's `labels`."""
        if isinstance(value, Page) and (name := value.long_field()) is not None:
            fitting = self._whole(value, name, profile)
            if fitting is not None:
                return fitting
            bound = binding(session.scope, tool.name, tool.parse(arguments))
            whole = pack(value)
            sha256 = await self._artifacts.put(session.scope, whole, "application/json", f"{tool.name}.json", labels)
            return self._page(value, Cursor(sha256, 0), bound, profile)
        shape = Shape.of(value, profile)
        if shape.size <= self._most:
            return shape
        whole = (shape.text if shape.text is not None else value.text()).encode("utf-8", "backslashreplace")
        sha256 = await self._artifacts.put(session.scope, whole, "text/plain", f"{tool.name}.txt", labels)
        return self._trimmed(shape, sha256)

    async def resume(self, session: Session, tool: Tool, arguments: Any, cursor: str, profile: Profile) -> Shape:
        """The next page of an earlier result, whose labels the session is given, without running the tool again; raises
        `NotFound`."""
        bound = binding(session.scope, tool.name, tool.parse(arguments))
        place = Cursor.open(cursor, bound)
        try:
            data, _ = await self._artifacts.get(session.scope, place.sha256)
            labels = await self._artifacts.labels(session.scope, place.sha256)
            value = tool.declaration.output.model_validate(json.loads(data))
        except (AstroError, ValueError):
            raise unknown_cursor() from None
        name = value.long_field() if isinstance(value, Page) else None
        if not isinstance(value, Page) or name is None or place.offset >= len(getattr(value, name)):
            raise unknown_cursor()
        session.ledger.join(labels)
        return self._page(value, place, bound, profile)

    def _whole(self, value: Page, name: str, profile: Profile) -> Shape | None:
        """The value whole, where it fits. Renders no more than a few times the budget to see that it does not."""
        whole: Sequence[Any] = getattr(value, name)
        if isinstance(whole, str) and len(whole) > self._most:
            return None  # a character weighs a byte at least
        count = self._most // 4 if isinstance(whole, str) else 64
        while count < len(whole):
            if Shape.of(value.model_copy(update={name: whole[:count]}), profile).size > self._most:
                return None
            count *= 4
        shape = Shape.of(value, profile)
        return shape if shape.size <= self._most else None

    def _page(self, value: Page, place: Cursor, bound: bytes, profile: Profile) -> Shape:
        name = value.long_field() or ""
        whole: Sequence[Any] = getattr(value, name)
        left = len(whole) - place.offset

        shapes: dict[int, Shape] = {}

        def shaped(count: int) -> Shape:
            """The page of so many, or of as many whole lines as these are; rendered once."""
            end = place.offset + (_at_line_end(whole, place.offset, count) if isinstance(whole, str) else count)
            if end not in shapes:
                more = end < len(whole)
                update = {
                    **value.goes_with(place.offset, end),
                    name: whole[place.offset : end],
                    "truncated": value.truncated or more,
                    "next_cursor": Cursor(place.sha256, end).seal(bound) if more else None,
                }
                shapes[end] = Shape.of(value.model_copy(update=update), profile)
            return shapes[end]

        forms = profile.text + profile.structured
        guess, near = (
            (_characters(whole, place.offset, self._most // forms), NEAR) if isinstance(whole, str) else (16, 1)
        )
        shape = shaped(_most_that_fits(left, lambda count: shaped(count).size, self._most, guess, near))
        if shape.size > self._most:  # a single item, or what stands around the items, is over the budget
            return self._trimmed(shape, place.sha256)
        return replace(shape, meta={**shape.meta, "astro/whole": f"astro://artifacts/{place.sha256}"})

    def _trimmed(self, shape: Shape, sha256: str) -> Shape:
        whole = f"astro://artifacts/{sha256}"
        cut = trim(shape, self._most, f"[cut to fit; the whole: {whole} (read it with astro_read)]")
        return replace(cut, meta={**cut.meta, "astro/whole": whole})


def pack(value: Output) -> bytes:
    """The whole value as JSON that `resume` reads back; a lone surrogate stays one."""
    body = value.model_dump(mode="json", round_trip=True)
    try:
        return to_json(body)
    except ValueError:
        return json.dumps(body).encode()


def _characters(text: str, offset: int, most: int) -> int:
    """How many of it a form of `most` bytes may hold, by what the next so many weigh: the first rendering mostly
    ends the search."""
    part = text[offset : offset + most]
    return max(1, (most - AROUND) * len(part) // Shape.weighed(part, None).size)


def _most_that_fits(left: int, size: Callable[[int], int], most: int, guess: int, near: int) -> int:
    """The largest count of `left` whose size is at most `most`, or one less than `near` below it; at least 1.

    Sizes grow about evenly with the count, so that a few steps along the line through the last two find it (the secant
    method), each a little off, to the side where that ends it; every fifth halves what is left, for sizes that grow
    otherwise. Each of a count weighs a byte at least: what is less than `near` bytes below is near. No more than a few
    times the budget is rendered.
    """
    fits, over, turn = 0, left + 1, 0
    count, last = min(left, guess), (0, 0)
    while over - fits > near:
        weight, turn = size(count), turn + 1
        if weight <= most:
            fits, beyond = count, -(near // 4) or 1
            if most - weight < near:
                break
        else:
            over, beyond = count, -near // 2
        each = max(1, (weight - last[1]) // (count - last[0]))
        line = count + (most - weight) // each + beyond if turn % 5 else (fits + over) // 2
        last = count, weight
        count = min(max(line, fits + 1), over - 1, max(2 * fits, guess))
    return max(1, fits)


def _at_line_end(text: str, offset: int, count: int) -> int:
    """Back to the last line's end, unless that would give away more than half."""
    if offset + count >= len(text):
        return count
    end = text.rfind("\n", offset + count // 2, offset + count)
    return count if end < 0 else end + 1 - offset
