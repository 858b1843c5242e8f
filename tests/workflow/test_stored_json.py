"""JSON as it is stored."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astro_mcp.workflow.stored_json import stored_json

ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(categories=None, exclude_categories=())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(ANY)
def test_what_is_stored_is_ascii_and_reads_back_equal(value: Any) -> None:
    text = stored_json(value)
    assert text.isascii()
    assert json.loads(text) == value
    assert repr(json.loads(text)) == repr(value)


@pytest.mark.parametrize("value", ["\ud800", {"\udfff": 1}, ["é\x00\u2028😀"], 2**80, -0.0, float("inf")])
def test_half_characters_and_great_numbers_are_kept(value: Any) -> None:
    assert repr(json.loads(stored_json(value))) == repr(value)


def test_a_number_that_could_not_be_read_back_is_refused_and_digits_in_a_text_are_kept() -> None:
    assert json.loads(stored_json(["7" * 5_000])) == ["7" * 5_000]
    with pytest.raises(ValueError, match="4300 digits"):
        stored_json([10**5_000])


def test_what_is_very_deep_is_kept() -> None:
    value: Any = []
    for _ in range(400):
        value = [value]
    assert json.loads(stored_json(value)) == value
