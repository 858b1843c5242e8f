"""How words and meaning are weighed against one another."""

from __future__ import annotations

import pytest

from astro_mcp.agents.knowledge.ranking import NAMED, VECTOR_WEIGHT, combine, weights
from astro_mcp.agents.knowledge.words import covered, names_identifier


@pytest.mark.parametrize(
    "query", ["where is send_file called", "sendWithBackoff", "__init__ of it", "parseHTTPConfig", "what is E40213"]
)
def test_a_query_that_names_an_identifier_is_told(query: str) -> None:
    assert names_identifier(query)
    assert max(weights(query).values()) == NAMED


@pytest.mark.parametrize(
    "query", ["how to read a file in Python 3", "HTTP retries", "the _ alone", "utf8 or Latin1", "sha256 in 2024"]
)
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


def test_words_count_by_the_share_of_the_query_that_they_find() -> None:
    assert covered("retrying the uploads", "We retry an upload five times.") == 1.0
    assert covered("retrying the uploads", "Nothing of it; uploads stop.") == 0.5
    assert covered("?", "anything") == 0.0
    assert covered("Muller cle", "Der Schlüssel liegt bei Frau Müller: la cle\u0301.") == 1.0
    assert covered("Müller", "Muller") == 1.0
    words, meaning, kinds = {1: 1.0}, {1: 0.2, 2: 0.4}, dict.fromkeys((1, 2), "document")
    whole = combine(words, meaning, kinds, {"document": 0.4}, 1.0)
    part = combine(words, meaning, kinds, {"document": 0.4}, 0.5)
    assert whole[1] > whole[2]
    assert part[1] < part[2]


def test_kinds_in_one_list_are_weighed_alike() -> None:
    scores = combine({2: 1.0}, {1: 0.4, 2: 0.2, 3: 0.0}, {1: "document", 2: "code", 3: "code"}, weights("said plainly"))
    assert max(scores, key=scores.__getitem__) == 1


def test_while_few_vectors_are_known_the_chunk_that_has_the_named_word_stands_first() -> None:
    words, kinds = {1: 10.0, 2: 0.1, 3: 0.1}, {1: "note", 2: "note", 3: "code"}
    scores = combine(words, {1: 0.6, 2: 0.7}, kinds, weights("token40213"))
    assert max(scores, key=scores.__getitem__) == 1
    scores = combine(words, {1: 0.6, 2: 0.7, 3: 0.1}, kinds, weights("token40213"))
    assert max(scores, key=scores.__getitem__) == 1
