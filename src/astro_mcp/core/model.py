"""The shapes of tools' inputs and outputs, and the schemas that hosts see of them.

Hosts reject or drop `$ref`, unions and free-form objects, so a schema is flattened: references are put in place, an
optional value becomes its plain type, titles go.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar, Final, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue


class Input(BaseModel):
    """A tool's arguments. Unknown ones are refused; `"1"` is taken for 1. (Built at first use: forty models are a fifth
    of the start.)"""

    model_config = ConfigDict(extra="forbid", defer_build=True, frozen=True, hide_input_in_errors=True)


class Output(BaseModel):
    """A tool's result: a structured value, and the same in compact text.

    `paged` names the one list or string that a face may cut at a budget; steps of a workflow always see it whole.
    """

    model_config = ConfigDict(extra="forbid", defer_build=True)
    paged: ClassVar[str | None] = None

    def text(self) -> str:
        """What a model or a person reads, complete without the structured form."""
        raise TypeError(f"{type(self).__name__} has no text form")


class Part(BaseModel):
    """An item of a result: its validator is part of the result's, and not built on its own."""

    model_config = ConfigDict(defer_build=True)


class Page(Output):
    """A result that can be cut: a face sets both fields when it hands out less than the whole."""

    truncated: bool = False
    next_cursor: str | None = None

    def long_field(self) -> str | None:
        """The field that is cut: `paged`, or another one where that depends on what the result holds. What was cut goes
        on in a value of the declared class, so that a subclass of it can't say this."""
        return self.paged

    def goes_with(self, start: int, end: int) -> dict[str, Any]:
        """The other fields that are not whole in the page from `start` to `end` of the long one."""
        return {}


class Listing(Page):
    """A list of items and how many there are in all."""

    paged: ClassVar[str | None] = "items"
    total: int = 0


def _as_text(value: object) -> object:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value


def _as_list(value: object) -> object:
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


Document = Annotated[str, BeforeValidator(_as_text)]
"""JSON or YAML as a string; an object is accepted too."""

MOST: Final = 10_000
"""Items of a list of strings."""

Strings = Annotated[
    list[str],
    Field(max_length=MOST, fail_fast=True),
    BeforeValidator(lambda value: [value] if isinstance(value, str) and not value.lstrip().startswith("[") else value),
    BeforeValidator(_as_list),
    WithJsonSchema({"type": "array", "items": {"type": "string"}}),
]
"""A list of strings; one string, or a list written as JSON text, is accepted too."""


class _Schema(GenerateJsonSchema):
    """Without two things that the start would pay for: a serializer for each default, and the sorting of all keys."""

    def encode_default(self, dft: Any) -> Any:
        return dft if type(dft) in _AS_THEY_ARE or dft == [] else super().encode_default(dft)

    def sort(self, value: JsonSchemaValue, parent_key: str | None = None) -> JsonSchemaValue:
        return value


_AS_THEY_ARE: Final = frozenset({str, int, bool, type(None)})
"""Types whose values are the same in JSON. (A float is not: infinity.)"""


def flat_schema(model: type[BaseModel], *, described: bool = True) -> dict[str, Any]:
    """The JSON Schema of `model` without `$ref`, unions, titles and, if not `described`, descriptions."""
    mode = "validation" if issubclass(model, Input) else "serialization"
    schema = model.model_json_schema(mode=cast(Any, mode), schema_generator=_Schema)
    definitions = schema.pop("$defs", {})
    flat = _flatten(schema, definitions, described)
    flat.pop("description", None)
    return flat


_DROPPED = frozenset({"title", "discriminator"})


def _flatten(node: dict[str, Any], definitions: dict[str, Any], described: bool) -> dict[str, Any]:
    if "$ref" in node:
        target = definitions[node["$ref"].rsplit("/", 1)[-1]]
        words = "enum" in target  # which speak for themselves
        kept = {key: value for key, value in target.items() if not (words and key == "description")}
        return _flatten(
            {**kept, **{key: value for key, value in node.items() if key != "$ref"}}, definitions, described
        )
    if "anyOf" in node:
        options = [option for option in node["anyOf"] if option.get("type") != "null"]
        if len(options) != 1:
            raise TypeError(f"a tool's schema has no unions: {node}")
        rest = {key: value for key, value in node.items() if key not in ("anyOf", "default")}
        if node.get("default") is not None:
            rest["default"] = node["default"]
        return _flatten({**options[0], **rest}, definitions, described)
    out: dict[str, Any] = {}
    for key, value in node.items():
        if key in _DROPPED or (key == "description" and not described):
            continue
        if key == "properties":
            out[key] = {name: _flatten(child, definitions, described) for name, child in value.items()}
        elif key == "items" or (key == "additionalProperties" and isinstance(value, dict)):
            out[key] = _flatten(value, definitions, described)
        else:
            out[key] = value
    if "required" in out:  # a field that may be null is absent then, in what is sent
        nullable = {name for name, child in node.get("properties", {}).items() if "anyOf" in child}
        out["required"] = [name for name in out["required"] if name not in nullable]
    return out
