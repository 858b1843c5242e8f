"""`kb_index urls`: pages of a real server, through the guarded fetch of the search agent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.net.web_site import Loopback, Names, Site, answer, serving

from astro_mcp.agents.search.pages import Pages
from astro_mcp.agents.search.work import SearchWork
from astro_mcp.config import KnowledgeSettings, WebSettings
from astro_mcp.core.authority import Label
from astro_mcp.core.deferred import Ready
from astro_mcp.core.ports import SystemClock
from astro_mcp.errors import Forbidden, InvalidInput, NoRoot
from astro_mcp.net.client import GuardedClient

PAGE = """<html><head><title>Beekeeping</title></head><body><nav>menu zebra</nav><main><h1>Beekeeping</h1>
<h2>Winter</h2><p>{text}</p><p>Bees cluster around the queen, and live on what they stored since the summer ended.</p>
</main></body></html>"""
"""With enough of text that a reader takes it for the article."""


def put(site: Site, text: str, status: str = "200 OK") -> None:
    site.replies["/bees"] = answer(text.encode(), status, content_type="text/html", cache_control="no-cache")
    site.replies["/never"] = answer(b"", "404 Not Found")


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with serving() as running:
        put(running, PAGE.format(text="A hive needs twelve kilograms of honey for the winter."))
        yield running


@pytest.fixture
def web(site: Site) -> Any:
    """`pages(database)`: the search agent's work, with loopback for the internet."""

    def pages(database: Any) -> Ready[SearchWork]:
        client = GuardedClient(WebSettings(), resolve=Names(), policy=Loopback())
        return Ready(SearchWork(client, Pages(client, database, SystemClock(), None), (), {}, 600))

    return pages


async def test_an_index_of_files_leaves_the_pages_of_its_collection(
    house: Any, tmp_path: Path, project: Path, site: Site, web: Any
) -> None:
    url = f"http://site.example:{site.port}/bees"
    async with house(tmp_path / "data", project, pages=web) as desk:
        await desk.value("kb_index", urls=[url])
        files = await desk.value("kb_index")
        (project / "docs/guide.md").unlink()
        again = await desk.value("kb_index")
        found = await desk.search("how much honey does a hive need", k=1)
    assert (files.removed, again.removed) == (0, 1)
    assert found[0].source == url


async def test_a_page_is_found_untrusted_and_leaves_with_its_source(
    house: Any, tmp_path: Path, project: Path, site: Site, web: Any
) -> None:
    url = f"http://site.example:{site.port}/bees"
    async with house(tmp_path / "data", project, pages=web) as desk:
        first = await desk.value("kb_index", collection="bees", urls=[url, f"{url}#winter"])
        found = await desk.call("kb_search", query="how much honey does a hive need", k=1)
        again = await desk.value("kb_index", collection="bees", urls=[url])
        put(site, PAGE.format(text="A hive needs fifteen kilograms of honey for the winter."))
        changed = await desk.value("kb_index", collection="bees", urls=[url])
        newer = await desk.search("honey", k=1)
        put(site, "gone", "410 Gone")
        gone = await desk.value("kb_index", collection="bees", urls=[url, f"http://site.example:{site.port}/never"])
        assert await desk.search("honey") == []
    hit = found.unwrap().items[0]
    assert (first.added, first.unchanged, first.failed) == (1, 1, [])
    assert (hit.source, hit.title) == (url, "Beekeeping")
    assert "twelve kilograms" in hit.text
    assert "zebra" not in hit.text
    assert Label.UNTRUSTED in found.labels
    assert (again.unchanged, changed.updated) == (1, 1)
    assert "fifteen" in newer[0].text
    assert gone.removed == 1
    assert [failure.source.rpartition("/")[2] for failure in gone.failed] == ["never"]


async def test_a_page_that_became_blank_leaves_as_a_file_does(
    house: Any, tmp_path: Path, project: Path, site: Site, web: Any
) -> None:
    url = f"http://site.example:{site.port}/bees"
    async with house(tmp_path / "data", project, pages=web) as desk:
        await desk.value("kb_index", collection="bees", urls=[url])
        put(site, "<html><body></body></html>")
        blank = await desk.value("kb_index", collection="bees", urls=[url])
        again = await desk.value("kb_index", collection="bees", urls=[url])
        assert await desk.search("honey") == []
    assert (blank.removed, blank.skipped, again.removed, again.skipped) == (1, 0, 0, 1)


async def test_a_page_is_forgotten_by_any_address_that_it_may_be_indexed_by(
    house: Any, tmp_path: Path, project: Path, site: Site, web: Any
) -> None:
    url = f"HTTP://Site.Example:{site.port}/bees#winter"
    async with house(tmp_path / "data", project, pages=web) as desk:
        await desk.value("kb_index", collection="bees", urls=[url])
        gone = await desk.value("kb_forget", sources=[url])
        site_ = await desk.value("kb_index", collection="bees", urls=[url])
        all_ = await desk.value("kb_forget", sources=[f"http://SITE.example:{site.port}"])
        runs = await desk.value("kb_forget", sources=["astro://runs/none"])
    assert (gone.removed, site_.added, all_.removed, runs.removed) == (1, 1, 1, 0)


async def test_the_guard_of_the_fetch_stands_and_one_bad_page_keeps_no_other_back(
    house: Any, tmp_path: Path, project: Path, site: Site, web: Any
) -> None:
    good = f"http://site.example:{site.port}/bees"
    bad = ["http://169.254.169.254/latest", "file:///etc/passwd", "http://10.0.0.1/", "gopher://x/"]
    async with house(tmp_path / "data", project, pages=web) as desk:
        report = await desk.value("kb_index", collection="bees", urls=[good, *bad])
        workspace = await desk.value("kb_list", kinds=["code"])
    assert report.added == 1
    assert {failure.source for failure in report.failed} == set(bad)
    assert workspace.items == [], "with urls alone no file is read"


@pytest.mark.full
async def test_pages_may_be_kept_for_every_workspace_and_files_may_not(
    house: Any, tmp_path: Path, project: Path, site: Site, web: Any
) -> None:
    url = f"http://site.example:{site.port}/bees"
    other = tmp_path / "other"
    other.mkdir()
    async with house(tmp_path / "data", project, pages=web) as desk:
        assert (await desk.at().value("kb_index", scope="user", collection="bees", urls=[url])).added == 1
        assert (await desk.at(other).search("honey"))[0].source == url
        assert await desk.at(other, principal="stranger").search("honey") == []
        for arguments in ({"paths": ["docs"]}, {}, {"paths": ["docs"], "urls": [url]}):
            with pytest.raises(InvalidInput):
                await desk.value("kb_index", scope="user", **arguments)
        with pytest.raises(Forbidden):
            await desk.value("kb_index", scope="tenant", urls=[url])
        with pytest.raises(NoRoot):
            await desk.at().value("kb_index", urls=[url])
    async with house(tmp_path / "data", project, pages=web, settings=KnowledgeSettings(shared=True)) as desk:
        assert (await desk.value("kb_index", scope="tenant", urls=[url])).added == 1
        assert (await desk.at(other, principal="colleague").search("honey"))[0].source == url
