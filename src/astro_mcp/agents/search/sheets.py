"""What a page's own style sheet hides by a class or an id: `.note { display: none }`.

Only rules of one class or id count, and only what takes text away for good: pages fade things in by `opacity`, and hide
by longer selectors what a script then shows. Rules for some widths show what is hidden elsewhere, and hide nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from astro_mcp.agents.search.media import Reach, reach_of
from astro_mcp.agents.search.styles import declared, hides, shows_ground, unescaped

_STYLE: Final = re.compile(r"<style\b[^>]*+(?:>|\Z)", re.IGNORECASE)
_END: Final = re.compile(r"</style", re.IGNORECASE)
_COMMENT: Final = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_MARKUP: Final = re.compile("<!--|-->")
_BRACE: Final = re.compile("([{}])")
_ONE: Final = re.compile(r"([a-z]*)([.#](?:[\w-]|\\(?:[0-9a-f]{1,6}+\s?+|.))++)\Z", re.IGNORECASE)
_SHOWN: Final = {
    "display": re.compile(r"(?:inline|block|flex|grid|table|flow|list-item|contents|initial|unset)\b"),
    "visibility": re.compile(r"(?:visible|initial)\Z"),
}
_HIDDEN: Final = {"display": ("none",), "visibility": ("hidden", "collapse")}
_MOST: Final = 1_000_000
"""Characters of style sheets that are read."""
_INHERITED: Final = 200
"""Characters of a selector that blocks within its rule are read for: there may be many of both."""

Weight = tuple[bool, bool, bool, bool, int]
"""What wins in a browser: `!important`, the layer, an id, a tag's name beside it, the later one."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """By class (".x") or id ("#x"): for `display` and `visibility` what its strongest rule weighs, and whether it
    hides; in `others` the kind of any other hiding. `grounds` are classes that cut letters out of the background."""

    switches: Mapping[str, Mapping[str, tuple[Weight, bool]]]
    others: Mapping[str, str]
    grounds: frozenset[str]

    def __bool__(self) -> bool:
        return bool(self.switches or self.others)

    def hides(self, attributes: Mapping[str, str]) -> str:
        """How the sheet hides an element with these attributes; empty where it does not."""
        names = [f".{name}" for name in attributes.get("class", "").split()] + [f"#{attributes.get('id', '')}"]
        for switch in self.switches.values():
            if max((switch[name] for name in names if name in switch), default=((), False))[1]:
                return "style"
        seen = "color" if not self.grounds.isdisjoint(names) else ""
        found = (self.others.get(name, "") for name in names)
        return next((kind for kind in found if kind not in ("", seen)), "")


@dataclass(slots=True)
class _Block:
    """What stands between braces: whom it reaches, its rule's selectors, and the rule's own declarations."""

    reach: Reach = "every"
    layered: bool = False
    selectors: str = ""
    declarations: list[str] = field(default_factory=list)


def sheet_of(source: str) -> Sheet:
    """The rules of every `style` element of a page, the last one of a selector as in a browser. Linear."""
    switches: dict[str, dict[str, tuple[Weight, bool]]] = {name: {} for name in _HIDDEN}
    others: dict[str, str] = {}
    grounds: set[str] = set()
    for order, block in enumerate(_rules(_css(source))):
        text = ";".join(block.declarations)
        given, forced, fades = declared(text), _forced(text), "opacity" in text
        kind = "" if fades or block.reach == "wide" else hides(text) and hides(_without_switches(text))
        for selector in block.selectors.split(","):
            if not (one := _ONE.match(selector.strip())):
                continue
            name = unescaped(one[2])
            if block.reach == "every" and "background-clip" in text and shows_ground(given):
                grounds.add(name)
            if kind:
                others[name] = kind
            for switch, rules in switches.items():
                hidden = _turned(switch, given)
                if hidden is None or (hidden and (block.reach == "wide" or (fades and switch != "display"))):
                    continue
                important = switch in forced
                weight = (important, block.layered == important, name[0] == "#", bool(one[1]), order)
                rules[name] = max(rules.get(name, (weight, hidden)), (weight, hidden))
    kept = {switch: rules for switch, rules in switches.items() if any(hidden for _, hidden in rules.values())}
    return Sheet(kept, others, frozenset(grounds))


def _turned(switch: str, given: Mapping[str, str]) -> bool | None:
    """Whether declarations hide by `display` or `visibility`, or show; None where they do neither."""
    value = given.get(switch, "")
    if value in _HIDDEN[switch]:
        return True
    return False if _SHOWN[switch].match(value) else None


def _forced(text: str) -> set[str]:
    return {name for part in text.split(";") if "!" in part for name in declared(part)}


def _without_switches(text: str) -> str:
    return ";".join(part for part in text.split(";") if _HIDDEN.keys().isdisjoint(declared(part)))


def _css(source: str) -> str:
    parts: list[str] = []
    left, position = _MOST, 0
    while left > 0 and (start := _STYLE.search(source, position)):
        end = _END.search(source, start.end())
        position = end.end() if end else len(source)
        parts.append(source[start.end() : end.start() if end else position][:left])
        left -= len(parts[-1])
    return _MARKUP.sub(" ", _COMMENT.sub("", "\n".join(parts)))


def _rules(css: str) -> Iterator[_Block]:
    """The rules that reach readers, as they end."""
    around = [_Block()]
    parts = _BRACE.split(css)
    for text, brace in zip(parts[::2], parts[1::2], strict=False):  # behind the last brace is no rule
        block = around[-1]
        if brace == "{":
            prelude = _past_statements(text)
            if block.selectors:
                own, _, prelude = text.rpartition(";")
                block.declarations.append(own)
            around.append(_opened(prelude.strip(), block))
            continue
        block.declarations.append(text)
        if block.selectors and block.reach != "none":
            yield block
        if len(around) > 1:
            around.pop()


def _opened(prelude: str, around: _Block) -> _Block:
    if not prelude.startswith("@"):
        return _Block("none" if around.selectors else around.reach, around.layered, prelude)
    reach = reach_of(prelude)
    least: Reach = "none" if "none" in (reach, around.reach) else "wide" if "wide" in (reach, around.reach) else "every"
    own = around.selectors
    inherited = own if len(own) <= _INHERITED and "," not in own else ""
    return _Block(least, around.layered or prelude[:6].lower() == "@layer", inherited)


def _past_statements(text: str) -> str:
    """What stands behind `@charset …;` and `@import …;`."""
    return text.rpartition(";")[2] if text.lstrip().startswith("@") else text
