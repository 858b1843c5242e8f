"""Panels of tabs: readers open them, and nothing that they can't open comes with them."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest

from astro_mcp.agents.search.models import Mode
from astro_mcp.agents.search.page import Page, read
from astro_mcp.errors import LimitHit

PROSE = f"<p>{'How it is put on a machine of your own. ' * 6}</p>"
SPHINX = """<div class="sphinx-tabs"><div role="tablist">
<button role="tab" aria-controls="p0" aria-selected="true"><svg aria-hidden="true"><text>icon</text></svg>Linux</button>
<button role="tab" aria-controls="p1">Windows <i>11</i></button></div>
<div role="tabpanel" id="p0"><pre>apt install tool</pre></div>
<div role="tabpanel" id="p1" hidden="true"><p>Open a shell, and run this in it:</p><pre>winget install tool</pre></div>
</div>"""
DOCUSAURUS = """<div class="tabs-container"><ul role="tablist"><li role="tab" aria-selected="true">Linux</li>
<li role="tab">Windows 11</li></ul><div><div role="tabpanel"><pre>apt install tool</pre></div>
<div role="tabpanel" hidden=""><pre>winget install tool</pre></div></div></div>"""


def told(body: str, mode: Mode = "article") -> Page:
    source = f"<!doctype html><body><main>{PROSE}{body}{PROSE.replace('put', 'kept')}</main>"
    return read(source.encode(), "text/html", "https://site.example/", mode)


@pytest.mark.parametrize("body", [SPHINX, DOCUSAURUS], ids=["by its id", "by the order"])
@pytest.mark.parametrize("mode", ["article", "full"])
def test_a_panel_that_a_tab_opens_is_told_under_the_tabs_words(body: str, mode: Mode) -> None:
    page = told(body, mode)
    parts = page.markdown.split("\n\n")
    assert parts[parts.index("**Linux**") + 1] == "```\napt install tool\n```"
    assert "```\nwinget install tool\n```" in parts[parts.index("**Windows 11**") + 1 :]
    assert "hidden" not in page.hidden


WAYS = {
    "the tab is hidden": ('"p1">', '"p1" hidden>'),
    "the tab is away": ('"p1">', '"p1" style="position:absolute;left:-9999px">'),
    "the tab is as its ground": ('"p1">', '"p1" style="color:#fff;background:#fff">'),
    "the row is hidden": ('role="tablist"', 'role="tablist" style="display:none"'),
    "the tab's words are hidden": ("Windows <i>11</i>", "<b hidden>Windows</b>"),
    "the tab has no words": ("Windows <i>11</i>", "&nbsp;\u200b"),
    "the tab can't be chosen": ('"p1">', '"p1" aria-disabled="true">'),
    "the tab is in no row": ('role="tablist"', ""),
    "the tab leads elsewhere": ('"p1">', '"p2">'),
    "another has the id": ("<div class", '<div role="tabpanel" id="p1">x</div><div class'),
    "it is no panel": ('role="tabpanel" id="p1"', 'id="p1"'),
    "it is not shown at all": (' hidden="true"', ' hidden style="display:none"'),
    "it is out of sight": (' hidden="true"', ' hidden style="opacity:0"'),
    "it is unheard": (' hidden="true"', ' hidden aria-hidden="true"'),
    "a sheet hides it": (' hidden="true"', ' hidden class="z"'),
    "it has a mark of its own": (' hidden="true"', ' style="display:none" data-astro-out="closed"'),
    "no other is open": ('id="p0"', 'id="p0" hidden'),
    "what is around is hidden": ('class="sphinx-tabs"', "hidden"),
    "a part of it is hidden": ("<p>Open a shell, and run this in it:</p><pre>", "<pre hidden>"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("mode", ["article", "full"])
def test_what_no_reader_can_open_stays_hidden(way: str, mode: Mode) -> None:
    page = told("<style>.z{display:none}</style>" + SPHINX.replace(*WAYS[way], 1), mode)
    assert "winget" not in page.markdown
    assert "How it is put" in page.markdown
    assert sum(page.hidden.values()) >= 1


def test_the_tabs_of_mkdocs_are_told_above_their_panels() -> None:
    labels = "<div class='tabbed-labels'><label>Linux</label><label>Windows<b hidden>HIDDEN</b></label></div>"
    blocks = "".join(f"<div class='tabbed-block'><pre>{one} install</pre></div>" for one in ("apt", "winget"))
    page = told(f"<div class='tabbed-set'><input type=radio>{labels}<div class='tabbed-content'>{blocks}</div></div>")
    assert "**Linux**\n\n```\napt install\n```\n\n**Windows**\n\n```\nwinget install\n```" in page.markdown
    assert "LinuxWindows" not in page.markdown


@pytest.mark.parametrize("piece", [DOCUSAURUS, SPHINX, DOCUSAURUS.replace("<pre>", DOCUSAURUS, 1), "<p role=tab>" * 9])
@pytest.mark.alone
def test_many_tabs_cost_linear_time(piece: str) -> None:
    def seconds(times: int) -> float:
        began = time.process_time()
        with suppress(LimitHit):
            told("<div role=tablist>" + piece * times)
        return time.process_time() - began

    small, large = seconds(30), seconds(600)
    assert large < max(0.2, 20 * 4 * small)
