"""A look at HTML before it is converted: what is hidden gets a mark.

Start tags get attributes, powers a sign and media a link to their source; comments go, and so do URLs that carry their
own content; nothing else is changed. Which text an element holds is left to the parser that comes after, so that a tag
that is never closed can't make the two disagree.
The scan is linear: every pattern is possessive, and nothing is looked for twice.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from astro_mcp.agents.search.sheets import Sheet, sheet_of
from astro_mcp.agents.search.styles import hides

MARK: Final = "data-astro-out"
CLOSED: Final = "closed"
"""The mark's value on a panel of tabs that nothing but its attribute `hidden` hides."""
LABELS: Final = frozenset({"title", "aria-label"})
"""What stands for a link without text."""
_SPACE: Final = r"[\t\n\f\r ]"
_NAME: Final = r"(?:=[^\t\n\f\r />=]*+|[^\t\n\f\r />=]++)"
_VALUE: Final = r"""(?:"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z)|[^\t\n\f\r >"'][^\t\n\f\r >]*+)"""
_TOKEN: Final = re.compile(
    rf"<!--|<[!?]|</(?![A-Za-z])|<(?P<name>/?[A-Za-z][^\t\n\f\r />]*+)"
    rf"(?P<attributes>(?:[\t\n\f\r /]*+{_NAME}(?:{_SPACE}*+={_SPACE}*+{_VALUE}?+)?+)*+)[\t\n\f\r /]*+(?P<close>>?)"
)
_ATTRIBUTE: Final = re.compile(rf"({_NAME})(?:{_SPACE}*+={_SPACE}*+({_VALUE}?+))?+")
_OF_INTEREST: Final = re.compile(r"style|hidden|popover|href|src", re.IGNORECASE)
_BLANK: Final = r"[\s\xad\u200b-\u200d\u2060\ufeff]|&(?:nbsp|shy|ZeroWidthSpace|#8203|#x200b);"
_EMPTY: Final = re.compile(rf"(?:{_BLANK})*+</a\b", re.IGNORECASE)
_SIGN: Final = re.compile(
    rf"(?:{_BLANK}|[#§¶∞⚓🔗\ufe0f\ue000-\uf8ff]|&(?:para|sect|num|#182|#xb6|#167|#xa7);|</?(?:i|span|svg|g|path|use)\b[^<>]*+>)*+</a\b",
    re.IGNORECASE,
)
"""The sign, or the icon (of a font of icons, too), beside a heading that links to itself."""
_POWER: Final = re.compile(r"(?:[-+\u2212]|&minus;)?+(?:\d{1,9}+|[a-z])</sup>", re.IGNORECASE)
_RAISED: Final = ("</i>", "</em>", "</var>")
_COMMENT_END: Final = re.compile(r"--!?>")
_BOGUS_END: Final = re.compile(">")
_RAW: Final = frozenset({"script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes"})
_VOID: Final = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)
_UNSEEN: Final = frozenset({"template", "noscript"})
_UNSHOWN: Final = frozenset({"canvas", "datalist", "dialog", "meter", "noembed", "noframes", "object", "progress"})
"""Of what is in these browsers show nothing: of a dialog until it is open, of an object where it has data."""
_MEDIA: Final = frozenset({"audio", "video"})
"""What is in these is for browsers that can't play them."""
_WHOLE: Final = frozenset({"html", "body", "main"})
"""What pages hide from a screen reader while a dialog stands before it, and show all the same."""
_SEEN: Final = _WHOLE | {"img"}
"""Pictures of formulas as well, beside MathML that only a screen reader is given."""
_URLS: Final = frozenset({"href", "src"})
_CONTENT: Final = re.compile(r"(?:data|javascript):", re.IGNORECASE)
_BLANKS: Final = re.compile(r"[\x00-\x20]+")


@dataclass(slots=True)
class Marked:
    """The page with marks, how much is hidden by each kind of hiding, and how many marks say `CLOSED`."""

    text: str
    title: str
    hidden: Counter[str]
    closed: int = 0


@dataclass(slots=True)
class _Scan:
    source: str
    sheet: Sheet
    xml: bool
    edits: list[tuple[int, int, str]] = field(default_factory=list)  # from, to, and what stands there instead
    hidden: Counter[str] = field(default_factory=Counter)
    title: str = ""
    closed: int = 0
    listing: bool = False  # whether a "pre" is open
    media: tuple[int, str] | None = None  # which edit and what has no source yet

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
        self.hidden["comment"] += found[0] == "<!--"
        self.edits.append((found.start(), end.end(), ""))  # the converter takes quadratic time over some of them
        return end.end()

    def _past_tag(self, found: re.Match[str], name: str) -> int:
        if not found["close"]:
            return -1
        if name.startswith("/"):
            if name[1:] in _MEDIA:
                self.media = None
            elif name == "/pre":
                self.listing = False
            return found.end()
        self.listing = self.listing or name == "pre"
        closed = self.xml and name not in _VOID and found[0].endswith("/>")
        end = self._past_raw(found.end(), name) if name in _RAW and not closed else found.end()
        if end >= 0:
            self._judge(found, name)
        if name == "sup" and self._is_power(found):
            self.edits.append((found.end(), found.end(), "^"))
        if closed:
            self.edits.append((found.end(), found.end(), f"</{name}>"))
        return end

    def _judge(self, found: re.Match[str], name: str) -> None:
        if name in _UNSEEN:
            self.hidden[name] += 1
            return
        text = found["attributes"]
        if not (name in _UNSHOWN or name in _MEDIA or _OF_INTEREST.search(text) or (self.sheet and text)):
            return
        attributes = _attributes(text)
        if kind := self._kind(name, attributes):
            self.hidden[kind] += 1
            closed = attributes.get("role") == "tabpanel" and kind == "hidden" and self._is_shut_alone(name, attributes)
            self.closed += closed
            self.edits.append((found.end("name"), found.end("name"), f' {MARK}="{CLOSED}"' if closed else f" {MARK}"))
        elif name in _MEDIA:
            self._leave_source(found, name, attributes.get("src", ""))
        elif name == "source" and self.media and "src" in attributes:
            self.edits[self.media[0]] = self._played(self.edits[self.media[0]][0], self.media[1], attributes["src"])
            self.media = None
        elif name != "img" and any(_carries(attributes.get(url, "")) for url in _URLS):
            self.hidden["url"] += 1
            self.edits.append((found.start("attributes"), found.end("attributes"), ""))
        elif name == "a" and self.listing:  # code would have Markdown in it
            self.edits.append((found.start("attributes"), found.end("attributes"), ""))
        elif name == "a" and self._says_nothing(attributes, found.end()):
            self.edits.append((found.end("name"), found.end("name"), f" {MARK}"))

    def _leave_source(self, found: re.Match[str], name: str, url: str) -> None:
        """Put an empty element with the address before this one, which is left out."""
        self.hidden[name] += 1
        self.media = None if url else (len(self.edits), name)
        self.edits.append(self._played(found.start(), name, url))
        self.edits.append((found.end("name"), found.end("name"), f" {MARK}"))

    def _played(self, place: int, name: str, url: str) -> tuple[int, int, str]:
        usable = url and not _carries(url)
        return place, place, f'<{name} src="{html.escape(url)}"></{name}>' if usable else ""

    def _is_power(self, found: re.Match[str]) -> bool:
        """Whether a number stands above another's line: without a sign 10 to the sixth would be 106."""
        before = self.source[max(0, found.start() - 6) : found.start()]
        raised = before[-1:].isalnum() or before.endswith((")", *_RAISED))
        return raised and _POWER.match(self.source, found.end()) is not None

    def _says_nothing(self, link: dict[str, str], start: int) -> bool:
        if link.get("href", "").startswith("#"):
            return _SIGN.match(self.source, start) is not None
        return link.keys().isdisjoint(LABELS) and _EMPTY.match(self.source, start) is not None

    def _kind(self, name: str, attributes: dict[str, str]) -> str:
        """How an element is hidden; empty where it is not."""
        if _is_unshown(name, attributes):
            return name
        for kind in ("hidden", "popover"):
            if kind in attributes:
                return kind
        if kind := hides(attributes["style"]) if "style" in attributes else "":
            return kind
        if name not in _SEEN and attributes.get("aria-hidden", "").strip().lower() == "true":
            return "aria-hidden"
        return self.sheet.hides(attributes) if name not in _WHOLE else ""

    def _is_shut_alone(self, name: str, attributes: dict[str, str]) -> bool:
        """Whether nothing but its attribute `hidden` hides an element."""
        return not self._kind(name, {key: value for key, value in attributes.items() if key != "hidden"})

    def _past_raw(self, start: int, name: str) -> int:
        end = re.compile(rf"</{name}(?=[\t\n\f\r />]|\Z)", re.IGNORECASE).search(self.source, start)
        if end is None:
            return -1
        if name == "title" and not self.title:
            self.title = " ".join(html.unescape(self.source[start : end.start()]).split())[:300]
        return end.start()


def mark(source: str, *, xml: bool = False) -> Marked:
    """Scan `source`. `xml`: it is XHTML, where `<script src="x"/>` is a whole element; in HTML that begins one."""
    scan = _Scan(source, sheet_of(source), xml)
    scan.run()
    return Marked(_edited(scan.source, scan.edits), scan.title, scan.hidden, scan.closed)


def _edited(source: str, edits: list[tuple[int, int, str]]) -> str:
    parts, position = [], 0
    for start, end, text in edits:
        parts += [source[position:start], text]
        position = end
    return "".join([*parts, source[position:]])


def _attributes(text: str) -> dict[str, str]:
    """By lower-case name, entities decoded; the first one of a name counts."""
    out: dict[str, str] = {}
    for name, value in _ATTRIBUTE.findall(text):
        out.setdefault(name.lower(), html.unescape(value.strip("\"'")))
    return out


def _is_unshown(name: str, attributes: dict[str, str]) -> bool:
    if name == "dialog":
        return "open" not in attributes
    return name in _UNSHOWN and (name != "object" or "data" in attributes)


def _carries(url: str) -> bool:
    """Whether a URL holds its own content; browsers pass over blanks in it."""
    return _CONTENT.match(_BLANKS.sub("", url[:200])) is not None
