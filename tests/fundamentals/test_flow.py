"""Rule 6 as a tutorial: what may leave a session that holds what is private and what strangers wrote."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.quickest import computed

from astro_mcp.core import flow
from astro_mcp.core.authority import REPOSITORY, Label, Ledger
from astro_mcp.core.flow import BOUNDS, HOUR, Leaving, Sort, Verdict, canonical, judge, learn, page, record
from astro_mcp.errors import AstroError, Forbidden, LimitHit

NOW = 1_000_000.0
WORDS = Leaving(Sort.QUERY, "web search", ("sqlite wal checkpoint",))


def leave(
    ledger: Ledger,
    leaving: Leaving,
    labels: frozenset[Label] = REPOSITORY,
    at: float = NOW,
    *,
    strict: bool = False,
    person: bool = False,
) -> Verdict:
    """Judged, and recorded where it leaves."""
    verdict = judge(ledger, labels, leaving, at, strict=strict, person=person)
    if verdict is not Verdict.ASK:
        record(ledger, leaving, verdict, at)
    return verdict


@pytest.mark.parametrize("labels", [set(), {Label.PRIVATE}, {Label.UNTRUSTED}])
@pytest.mark.parametrize("sort", Sort)
def test_who_holds_one_of_the_two_sends_what_it_likes(labels: set[Label], sort: Sort) -> None:
    leaving = Leaving(sort, "somebody", ("x" * 10_000,))
    assert [leave(Ledger(), leaving, frozenset(labels), strict=True) for _ in range(3)] == [Verdict.FREE] * 3


@pytest.mark.parametrize("sort", Sort)
@pytest.mark.parametrize("strict", [False, True])
def test_a_secret_never_leaves_whatever_was_given_or_approved(sort: Sort, *, strict: bool) -> None:
    ledger, leaving = Ledger(), page("https://a.example/") if sort is Sort.PAGE else Leaving(sort, "a", ("x",))
    learn(ledger, ["https://a.example/"])
    ledger.approved.add(leaving.to)
    for labels in ({Label.SECRET}, {Label.SECRET, *REPOSITORY}):
        with pytest.raises(Forbidden, match="holds a secret"):
            leave(ledger, leaving, frozenset(labels), strict=strict, person=True)


def test_what_something_brings_counts_as_seen() -> None:
    brings = Leaving(Sort.STREAM, "api.example:443", ("code",), REPOSITORY)
    with pytest.raises(Forbidden, match="strict"):
        leave(Ledger(), brings, frozenset(), strict=True)


@pytest.mark.parametrize("strict", [False, True])
def test_a_url_that_was_given_may_be_fetched_and_one_with_more_in_it_not(*, strict: bool) -> None:
    ledger = Ledger()
    learn(ledger, ["https://Docs.Example:443/wal?v=3#top", "not a url", "ftp://docs.example/"])
    assert leave(ledger, page("https://docs.example/wal?v=3"), strict=strict) is Verdict.GIVEN
    assert leave(ledger, page("HTTPS://docs.example/wal?v=3#else"), strict=strict) is Verdict.GIVEN
    for other in (
        "https://docs.example/wal?v=3&k=s3cret",
        "https://docs.example/wal?v=4",
        "http://docs.example/wal?v=3",
    ):
        with pytest.raises(Forbidden, match="no search or fetch of it gave"):
            leave(ledger, page(other), strict=strict)


def test_urls_that_were_given_have_a_quota_an_origin() -> None:
    ledger, urls = Ledger(), [f"https://many.example/{letter}?" for letter in string.ascii_letters + string.digits]
    learn(ledger, [url + "x=1" for url in urls])
    sent = [leave(ledger, page(url + "x=1"), strict=True) for url in urls[: flow.A_RECIPIENT]]
    assert sent == [Verdict.GIVEN] * flow.A_RECIPIENT
    with pytest.raises(Forbidden):
        leave(ledger, page(urls[-1] + "x=1"), strict=True)
    learn(ledger, ["https://other.example/"])
    assert leave(ledger, page("https://other.example/"), strict=True) is Verdict.GIVEN
    assert leave(ledger, page(urls[-1] + "x=1"), at=NOW + HOUR, strict=True) is Verdict.GIVEN


def test_what_was_given_long_ago_is_forgotten_and_never_the_other_way_round() -> None:
    ledger = Ledger()
    learn(ledger, (f"https://a.example/{number}" for number in range(flow.GIVEN + 1)))
    assert len(ledger.given) == flow.GIVEN
    with pytest.raises(Forbidden):
        leave(ledger, page("https://a.example/0"), strict=True)
    assert leave(ledger, page(f"https://a.example/{flow.GIVEN}"), strict=True) is Verdict.GIVEN


def test_where_a_person_can_be_asked_they_are() -> None:
    ledger = Ledger()
    assert leave(ledger, WORDS, person=True) is Verdict.ASK
    ledger.approved.add("web search")
    other = Leaving(Sort.QUERY, "web search", ("something " * 100,))
    assert leave(ledger, other, person=True, strict=True) is Verdict.APPROVED
    for number in range(flow.APPROVED - 1):
        leave(ledger, other, at=NOW + number / 1000)
    with pytest.raises(LimitHit) as limit:
        leave(ledger, other, at=NOW + 1)
    assert limit.value.retry_after_ms == 3_599_000


def test_what_a_person_refused_is_refused_from_then_on() -> None:
    ledger = Ledger(refused={"web search"})
    with pytest.raises(Forbidden, match="a person refused"):
        leave(ledger, WORDS, person=True)
    assert leave(ledger, WORDS, frozenset({Label.UNTRUSTED})) is Verdict.FREE


def test_nobody_is_worn_down_by_questions() -> None:
    ledger = Ledger(asked={"web search": {"1", "2", WORDS.digest}})
    assert leave(ledger, WORDS, person=True) is Verdict.ASK, "the same again is the face's to count"
    with pytest.raises(Forbidden, match="did not approve"):
        leave(ledger, Leaving(Sort.QUERY, "web search", ("other words",)), person=True)
    many = Ledger(asked={f"https://{number}.example": {str(number)} for number in range(flow.ASKED_IN_ALL)})
    with pytest.raises(Forbidden, match="did not approve"):
        leave(many, WORDS, person=True)


BEYOND = [
    page("https://a.example/" + "x" * BOUNDS[Sort.PAGE].length),
    page("https://a.example/?q=1"),
    page("https://user:word@a.example/"),
    page("gopher://a.example/"),
    Leaving(Sort.QUERY, "web search", ("word " * 50,)),
    Leaving(Sort.QUERY, "web search", ("a" * (BOUNDS[Sort.QUERY].word + 1),)),
    Leaving(Sort.NAME, "index", ("numpy", "x" * 65)),
    Leaving(Sort.LISTED, "index", ("x" * 201,)),
]


@pytest.mark.parametrize("leaving", BEYOND, ids=lambda one: one.texts[-1][:30])
def test_what_is_beyond_the_bounds_does_not_leave(leaving: Leaving) -> None:
    with pytest.raises(Forbidden):
        leave(Ledger(), leaving)


@pytest.mark.parametrize("sort", Sort)
def test_so_many_leave_within_an_hour_and_no_more(sort: Sort) -> None:
    ledger, bound = Ledger(), BOUNDS[sort]
    texts = [f"https://one.example/{number}" for number in range(bound.each)]
    for some in [texts] if sort is Sort.LISTED else [[text] for text in texts]:
        assert leave(ledger, Leaving(sort, "https://one.example", tuple(some))) is Verdict.WITHIN
    more = Leaving(sort, "https://one.example", ("https://one.example/more",))
    with pytest.raises(LimitHit, match="hour") as limit:
        leave(ledger, more, at=NOW + 600)
    assert limit.value.retry_after_ms == 3_000_000
    assert leave(ledger, more, at=NOW + HOUR) is Verdict.WITHIN


def test_the_same_again_costs_nothing_and_all_of_one_call_counts() -> None:
    ledger = Ledger()
    for _ in range(100):
        assert leave(ledger, WORDS) is Verdict.WITHIN
    names = tuple(f"package-{number}" for number in range(BOUNDS[Sort.NAME].number + 1))
    with pytest.raises(LimitHit):
        leave(ledger, Leaving(Sort.NAME, "index", names))
    assert leave(ledger, Leaving(Sort.NAME, "index", names[1:])) is Verdict.WITHIN, "a refusal used nothing up"


def test_pages_are_few_in_all_whoever_owns_how_many_names() -> None:
    ledger, most = Ledger(), BOUNDS[Sort.PAGE].number
    for number in range(most):
        leave(ledger, page(f"https://h{number}.evil.example/"))
    with pytest.raises(LimitHit):
        leave(ledger, page("https://h99.evil.example/"))


SAME = [
    ("https://A.example", "https://a.example/"),
    ("https://a.example.:443/#x", "https://a.example/"),
    ("http://a.example:80/p", "http://a.example/p"),
    ("http://[2001:DB8::1]/", "http://[2001:db8::1]/"),
    (" https://a.example/ ", "https://a.example/"),
    ("https://a.example:444/", "https://a.example:444/"),
    ("https://a.example/P?utm_source=x", "https://a.example/P?utm_source=x"),
]
NONE = [
    "",
    "a.example",
    "file:///etc/passwd",
    "https://",
    "https://u@a.example/",
    "https://a.example:x/",
    "http://[::1",
]


@pytest.mark.parametrize(("url", "same"), SAME)
def test_urls_of_one_request_are_one(url: str, same: str) -> None:
    assert canonical(url) == same == canonical(same)


@pytest.mark.parametrize("url", NONE)
def test_what_is_no_plain_url_is_none(url: str) -> None:
    assert canonical(url) == ""


@given(st.text(max_size=60), st.text(alphabet=string.printable, max_size=60))
@settings(max_examples=200, deadline=None)
def test_nothing_that_is_added_makes_a_given_url(before: str, added: str) -> None:
    ledger, base = Ledger(), "https://a.example/p?x=1"
    learn(ledger, [base])
    for url in (base + added, f"https://{before}a.example/p?x=1", added + base):
        given_one = canonical(url) == base
        assert not given_one or url.split("#")[0].strip().casefold().translate(_BLANK) == base.casefold()
        try:
            verdict = leave(ledger, page(url), strict=True)
        except AstroError:
            verdict = None
        assert (verdict is Verdict.GIVEN) == given_one


_BLANK = dict.fromkeys(map(ord, "\t\r\n"))


@pytest.mark.alone
def test_a_judgement_takes_no_time() -> None:
    ledger = Ledger()
    learn(ledger, ["https://a.example/p"])
    one = page("https://a.example/p")
    ledger.used[one.to] = []

    def thousand() -> None:
        for _ in range(1_000):
            judge(ledger, REPOSITORY, one, NOW, strict=True, person=False)

    computed(0.1, thousand)  # a tenth of a millisecond each, on a slow machine
