"""A value's two forms, safe for JSON and weighed."""

from __future__ import annotations

import json

from astro_mcp.faces.mcp.shape import Shape


def test_half_a_character_is_told_by_its_escape_and_weighed_as_it_is_sent() -> None:
    shape = Shape.weighed("a\udcffé", {"na\udcffme": ["\udcff", {"in": "é\n"}]})
    assert shape.text == "a\\udcffé"
    assert shape.structured == {"na\\udcffme": ["\\udcff", {"in": "é\n"}]}
    sent = [json.dumps(part, ensure_ascii=False, separators=(",", ":")) for part in (shape.text, shape.structured)]
    assert shape.size == sum(len(part.encode()) for part in sent)


def test_a_form_that_is_not_sent_weighs_nothing() -> None:
    assert Shape.weighed("text", None).size == len('"text"')
    assert Shape.weighed(None, {}).size == len("{}")
