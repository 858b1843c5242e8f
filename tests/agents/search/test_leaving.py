"""What a page gives a session to fetch: the links that its reader is shown."""

from __future__ import annotations

import pytest
from tests.quickest import computed

from astro_mcp.agents.search.leaving import READ, linked
from astro_mcp.agents.search.models import FetchOutput

HERE = "https://site.example/"


def given(markdown: str) -> list[str]:
    shown = FetchOutput(
        url_final=HERE, title="", sha256="", characters=0, stripped=0, truncated=False, markdown=markdown
    )
    return list(linked(shown))


@pytest.mark.parametrize(
    ("markdown", "urls"),
    [
        ("[a](https://a.example/x) and [b](<http://b.example/y>)", ["https://a.example/x", "http://b.example/y"]),
        ('[a](https://a.example/x "its title")', ["https://a.example/x"]),
        ("[a](https://a.example/?filter[name]=x&y[]=1)", ["https://a.example/?filter[name]=x&y[]=1"]),
        (
            "[![image](https://a.example/i.png)](https://a.example/x)",
            ["https://a.example/i.png", "https://a.example/x"],
        ),
        ("[a](https://a.example/](https://b.example/x)", ["https://b.example/x"]),
        ("see <https://a.example/x?y=(z)> there", ["https://a.example/x?y=(z)"]),
        ("[a](https://a.example/x", []),
        ("<https://a.example/x [a](<https://a.example/y", []),
        ("[a](/x) [b](ftp://a.example/)", []),
    ],
)
def test_the_links_of_a_page_are_given(markdown: str, urls: list[str]) -> None:
    assert given(markdown) == [HERE, *urls]


@pytest.mark.parametrize(
    "piece", ["](http://a", "](http://a]", '](http://a "', "](http://a  ", "](http://[](", "<http://a", "<http://a "]
)
def test_links_that_never_end_do_not_hold_up_the_event_loop(piece: str) -> None:
    text = piece * (READ // len(piece))
    assert computed(0.3, lambda: given(text)) == [HERE]
