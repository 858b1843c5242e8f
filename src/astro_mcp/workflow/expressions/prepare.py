"""One expression, made ready once: what it refers to, and the source that CEL is given."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from astro_mcp.errors import ExpressionLimit, InvalidInput
from astro_mcp.workflow.expressions.tokens import Token, one_line, tokens

SOURCE_BYTES: Final = 1024
ROOTS: Final = frozenset({"steps", "inputs", "item", "index", "last"})
STATUS: Final = frozenset({"always", "success", "failure"})
MACROS: Final = frozenset({"map", "filter", "all", "exists", "exists_one"})

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """A path from a root, where it stands, and the word around it that lets it lead to nothing: `default` or `has`."""

    path: Path
    start: int
    end: int
    optional: str = ""


@dataclass(frozen=True, slots=True)
class Shrunk:
    """`slice(path, from, to)` or `size(path)`: computed before CEL, so that a long list need not be handed over."""

    variable: str
    function: str
    path: Path
    bounds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """`literal` is the path where the whole expression is one; else `source` goes to CEL with `references` bound."""

    source: str
    literal: Path | None
    references: tuple[Reference, ...]
    shrunk: tuple[Shrunk, ...]
    statuses: frozenset[str]
    macros: bool

    @property
    def counts(self) -> Shrunk | None:
        """The `size(path)` that the whole expression is: there is nothing left for CEL."""
        only = self.shrunk[0] if len(self.shrunk) == 1 else None
        return only if only and only.function == "size" and self.source == only.variable else None

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every path that is referred to."""
        return tuple(r.path for r in self.references) + tuple(s.path for s in self.shrunk)


@lru_cache(maxsize=2048)
def prepare(source: str) -> Prepared:
    """Find the references of `source`; raises `InvalidInput` or, over 1,024 bytes, `ExpressionLimit`."""
    if len(source.encode("utf-8", "replace")) > SOURCE_BYTES:
        raise ExpressionLimit(
            f"an expression holds at most {SOURCE_BYTES} bytes", "compute it in a step of its own, with code_run"
        )
    source = one_line(source)
    line = list(tokens(source))
    if not line:
        raise InvalidInput("an expression is empty", "write a reference such as ${{ steps.lint.total }}")
    references = tuple(_references(line))
    whole = len(references) == 1 and (references[0].start, references[0].end) == (line[0].start, line[-1].end)
    if whole:
        return Prepared(source, references[0].path, references, (), frozenset(), macros=False)
    shrunk, kept, edits = _shrink(line, references)
    statuses = _statuses(line)
    edits += [(start, end, f"_{name}") for name, start, end in statuses]
    edits += _lenient(source, line)
    macros = any(t.text in MACROS and line[i + 1].text == "(" for i, t in enumerate(line[:-1]) if t.kind == "name")
    rewritten = _edited(source, edits)
    return Prepared(rewritten, None, kept, shrunk, frozenset(name for name, _, _ in statuses), macros)


def _references(line: list[Token]) -> list[Reference]:
    found = []
    bound = _bound(line)
    position = 0
    while position < len(line):
        token = line[position]
        before = line[position - 1].text if position else ""
        if token.kind != "name" or token.text not in ROOTS - bound or before == ".":
            position += 1
            continue
        path, last = _follow(line, position)
        inside = line[position - 2].text if position > 1 and before == "(" else ""
        found.append(Reference(path, token.start, line[last].end, inside if inside in ("default", "has") else ""))
        position = last + 1
    return found


def _bound(line: list[Token]) -> set[str]:
    """The names that macros give to the items of their lists."""
    return {
        line[i + 2].text
        for i in range(len(line) - 3)
        if line[i].text in MACROS and line[i + 1].text == "(" and line[i + 3].text == ","
    }


def _lenient(source: str, line: list[Token]) -> list[tuple[int, int, str]]:
    """`default(i.a.b, …)` of a macro's `i` may lead nowhere, as a path from a root may: CEL is asked for each field
    whether it is there."""
    edits = []
    bound = _bound(line)
    for position in range(2, len(line)):
        name, before, call = line[position], line[position - 1], line[position - 2]
        if name.text not in bound or name.kind != "name" or before.text != "(" or call.text != "default":
            continue
        _, last = _follow(line, position)
        end = line[last].end
        fields: list[str] = []
        while last > position and line[last].kind == "name" and line[last - 1].text == ".":
            fields.insert(0, f"has({source[name.start : line[last].end]})")
            last -= 2
        if fields:
            edits.append((name.start, end, f"({' && '.join(fields)} ? dyn({source[name.start : end]}) : dyn(null))"))
    return edits


def _follow(line: list[Token], position: int) -> tuple[Path, int]:
    """The path that starts at `position`, and the place of its last token; a method's name is not part of it."""
    path: list[str | int] = [line[position].text]
    last = position
    while last + 2 < len(line):
        mark, name = line[last + 1], line[last + 2]
        after = line[last + 3].text if last + 3 < len(line) else ""
        if mark.text == "." and name.kind == "name" and after != "(":
            path.append(name.text)
            last += 2
        elif mark.text == "[" and after == "]" and _key(name) is not None:
            path.append(_key(name) or 0)
            last += 3
        elif mark.text == "." and name.kind == "number" and name.text.isdigit():
            path.append(int(name.text))
            last += 2
        else:
            break
    return tuple(path), last


def _key(token: Token) -> str | int | None:
    if token.kind == "number" and token.text.isdigit():
        return int(token.text)
    plain = token.kind == "string" and token.text[0] in "'\"" and "\\" not in token.text and len(token.text) > 2
    return token.text[1:-1] if plain else None


def _shrink(
    line: list[Token], references: tuple[Reference, ...]
) -> tuple[tuple[Shrunk, ...], tuple[Reference, ...], list[tuple[int, int, str]]]:
    shrunk: list[Shrunk] = []
    kept: list[Reference] = []
    edits: list[tuple[int, int, str]] = []
    for reference in references:
        first = next(i for i, t in enumerate(line) if t.start == reference.start)
        after = [t for t in line if t.start >= reference.end][:5]
        call = line[first - 2] if first > 1 and line[first - 1].text == "(" else None
        method = first > 2 and line[first - 3].text == "."
        texts = [t.text for t in after]
        bounds: tuple[int, ...] | None = None
        if call and not method and call.text == "size" and texts[:1] == [")"]:
            bounds, end = (), after[0].end
        elif call and not method and call.text == "slice" and len(texts) == 5 and _plain_bounds(texts):
            bounds, end = (int(texts[1]), int(texts[3])), after[4].end
        if call is None or bounds is None:
            kept.append(reference)
            continue
        variable = f"_v{len(shrunk)}"
        shrunk.append(Shrunk(variable, call.text, reference.path, bounds))
        edits.append((call.start, end, variable))
    return tuple(shrunk), tuple(kept), edits


def _plain_bounds(texts: list[str]) -> bool:
    return (texts[0], texts[2], texts[4]) == (",", ",", ")") and texts[1].isdigit() and texts[3].isdigit()


def _statuses(line: list[Token]) -> list[tuple[str, int, int]]:
    return [
        (line[i].text, line[i].start, line[i + 2].end)
        for i in range(len(line) - 2)
        if line[i].text in STATUS and line[i + 1].text == "(" and line[i + 2].text == ")"
    ]


def _edited(source: str, edits: list[tuple[int, int, str]]) -> str:
    for start, end, text in sorted(edits, reverse=True):
        source = source[:start] + text + source[end:]
    return source
