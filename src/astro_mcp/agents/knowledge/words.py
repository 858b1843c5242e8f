"""Words for the full-text index: identifiers count whole, and as the words that they are made of."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

MOST_TERMS: Final = 64
"""Terms of one query; more add time and no relevance."""
LONGEST: Final = 80
"""Characters of one term: what is longer is data and no word."""

STEM: Final = 4
"""Characters of a word that always count."""
ENDING: Final = 3
"""Characters at a word's end that don't, where there are more than `STEM`."""

_JOINING_WORDS: Final = (
    "a about an and are as at be been but by can did do does for from had has have how i if in into is it its may of on"
    " or our should so that the their them then there these they this to us was we were what when where which who why"
    " will with would you your"
)
_JOINING: Final = frozenset(_JOINING_WORDS.split())
_WORD: Final = re.compile(r"\w+")
_UNBROKEN: Final = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Scripts that set no blanks between words: Chinese and Japanese."""
_RUN: Final = re.compile(f"[{_UNBROKEN}]+")
_LEADS: Final = re.compile(rb"[\xe3-\xe9\xf0][\x80-\xbf]")
"""How most characters of those scripts begin in UTF-8, and a few of others."""
UNBROKEN_VERSION: Final = "2"
"""Part of the digest of a document with such: another way to take it apart makes it new."""
_PART: Final = re.compile(rf"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[{_UNBROKEN}]+|[^\W\d_A-Za-z{_UNBROKEN}]+")

_NUMBER: Final = re.compile(r"(?<![\w.])v?(\d{1,9}(?:\.\d{1,9}){2,4})(?!\w|\.\w)")
_EDGES: Final = re.compile(r":\s|\n|[\"“”`]|(?<!\w)'|'(?!\w)")
"""Where a message begins or ends: behind the name of an error, at the end of a line, at quotes."""
SAID: Final = 3
"""Words that a message has at least."""
MOST_PHRASES: Final = 4
LONGEST_PHRASE: Final = 200

_LETTER: Final = re.compile(r"(?<!\w)([A-Za-z])(?:\+\+|#)")
"""The letter of C++ and C#: all of these names that the full-text index has."""
_JOINED: Final = re.compile(r"_[^\W_]|[^\W_]_|[a-z][A-Z]|[^\W\d_]\d{4}")


def names_identifier(query: str) -> bool:
    """Whether a word of `query` is written as names are: `send_file`, `sendFile`, `E40213`."""
    return _JOINED.search(query) is not None


def parts(word: str) -> list[str]:
    """The words inside an identifier: `parseHTTPConfig` and `parse_http_config` give parse, http, config. What is
    written without blanks goes by two characters, which overlap: most words of Chinese and Japanese are such pairs."""
    return [piece for part in _PART.findall(word) for piece in _pieces(part.lower())]


def _pieces(part: str) -> list[str]:
    return [part[n : n + 2] for n in range(max(1, len(part) - 1))] if _RUN.match(part) else [part]


def unbroken(data: bytes) -> bool:
    """Whether UTF-8 may have text without blanks in it."""
    return _LEADS.search(data) is not None


def split_identifiers(text: str) -> str:
    """The parts of every identifier in `text` that has more than one, each once, in the order of the text."""
    found: dict[str, None] = {}
    for word in dict.fromkeys(_WORD.findall(text)):
        if word.isascii() and word.isalpha() and (word.islower() or word[1:].islower()):
            continue  # most words have one part, and looking for it takes longer than all else here
        if (len(word) <= LONGEST or _RUN.search(word)) and len(pieces := parts(word)) > 1:
            found.update(dict.fromkeys(pieces))
    return " ".join(found)


def any_of(terms: Iterable[str]) -> str:
    """An FTS5 expression that finds any of `terms`; "" where there is none.

    Every term is quoted, so that nothing in a query is an operator.
    """
    return " OR ".join(f'"{term}"' for term in terms)


def terms(query: str) -> list[str]:
    """The words to look for, and the parts of those that are identifiers.

    Words that only join others count where there is nothing else: in a small index they are rare, and would outweigh
    the rest. So do letters, but for those of C++ and C#.
    """
    words = _WORD.findall(query)
    letters = dict.fromkeys(letter.lower() for letter in _LETTER.findall(query))
    found = letters | _terms([word for word in words if word.lower() not in _JOINING] or words)
    return list(found or dict.fromkeys(word.lower() for word in words if len(word) == 1))[:MOST_TERMS]


def phrases(query: str) -> list[str]:
    """What is to stand in a text as it stands in `query`: the number of a version (5.0.1), and the words of a message
    that was pasted, the last line first. None in a question of plain words."""
    words = [" ".join(_WORD.findall(piece)) for piece in reversed(_EDGES.split(query))]
    said = [piece for piece in words if piece.count(" ") >= SAID - 1] if len(words) > 1 else []
    return [one for one in dict.fromkeys([*_NUMBER.findall(query), *said]) if len(one) <= LONGEST_PHRASE][:MOST_PHRASES]


def terms_of_text(text: str) -> set[str]:
    """All that a query could look for in `text`, without the words that only join others."""
    return set(_terms(word for word in dict.fromkeys(_WORD.findall(text)) if word.lower() not in _JOINING))


def _terms(words: Iterable[str]) -> dict[str, None]:
    return {
        term: None
        for word in words
        for term in (word.lower(), *parts(word))
        if len(term) <= LONGEST and (len(term) > 1 or not term.isascii() or term.isdigit())
    }


def covered(query: str, text: str) -> float:
    """The share of the query's terms that `text` has, from 0 to 1; endings don't count, and marks on letters as little
    as they do in the index."""
    sought = [term[: max(STEM, len(term) - ENDING)] for term in map(_plain, terms(query))]
    low = _plain(text.lower())
    return sum(stem in low for stem in sought) / len(sought) if sought else 0.0


def _plain(text: str) -> str:
    """`text` without the marks on its letters."""
    if text.isascii():
        return text
    return "".join(letter for letter in unicodedata.normalize("NFD", text) if not unicodedata.combining(letter))
