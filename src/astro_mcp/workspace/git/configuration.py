"""A repository's `config`, read as text. Git itself never sees that file.

Only values that are data are taken from it: the object format, the upstream of a branch, whether modes mean
something and links are there, which folder a submodule's repository belongs to. Includes are not followed.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_SECTION: Final = re.compile(r'\s*\[\s*([A-Za-z0-9.-]+)(?:\s+"((?:[^"\\\n]|\\.)*)")?\s*\](.*)')
_ENTRY: Final = re.compile(r"\s*([A-Za-z][A-Za-z0-9-]*)\s*(?:=\s*(.*))?")
_ESCAPES: Final = {"n": "\n", "t": "\t", "b": "\b", '"': '"', "\\": "\\"}

Key = tuple[str, str, str]


def parse(text: str) -> dict[Key, str]:
    """`(section, subsection, key) -> value`, the last one winning; section and key in lower case.

    Syntax as in git-config(1); a line that is not of it is passed over, for nothing here depends on being complete.
    """
    return dict(_parsed(text))


@lru_cache(maxsize=8)
def _parsed(text: str) -> dict[Key, str]:
    """The same text says the same."""
    values: dict[Key, str] = {}
    section, subsection = "", ""
    for line in re.sub(r"\\\r?\n", "", text).splitlines():
        rest = line
        if found := _SECTION.match(line):
            section, subsection, rest = found[1].lower(), re.sub(r"\\(.)", r"\1", found[2] or ""), found[3]
        entry = _ENTRY.fullmatch(rest)
        if entry and section:
            values[section, subsection, entry[1].lower()] = "true" if entry[2] is None else _value(entry[2])
    return values


def _value(raw: str) -> str:
    """Quotes and escapes undone, a comment and the spaces around left out."""
    out: list[str] = []
    quoted, kept, characters = False, 0, iter(raw)
    for character in characters:
        if character == "\\":
            following = next(characters, "")
            out.append(_ESCAPES.get(following, following))
        elif character == '"':
            quoted = not quoted
        elif character in "#;" and not quoted:
            break
        else:
            out.append(character)
        if quoted or not character.isspace():
            kept = len(out)
    return "".join(out[:kept])
