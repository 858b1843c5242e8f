"""What a page's own style sheet hides by a class or an id: `.note { display: none }`.

Only rules of one class or id count, outside of `@media` and the like, and only what takes text away for good: pages
fade things in by `opacity`, and hide by longer selectors what a script then shows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from astro_mcp.agents.search.styles import declared, hides, shows_ground

_STYLE: Final = re.compile(r"<style\b[^>]*+(?:>|\Z)", re.IGNORECASE)
_END: Final = re.compile(r"</style", re.IGNORECASE)
_COMMENT: Final = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_MARKUP: Final = re.compile("<!--|-->")
_BRACE: Final = re.compile("([{}])")
_ONE: Final = re.compile(r"[a-z]*([.#])([\w-]+)\Z", re.IGNORECASE)
_NONE: Final = re.compile(r"display\s*:\s*none", re.IGNORECASE)
_MOST: Final = 1_000_000
"""Characters of style sheets that are read."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """Classes and ids, each with the kind of hiding; `grounds` are classes that cut letters out of the background."""

    classes: Mapping[str, str]
    ids: Mapping[str, str]
    grounds: frozenset[str]

    def __bool__(self) -> bool:
        return bool(self.classes or self.ids)

    def hides(self, attributes: Mapping[str, str]) -> str:
        """How the sheet hides an element with these attributes; empty where it does not."""
        names = attributes.get("class", "").split()
        seen = "color" if not self.grounds.isdisjoint(names) else ""
        found = (self.classes.get(name, "") for name in names)
        return next((kind for kind in found if kind not in ("", seen)), "") or self.ids.get(
            attributes.get("id", ""), ""
        )


def sheet_of(source: str) -> Sheet:
    """The rules of every `style` element of a page, the last one of a selector as in a browser. Linear."""
    classes: dict[str, str] = {}
    ids: dict[str, str] = {}
    grounds: set[str] = set()
    for selectors, declarations in _rules(_css(source)):
        kind = hides(declarations)
        if "opacity" in declarations and not _NONE.search(declarations):
            kind = ""
        for selector in selectors.split(","):
            if one := _ONE.match(selector.strip()):
                kinds = classes if one[1] == "." else ids
                if "background-clip" in declarations and shows_ground(declared(declarations)):
                    grounds.add(one[2])
                if kind:
                    kinds[one[2]] = kind
                elif "display" in declarations or "visibility" in declarations:
                    kinds.pop(one[2], None)
    return Sheet(classes, ids, frozenset(grounds))


def _css(source: str) -> str:
    parts: list[str] = []
    left, position = _MOST, 0
    while left > 0 and (start := _STYLE.search(source, position)):
        end = _END.search(source, start.end())
        position = end.end() if end else len(source)
        parts.append(source[start.end() : end.start() if end else position][:left])
        left -= len(parts[-1])
    return _MARKUP.sub(" ", _COMMENT.sub("", "\n".join(parts)))


def _rules(css: str) -> list[tuple[str, str]]:
    """Selectors and declarations of the rules that stand in nothing."""
    out: list[tuple[str, str]] = []
    depth, selectors = 0, ""
    parts = _BRACE.split(css)
    for text, brace in zip(parts[::2], parts[1::2], strict=False):  # behind the last brace is no rule
        if brace == "{":
            depth += 1
            selectors = _past_statements(text) if depth == 1 else ""
        else:
            if depth == 1 and selectors and not selectors.lstrip().startswith("@"):
                out.append((selectors, text))
            depth, selectors = max(0, depth - 1), ""
    return out


def _past_statements(text: str) -> str:
    """What stands behind `@charset …;` and `@import …;`."""
    return text.rpartition(";")[2] if text.lstrip().startswith("@") else text
