"""From a tree to marks. Only what is longer than a passage is looked into, so that most of a tree is never seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from astro_mcp.agents.knowledge.outline.grammars import Grammar
from astro_mcp.agents.knowledge.outline.protocol import MOST_MARKS

if TYPE_CHECKING:
    from tree_sitter import Node

LOOKED_INTO: Final = 1000
"""Bytes from which on a node's own parts may become passages."""
LONG: Final = 200
"""Bytes from which on a constant has a mark of its own."""
DEEPEST: Final = 60
"""Levels of nodes that are looked into."""
MOST_NODES: Final = 200_000
_FUNCTIONS: Final = frozenset(
    ("arrow_function", "function_expression", "generator_function", "function", "class", "class_expression")
)
_WITH_BODY: Final = frozenset(("struct_specifier", "union_specifier", "enum_specifier", "class_specifier"))
Found = tuple[int, int, int]
"""Bytes: start, end and name."""


class Walk:
    """One file's tree. `broken` are the bytes in which the grammar found no sense."""

    def __init__(self, grammar: Grammar) -> None:
        self._definitions = frozenset(grammar.definitions.split())
        self._comments = frozenset(grammar.comments.split())
        self._wrappers = frozenset(grammar.wrappers.split())
        self._holders = frozenset(grammar.holders.split())
        self._constants = frozenset(grammar.constants.split())
        self._nodes = 0
        self.broken = 0

    def marks(self, root: Node) -> list[Found]:
        """The first marks of the tree, by where they start; an outer one before what is within."""
        found: list[Found] = []
        waiting = [(root, 0)]
        while waiting and len(found) < MOST_MARKS and self._nodes < MOST_NODES:
            node, depth = waiting.pop()
            for mark, inner in self._within(node, top=depth == 0):
                if mark is not None:
                    found.append(mark)
                if depth < DEEPEST and inner.end_byte - inner.start_byte > LOOKED_INTO:
                    waiting.append((inner, depth + 1))
        return sorted(found, key=lambda mark: (mark[0], -mark[1]))[:MOST_MARKS]

    def _within(self, node: Node, *, top: bool) -> Iterator[tuple[Found | None, Node]]:
        """The parts of `node`: each with its mark, where it is a definition, and where to look on for those within."""
        above = above_row = last_row = -1
        for child in node.named_children:
            self._nodes += 1
            if child.is_error:
                self.broken += child.end_byte - child.start_byte
            kind = child.type
            if kind in self._comments:
                row = child.start_point[0]
                if row != last_row:  # what stands behind code on its line belongs to that
                    above = above if 0 <= above_row >= row - 1 else child.start_byte
                    last_row = above_row = _last_row(child)
                continue
            inner = self._defined(child, kind, top=top)
            if inner is None:
                yield None, child
            else:
                attached = above >= 0 and above_row >= child.start_point[0] - 1
                yield (above if attached else child.start_byte, child.end_byte, _name(inner)), inner
            above = above_row = -1
            last_row = _last_row(child)

    def _defined(self, node: Node, kind: str, *, top: bool) -> Node | None:
        """The definition that `node` is, or stands around."""
        if kind in self._wrappers:
            for child in node.named_children[-3:]:
                if inner := self._defined(child, child.type, top=top):
                    return inner
            return None
        if kind in self._definitions:
            return node if kind not in _WITH_BODY or node.child_by_field_name("body") else None
        if kind in self._holders and _holds_function(node):
            return node
        long = node.end_byte - node.start_byte >= LONG
        return node if top and long and kind in self._constants else None


def _last_row(node: Node) -> int:
    row, column = node.end_point
    return row if column else row - 1  # some comments end with their line


def _name(node: Node) -> int:
    """Where the name stands; at the start where there is none."""
    if node.type == "type_definition":
        return node.start_byte  # its name stands behind all that it names
    found = node.child_by_field_name("name") or node.child_by_field_name("declarator")
    return (found or node.child_by_field_name("type") or node).start_byte


def _holds_function(node: Node) -> bool:
    """Whether the value that is bound is a function or a class."""
    for part in (node, node.named_children[0] if node.named_child_count else None):
        value = part and (part.child_by_field_name("value") or part.child_by_field_name("right"))
        if value:
            return value.type in _FUNCTIONS
    return False
