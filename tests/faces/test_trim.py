"""What has no pages is cut to head and tail."""

from __future__ import annotations

import json

from astro_mcp.faces.mcp.shape import Shape, weight
from astro_mcp.faces.mcp.trim import trim


def test_what_is_cut_is_a_copy_and_tells_that_it_is_one() -> None:
    tree = {"name": "n" * 900, "items": [{"text": "t" * 300, "lines": ["l"] * 40} for _ in range(300)]}
    before = json.dumps(tree)
    cut = trim(Shape.weighed(None, tree), 8_000, "[cut]").structured
    assert json.dumps(tree) == before
    assert cut is not None
    assert weight(cut) <= 8_000
    assert (cut["cut"], cut["items"][0]["lines"][0]) == ("[cut]", "l")
    assert 0 < len(cut["items"]) < 300
    assert "[…]" in cut["name"]
