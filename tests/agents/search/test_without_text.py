"""Why a page has no text is found in no time."""

from __future__ import annotations

import pytest
from tests.quickest import computed

from astro_mcp.agents.search.without_text import reason

HERE = "http://site.example/"


@pytest.mark.parametrize("piece", ["<meta ", "<meta http-equiv=refresh content='0;url ", "<script "])
def test_tags_that_never_end_take_no_time(piece: str) -> None:
    body = (piece * 100_000).encode()
    assert computed(0.4, lambda: reason(body, "text/html", HERE, "full"))[0] == ""
