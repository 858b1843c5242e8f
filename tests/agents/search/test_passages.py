"""Passages: where they begin and end, and which comes first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from astro_mcp.agents.search.passages import LONGEST, MOST, find, split

TEXT = st.text(alphabet=st.sampled_from("ab# \n\t.é`"), max_size=4000)


@given(TEXT)
def test_every_passage_stands_where_it_says_and_none_is_lost(text: str) -> None:
    passages = split(text)
    end = 0
    for passage in passages:
        assert text[passage.start : passage.end] == passage.text
        assert 0 < len(passage.text) <= LONGEST
        assert not text[end : passage.start].strip()
        end = passage.end
    assert not text[end:].strip()


def test_a_heading_stays_with_what_follows_it() -> None:
    first, second = split("# One\n\nalpha\nbeta\n\n## Two\n\n### Three\n\ngamma\n")
    assert first.text == "# One\n\nalpha\nbeta"
    assert second.text == "## Two\n\n### Three\n\ngamma"


def test_rare_words_count_for_more_and_the_whole_phrase_for_most() -> None:
    text = "\n\n".join(
        ["the cache is the cache"] * 5 + ["the key of the cache", "eviction of a cache key", "a cache key"]
    )
    assert find(text, "cache key")[0].text == "a cache key"
    assert find(text, "eviction cache")[0].text == "eviction of a cache key"


def test_singular_and_plural_find_each_other() -> None:
    assert [one.text for one in find("It hooks in.\n\nNothing.", "hook")] == ["It hooks in."]
    assert [one.text for one in find("A class.\n\nNothing.", "class")] == ["A class."]


def test_there_are_eight_passages_at_most_and_none_for_unknown_words() -> None:
    text = "\n\n".join(f"word {number}" for number in range(50))
    assert len(find(text, "word")) == MOST
    assert find(text, "zebra") == []
    assert find("", "word") == []
    assert find(text, "???") == []


def test_a_page_in_one_endless_line_is_cut_at_words() -> None:
    text = "word " * 5000
    assert all(passage.text.strip().startswith("word") for passage in split(text))
