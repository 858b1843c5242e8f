"""A look at HTML before it is converted: what is hidden gets a mark, the main part gets a token at either end.

Start tags get attributes and comments go; nothing else is changed. Which text an element holds is left to the
converter's parser, so that a tag that is never closed can't make the two disagree. The scan is linear: every pattern is
possessive, and nothing is looked for twice.
"""

from __future__ import annotations

import html
import re
import secrets
from dataclasses import dataclass, field
from typing import Final

from astro_mcp.agents.search.styles import hides

MARK: Final = "data-astro-out"
_SPACE: Final = r"[\t\n\f\r ]"
_NAME: Final = r"(?:=[^\t\n\f\r />=]*+|[^\t\n\f\r />=]++)"
_VALUE: Final = r"""(?:"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z)|[^\t\n\f\r >"'][^\t\n\f\r >]*+)"""
_TOKEN: Final = re.compile(
    rf"<!--|<[!?]|</(?![A-Za-z])|<(?P<name>/?[A-Za-z][^\t\n\f\r />]*+)"
    rf"(?P<attributes>(?:[\t\n\f\r /]*+{_NAME}(?:{_SPACE}*+={_SPACE}*+{_VALUE}?+)?+)*+)[\t\n\f\r /]*+(?P<close>>?)"
)
_ATTRIBUTE: Final = re.compile(rf"({_NAME})(?:{_SPACE}*+={_SPACE}*+({_VALUE}?+))?+")
_OF_INTEREST: Final = re.compile(r"style|hidden", re.IGNORECASE)
_COMMENT_END: Final = re.compile(r"--!?>")
_BOGUS_END: Final = re.compile(">")
_RAW: Final = frozenset({"script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes"})
_LANDMARKS: Final = ("main", "article")


@dataclass(slots=True)
class Marked:
    """The page with marks; `token` stands in a paragraph of its own at either end of the main part, if there is one."""

    text: str
    title: str
    hidden: int
    token: str


@dataclass(slots=True)
class _Scan:
    source: str
    article: bool
    edits: list[tuple[int, int, str]] = field(default_factory=list)  # from, to, and what stands there instead
    hidden: int = 0
    title: str = ""
    starts: dict[str, list[int]] = field(default_factory=lambda: {name: [] for name in _LANDMARKS})
    ends: dict[str, list[int]] = field(default_factory=lambda: {name: [] for name in _LANDMARKS})

    def run(self) -> None:
        position = 0
        while found := _TOKEN.search(self.source, position):
            end = self._past_tag(found, found["name"].lower()) if found["name"] else self._past_comment(found)
            if end < 0:  # a tag, a comment or a script that never ends has the rest of the page within it
                self.source = self.source[: found.start()]
                return
            position = end

    def _past_comment(self, found: re.Match[str]) -> int:
        # "<!-->" is a whole comment, hence the search from within the opening
        place = found.start() + 2
        end = (_COMMENT_END if found[0] == "<!--" else _BOGUS_END).search(self.source, place)
        if end is None:
            return -1
        self.edits.append((found.start(), end.end(), ""))  # the converter takes quadratic time over some of them
        return end.end()

    def _past_tag(self, found: re.Match[str], name: str) -> int:
        if not found["close"]:
            return -1
        if name.startswith("/"):
            self.ends.get(name[1:], []).append(found.start())
            return found.end()
        end = self._past_raw(found.end(), name) if name in _RAW else found.end()
        if end >= 0:
            self._judge(found, name)
        if name in _LANDMARKS:
            self.starts[name].append(found.end())
        return end

    def _judge(self, found: re.Match[str], name: str) -> None:
        hidden = bool(_OF_INTEREST.search(found["attributes"])) and _is_hidden(found["attributes"])
        self.hidden += hidden
        if hidden or (self.article and name in ("header", "footer") and not self._inside()):
            self.edits.append((found.end("name"), found.end("name"), f" {MARK}"))

    def _inside(self) -> bool:
        return any(len(self.starts[name]) > len(self.ends[name]) for name in _LANDMARKS)

    def _past_raw(self, start: int, name: str) -> int:
        end = re.compile(rf"</{name}(?=[\t\n\f\r />]|\Z)", re.IGNORECASE).search(self.source, start)
        if end is None:
            return -1
        if name == "title" and not self.title:
            self.title = " ".join(html.unescape(self.source[start : end.start()]).split())[:300]
        return end.start()


def mark(source: str, *, article: bool) -> Marked:
    """Scan `source`. With `article`, the page's own header and footer are marked too."""
    scan = _Scan(source, article)
    scan.run()
    token = _frame(scan) if article else ""
    return Marked(_edited(scan.source, scan.edits), scan.title, scan.hidden, token)


def _frame(scan: _Scan) -> str:
    """Put a new token at either end of the one main part, or of the one article; empty where there is neither."""
    for name in _LANDMARKS:
        if len(scan.starts[name]) == 1:
            start = scan.starts[name][0]
            end = next((place for place in scan.ends[name] if place > start), len(scan.source))
            token = secrets.token_hex(12)
            scan.edits += [(place, place, f"<p>{token}</p>") for place in (start, end)]
            return token
    return ""


def _edited(source: str, edits: list[tuple[int, int, str]]) -> str:
    parts, position = [], 0
    for start, end, text in sorted(edits):
        parts += [source[position:start], text]
        position = end
    return "".join([*parts, source[position:]])


def _is_hidden(attributes: str) -> bool:
    seen: set[str] = set()
    for name, value in _ATTRIBUTE.findall(attributes):
        key = name.lower()
        if key in seen:  # the first one counts
            continue
        seen.add(key)
        if key == "hidden" or (key == "style" and hides(html.unescape(value.strip("\"'")))):
            return True
    return False
