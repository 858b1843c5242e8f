"""Passages: where they begin and end, and which comes first."""

from __future__ import annotations

import pytest
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


def test_the_addresses_of_links_neither_count_as_words_nor_make_a_passage_long() -> None:
    address = "https://site.example/remove/the/last/element/of_a_list.html"
    meant = f'Removes the last element from a [vector]({address} "a vector").'
    linked = f"See [this]({address}) and [that]({address}#remove.last), or ![a picture]({address}(remove))."
    near = "The removed element is replaced by the last one."
    text = "\n\n".join([linked, near, *["Nothing is said here about it."] * 9, meant])
    assert [one.text for one in find(text, "remove the last element")] == [meant, near]
    assert {one.text for one in find(text, "of_a_list")} == {linked, meant}, "an address alone is found, too"


def test_singular_and_plural_find_each_other() -> None:
    assert [one.text for one in find("It hooks in.\n\nNothing.", "hook")] == ["It hooks in."]
    assert [one.text for one in find("A class.\n\nNothing.", "class")] == ["A class."]


@pytest.mark.parametrize(
    ("text", "query", "first"),
    [
        ("一个数很长的段落。\n\n数据库使用预写日志。\n\n日志写回数据。", "数据库 日志", "数据库使用预写日志。"),
        ("ほかの段落です。\n\nデータベースのログを読む。", "データベース", "データベースのログを読む。"),
        ("다른 문단입니다.\n\n데이터베이스를 엽니다.", "데이터베이스", "데이터베이스를 엽니다."),
        ("เอกสารอื่น\n\nคู่มือการใช้งานฐานข้อมูล", "ฐานข้อมูล", "คู่มือการใช้งานฐานข้อมูล"),
        ("他の。\n\n水を飲む。", "水", "水を飲む。"),
        ("Ein Satz.\n\nWALモードを使う。", "wal", "WALモードを使う。"),
    ],
)
def test_words_are_found_where_nothing_stands_between_them(text: str, query: str, first: str) -> None:
    assert find(text, query)[0].text == first
    assert not [one for one in find(text, query) if one.text == text.split("\n\n", maxsplit=1)[0]]


def test_there_are_eight_passages_at_most_and_none_for_unknown_words() -> None:
    text = "\n\n".join(f"word {number}" for number in range(50))
    assert len(find(text, "word")) == MOST
    assert find(text, "zebra") == []
    assert find("", "word") == []
    assert find(text, "???") == []


def test_a_page_in_one_endless_line_is_cut_at_words() -> None:
    text = "word " * 5000
    assert all(passage.text.strip().startswith("word") for passage in split(text))
