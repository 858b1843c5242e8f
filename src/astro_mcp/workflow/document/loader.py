"""YAML without what a hostile document needs. Imported with the first YAML text only."""

from __future__ import annotations

from typing import Any

import yaml

from astro_mcp.errors import InvalidInput
from astro_mcp.workflow.document.bounds import DEPTH


class Loader(yaml.SafeLoader):
    """The safe loader without what a hostile document needs: aliases, depth, and values that are no JSON."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise InvalidInput("aliases (*name) are not accepted", "write the value out")
        self._depth = getattr(self, "_depth", 0) + 1
        if self._depth > DEPTH:
            raise InvalidInput(f"the document is deeper than {DEPTH} levels")
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise InvalidInput(f"line {key.start_mark.line + 1}: a key is plain text")
            if key.value in seen:
                raise InvalidInput(f"line {key.start_mark.line + 1}: the key {key.value!r} stands there twice")
            seen.add(key.value)
        return {str(key.value): self.construct_object(value, deep=True) for key, value in node.value}


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in rules if not tag.endswith((":timestamp", ":merge"))]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
