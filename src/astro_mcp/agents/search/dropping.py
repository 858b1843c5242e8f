"""Taking elements out of a tree, in time that grows with their number and size alone.

lxml's own way copies all text that stands behind a row of them once for each; and an element that is still held when
the tree around it was let go has that whole tree looked through.
"""

from __future__ import annotations

from collections.abc import Sequence

from lxml.html import HtmlElement


def drop(elements: Sequence[HtmlElement]) -> None:
    """Take `elements` out, and leave the text behind each where it is. Nothing else that is in them may be held."""
    going = set(elements)
    for parent in dict.fromkeys(element.getparent() for element in elements):
        if parent is None:
            continue
        before: HtmlElement | None = None
        texts = [parent.text or ""]
        for child in list(parent):
            if child in going:
                texts.append(child.tail or "")
                child.tail = None
                parent.remove(child)
            else:
                _leave(parent, before, texts)
                before, texts = child, [child.tail or ""]
        _leave(parent, before, texts)


def _leave(parent: HtmlElement, before: HtmlElement | None, texts: list[str]) -> None:
    if len(texts) == 1:
        return
    if before is None:
        parent.text = "".join(texts)
    else:
        before.tail = "".join(texts)
