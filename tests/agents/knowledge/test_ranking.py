"""How words and meaning are weighed against one another."""

from __future__ import annotations

import pytest

from astro_mcp.agents.knowledge.ranking import NAMED, VECTOR_WEIGHT, combine, weights
from astro_mcp.agents.knowledge.words import names_identifier


@pytest.mark.parametrize("query", ["where is send_file called", "sendWithBackoff", "__init__ of it", "parseHTTPConfig"])
def test_a_query_that_names_an_identifier_is_told(query: str) -> None:
    assert names_identifier(query)
    assert max(weights(query).values()) == NAMED


@pytest.mark.parametrize("query", ["how to read a file in Python 3", "HTTP retries", "the _ alone", "utf8 or Latin1"])
def test_a_query_in_plain_words_is_none(query: str) -> None:
    assert not names_identifier(query)
    assert weights(query) == VECTOR_WEIGHT


def test_the_same_scores_rank_code_by_meaning_in_plain_words_and_by_words_where_it_is_named() -> None:
    words, meaning, kinds = {1: 10.0, 2: 1.0, 3: 1.0}, {1: 0.3, 2: 0.5, 3: 0.1}, dict.fromkeys((1, 2, 3), "code")
    plain = combine(words, meaning, kinds, weights("send the file"))
    named = combine(words, meaning, kinds, weights("send_file"))
    assert max(plain, key=plain.__getitem__) == 2
    assert max(named, key=named.__getitem__) == 1


def test_a_chunk_without_a_vector_goes_by_its_words_alone() -> None:
    scores = combine({1: 10.0, 2: 5.0}, {2: 0.9, 3: 0.2}, dict.fromkeys((1, 2, 3), "document"), weights("words"))
    assert scores[1] == 1.0
