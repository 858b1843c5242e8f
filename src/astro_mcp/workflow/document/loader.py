"""YAML without what a hostile document needs. Imported with the first YAML text only.

Built from the parser's events (libyaml's, where PyYAML has it), never recursive: no aliases, no tags, no depth, no
dates, no more values than a workflow can hold.
"""

from __future__ import annotations

from typing import Any, Final

import yaml

from astro_mcp.errors import InvalidInput, TooLarge
from astro_mcp.workflow.document.bounds import DEPTH, VALUES

_EVENTS: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_RESOLVER: Final[Any] = yaml.resolver.Resolver()
_CONSTRUCTOR: Final = yaml.constructor.SafeConstructor()
QUOTE: Final = "quote the text: '…'"
_NUMBER: Final = 64
"""Characters of a number at most: longer ones are beyond 64 bits, and take long to read."""
_SCALARS: Final = {
    "tag:yaml.org,2002:null": _CONSTRUCTOR.construct_yaml_null,
    "tag:yaml.org,2002:bool": _CONSTRUCTOR.construct_yaml_bool,
    "tag:yaml.org,2002:int": _CONSTRUCTOR.construct_yaml_int,
    "tag:yaml.org,2002:float": _CONSTRUCTOR.construct_yaml_float,
}
"""What plain text may mean besides text; a date stays text."""


def load_yaml(text: str) -> Any:
    """Plain data; raises `InvalidInput` with the line, `TooLarge` or a `yaml.YAMLError`."""
    built = _Builder()
    for event in yaml.parse(text, Loader=_EVENTS):
        built.take(event)
    return built.value


class _Builder:
    """Puts one value after the other where it belongs."""

    def __init__(self) -> None:
        self.value: Any = None
        self._open: list[dict[str, Any] | list[Any]] = []
        self._keys: list[str | None] = []
        self._count = 0

    def take(self, event: Any) -> None:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            raise InvalidInput(f"line {line}: aliases (*name) are not accepted", "write the value out, or quote it")
        if isinstance(event, yaml.ScalarEvent):
            if self._at_a_key():
                self._key(event.value, line)
            else:
                self._put(_scalar(event, line), line)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._start(event, line)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()
            self._keys.pop()
        elif isinstance(event, yaml.DocumentStartEvent) and self._count:
            raise InvalidInput(f"line {line}: there is more than one document", "give one")

    def _at_a_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1], dict) and self._keys[-1] is None

    def _key(self, name: str, line: int) -> None:
        if name in self._open[-1]:
            raise InvalidInput(f"line {line}: the key {name[:60]!r} stands there twice")
        self._keys[-1] = name

    def _start(self, event: Any, line: int) -> None:
        if event.tag:
            raise _tagged(event.tag, line)
        if self._at_a_key():
            raise InvalidInput(f"line {line}: a key is plain text", QUOTE)
        made: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._put(made, line)
        if len(self._open) == DEPTH:
            raise InvalidInput(f"line {line}: this is deeper than {DEPTH} levels")
        self._open.append(made)
        self._keys.append(None)

    def _put(self, value: Any, line: int) -> None:
        self._count += 1
        if self._count > VALUES:
            raise TooLarge(f"line {line}: there are more than {VALUES:,} values", "put long lists into a file")
        inner = self._open[-1] if self._open else None
        if inner is None:
            self.value = value
        elif isinstance(inner, list):
            inner.append(value)
        elif (key := self._keys[-1]) is not None:
            inner[key] = value
            self._keys[-1] = None


def _scalar(event: Any, line: int) -> Any:
    if event.tag and event.tag != "!":
        raise _tagged(event.tag, line)
    text: str = event.value
    tag = _RESOLVER.resolve(yaml.ScalarNode, text, event.implicit)
    if tag not in _SCALARS:
        return text
    if len(text) > _NUMBER:
        raise InvalidInput(f"line {line}: a number of over 64 bits", "write it as text, in quotes")
    return _SCALARS[tag](yaml.ScalarNode(tag, text))


def _tagged(tag: str, line: int) -> InvalidInput:
    return InvalidInput(f"line {line}: tags ({tag[:40]}) are not accepted", QUOTE)
