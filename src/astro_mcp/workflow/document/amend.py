"""Expressions as models write them elsewhere (Python, JavaScript, Jinja, CI files), rewritten as they are written here.

Nothing here decides: what comes out is offered where it has no problem of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from astro_mcp.nearest import nearest
from astro_mcp.workflow.document.slips import FIELDS
from astro_mcp.workflow.expressions.prepare import MACROS, ROOTS, SOURCE_BYTES
from astro_mcp.workflow.expressions.tokens import Token, tokens

WORDS: Final[Mapping[str, str]] = {
    "and": "&&",
    "or": "||",
    "not": "!",
    "True": "true",
    "False": "false",
    **dict.fromkeys(("None", "undefined", "nil", "NULL", "Null"), "null"),
}
FUNCTIONS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("len", "length", "count"), "size"),
    **dict.fromkeys(("toJSON", "tojson", "to_json", "toJson", "dumps"), "json"),
    **dict.fromkeys(("str", "toString", "to_string"), "string"),
    **dict.fromkeys(("coalesce", "ifNull", "default_if_none"), "default"),
    **dict.fromkeys(("unique", "uniq", "dedupe", "set"), "distinct"),
    **dict.fromkeys(("startswith", "starts_with"), "startsWith"),
    **dict.fromkeys(("endswith", "ends_with"), "endsWith"),
    **dict.fromkeys(("any", "some"), "exists"),
    "includes": "contains",
    "failed": "failure",
    "succeeded": "success",
    "groupBy": "group_by",
    "sortBy": "sort_by",
    "float": "double",
    "every": "all",
    "flat": "flatten",
}
STEPS: Final = frozenset({"step", "needs", "jobs", "job", "tasks", "task", "outputs", "results", "nodes"})
INPUTS: Final = frozenset({"input", "env", "vars", "var", "params", "parameters", "variables", "args"})
ITEM: Final = frozenset({"matrix", "each", "loop", "it", "this", "element"})
LAST: Final = frozenset({"previous", "prev"})
RESULT: Final = frozenset({"output", "outputs", "result", "results", "data", "response", "value", "json"})
_LIKE: Final = re.compile(
    r"\$?\{\{(?P<a>[^{}]*)\}\}|\$\{(?P<b>[^{}]*)\}|\$\((?P<c>[^()]*)\)|\$(?P<d>(?:steps|inputs)\.[\w.]+)"
)


Names = list[str | int]


@dataclass(frozen=True, slots=True)
class Known:
    """What the names in an expression may mean. `fields` gives those at a path that begins with a step's id, none where
    nobody knows."""

    steps: Collection[str]
    inputs: Collection[str]
    fields: Callable[[Names], Collection[str]]
    item: bool = False
    last: bool = False
    renamed: Mapping[str, str] = field(default_factory=dict)


def unmarked(text: str, known: Known) -> str | None:
    """`text` with what looks like an expression marked as one (`{{ steps.a.b }}`, `$inputs.x`, a bare `steps.a.b`), or
    None where nothing does."""
    plain = text.strip()
    if _means(plain, known):
        return f"${{{{ {amended(plain, known)} }}}}"
    found = False

    def mark(match: re.Match[str]) -> str:
        nonlocal found
        inside = next(group for group in match.groups() if group is not None).strip()
        if match[0].startswith("${{") or not _means(inside.partition("|")[0].strip(), known):
            return match[0]
        found = True
        return f"${{{{ {amended(inside, known)} }}}}"

    marked = _LIKE.sub(mark, text[: 1 << 16]) + text[1 << 16 :]
    return marked if found else None


def _means(text: str, known: Known) -> bool:
    """Whether a whole text is a reference to something that is there."""
    found = re.fullmatch(r"\$?(\w+)\.([A-Za-z][\w-]*)((?:\.\w+|\[\d+\])*)", text[:200])
    if not found:
        return known.item and text in ("item", "index")
    named = found[1] in ("steps", *STEPS) and (found[2] in known.steps or found[2] in known.renamed)
    of_input = found[1] in ("inputs", *INPUTS) and found[2] in known.inputs
    return named or of_input or (known.item and found[1] == "item")


def amended(source: str, known: Known) -> str:
    """The expression with every slip that is known put right; the same where there is none, or where it is too long."""
    if len(source) > SOURCE_BYTES:
        return source
    source = re.sub(r"^\s*(?:\$?\{\{)?(.*?)(?:\}\})?\s*$", r"\1", source, flags=re.DOTALL).strip()
    source = _pipes(source)
    for old, new in known.renamed.items():
        source = re.sub(rf"\b(steps|needs|jobs)(\.|\[['\"]){re.escape(old)}(?![\w-])(?:['\"]\])?", rf"\1.{new}", source)
    source = re.sub(r"\bis\s+not\s+(None|null)\b", "!= null", source)
    source = re.sub(r"\bis\s+(None|null)\b", "== null", source)
    source = re.sub(
        r"\b(contains|startsWith|endsWith)\(\s*((?:steps|inputs|item|last)[\w.\[\]]*)\s*,\s*", r"\2.\1(", source
    )
    source = _words(source)
    return _paths(source, known)


def _pipes(source: str) -> str:
    """Jinja's filters: `x | default('')`, `x | length`."""
    while found := re.match(r"^([^|]+?)\s*\|\s*(\w+)(?:\(([^()]*)\))?\s*(?=\||$)(?!\|\|)", source):
        more = f", {found[3]}" if found[3] else ""
        source = f"{FUNCTIONS.get(found[2], found[2])}({found[1].strip()}{more}){source[found.end() :]}"
    return source


def _words(source: str) -> str:
    """Words and marks, one by one; a space stays where it stood."""
    line = list(tokens(source))
    out, position, skip = [], 0, 0
    for at, token in enumerate(line):
        if skip:
            skip -= 1
            continue
        before = line[at - 1].text if at else ""
        after = line[at + 1].text if at + 1 < len(line) else ""
        new = token.text
        if token.kind == "name":
            new = _name(token.text, before, after)
        elif new == "$":
            new = ""
        elif new == "=" and before not in ("=", "!", "<", ">"):
            run = 1 + sum(1 for _ in _same(line, at))
            new, skip = "==", run - 1
        elif new == "!" and after == "=" and _adjacent(line, at):
            run = 1 + sum(1 for _ in _same(line, at + 1))
            new, skip = "!=", run
        elif new == "<" and after == ">" and _adjacent(line, at):
            new, skip = "!=", 1
        out += [source[position : token.start], new]
        position = line[at + skip].end
        if new == "!" and token.text == "not":
            position += len(source[position:]) - len(source[position:].lstrip())
    return "".join(out) + source[position:]


def _same(line: list[Token], at: int) -> list[Token]:
    """The equals signs right after the one at `at`."""
    found = []
    while at + 1 < len(line) and line[at + 1].text == "=" and _adjacent(line, at):
        at += 1
        found.append(line[at])
    return found


def _adjacent(line: list[Token], at: int) -> bool:
    return line[at].end == line[at + 1].start


def _name(text: str, before: str, after: str) -> str:
    if after == "(":
        return FUNCTIONS.get(text, WORDS.get(text, text))
    if before == ".":
        return "size()" if text == "length" else text
    return WORDS.get(text, text)


def _paths(source: str, known: Known) -> str:
    """Each path made one that leads somewhere, where it is clear which."""
    line = list(tokens(source))
    bound = {line[i + 2].text for i in range(len(line) - 3) if line[i].text in MACROS and line[i + 3].text == ","}
    out, position, at = [], 0, 0
    while at < len(line):
        token, before = line[at], line[at - 1].text if at else ""
        after = line[at + 1].text if at + 1 < len(line) else ""
        if token.kind != "name" or before == "." or after == "(" or token.text in bound or token.text in WORDS.values():
            at += 1
            continue
        names, last = _followed(line, at)
        out += [source[position : token.start], _written(_better(names, known))]
        position = line[last].end
        at = last + 1
    return "".join(out) + source[position:]


def _written(names: Names) -> str:
    return "".join(f"[{name}]" if isinstance(name, int) else f".{name}" for name in names).removeprefix(".")


def _followed(line: list[Token], at: int) -> tuple[Names, int]:
    """The names from `at` on, `['x']` and `[0]` among them, and where the last one stands; a method is none."""
    names: Names = [line[at].text]
    last = at
    while last + 2 < len(line):
        mark, name = line[last + 1], line[last + 2]
        after = line[last + 3].text if last + 3 < len(line) else ""
        if mark.text == "." and name.kind == "name" and after != "(":
            names.append(name.text)
            last += 2
        elif mark.text == "[" and after == "]" and name.kind == "string" and re.fullmatch(r"[a-z]\w*", name.text[1:-1]):
            names.append(name.text[1:-1])
            last += 3
        elif mark.text == "[" and after == "]" and name.text.isdigit():
            names.append(int(name.text))
            last += 3
        else:
            break
    return names, last


def _better(names: Names, known: Known) -> Names:
    root, rest = str(names[0]), names[1:]
    if root not in ROOTS:
        root, rest = _rooted(root, rest, known)
    first = str(rest[0]) if rest else ""
    if root == "inputs" and rest and first not in known.inputs:
        rest = [nearest(first.lower(), sorted(known.inputs)) or first, *rest[1:]]
    if root != "steps" or not rest:
        return [root, *rest]
    step = first if first in known.steps else nearest(first.lower(), sorted(known.steps)) or first
    made: Names = [step]
    for place, name in enumerate(rest[1:], 2):
        fields = known.fields(made) if isinstance(name, str) and name != "error" else ()
        if not fields or name in fields:
            made.append(name)
        elif name not in RESULT or place == len(rest) or _field(str(rest[place]), fields) not in fields:
            made.append(_field(str(name), fields))
    return [root, *made]


def _field(name: str, fields: Collection[str]) -> str:
    elsewhere = [one for one in FIELDS.get(name, ()) if one in fields]
    return elsewhere[0] if elsewhere else nearest(name, sorted(fields)) or name


def _rooted(root: str, rest: Names, known: Known) -> tuple[str, Names]:
    """The root that was meant."""
    if root in known.steps:
        return "steps", [root, *rest]
    if root in STEPS and rest and (rest[0] in known.steps or nearest(str(rest[0]), sorted(known.steps))):
        return "steps", rest
    if root in INPUTS and rest:
        return "inputs", rest
    if root == "github" and rest[:2] == ["event", "inputs"]:
        return "inputs", rest[2:]
    if root in known.inputs and not rest:
        return "inputs", [root]
    return _local(root, rest, known)


def _local(root: str, rest: Names, known: Known) -> tuple[str, Names]:
    if root in ITEM and known.item:
        if rest[:1] in (["index"], ["index0"]):
            return "index", []
        return "item", rest[1:] if root in ("matrix", "loop", "each") else rest
    if root in LAST and known.last:
        return "last", rest
    near = nearest(root, ["steps", "inputs", "item", "index", "last"])
    return (near, rest) if near else (root, rest)
