"""One page, one address; the best of several lists."""

from __future__ import annotations

import pytest

from astro_mcp.agents.search.fusion import Hit, canonical, fuse, within


@pytest.mark.parametrize(
    "other",
    [
        "http://docs.example/a",
        "https://www.docs.example/a/",
        "https://DOCS.example:443/a#part",
        "https://docs.example./a?utm_source=x&utm_medium=y&gclid=z",
    ],
)
def test_two_ways_to_write_a_page_are_one(other: str) -> None:
    assert canonical(other) == canonical("https://docs.example/a")


@pytest.mark.parametrize(
    "other", ["https://docs.example/A", "https://docs.example:8443/a", "https://docs.example/a?id=1"]
)
def test_other_pages_stay_apart(other: str) -> None:
    assert canonical(other) != canonical("https://docs.example/a")


def test_the_order_of_parameters_does_not_matter_and_their_values_do() -> None:
    assert canonical("https://a.example/?x=1&y=2") == canonical("https://a.example/?y=2&x=1")
    assert canonical("https://a.example/?x=1") != canonical("https://a.example/?x=2")
    assert canonical("https://a.example/?x=%D6%D0") != canonical("https://a.example/?x=%C0%EE"), "words in GBK"


@pytest.mark.parametrize(
    "url", ["ftp://a.example/", "javascript:x", "/a", "", "https://u@a.example/", "http://[::1", "http://a:b/"]
)
def test_what_is_no_plain_web_address_has_none(url: str) -> None:
    assert canonical(url) == ""


def test_ranks_are_fused_reciprocally() -> None:
    lists = {
        "one": [Hit("https://a.example/", "a", ""), Hit("https://b.example/", "b", "")],
        "two": [
            Hit("https://c.example/", "c", ""),
            Hit("https://b.example/", "b", ""),
            Hit("https://b.example/#x", "b", ""),
        ],
    }
    fused = fuse(lists)
    assert [(page.hit.title, page.providers) for page in fused] == [
        ("b", ["one", "two"]),
        ("a", ["one"]),
        ("c", ["two"]),
    ]
    assert fused[0].score == pytest.approx(2 / 62)


def test_a_domain_holds_its_subdomains_and_nothing_that_only_ends_alike() -> None:
    assert within("docs.a.example", "a.example")
    assert not within("nota.example", "a.example")
