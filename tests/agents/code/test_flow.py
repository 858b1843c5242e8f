"""What a run of `code_run` may send once it holds what must not get out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from tests.agents.code.conftest import House, Open
from tests.net.web_site import Loopback, Names, Site, answer, serving
from tests.sandbox.wheels import only_index, wheel

from astro_mcp.agents.code.model import CodeOutput
from astro_mcp.agents.code.reach import UPLOAD
from astro_mcp.config import SandboxSettings
from astro_mcp.core.authority import REPOSITORY, Ledger, Session
from astro_mcp.sandbox.egress import Egress

GET = """
import pathlib, urllib.request
def get(size):
    url = "http://site.example:@PORT@/"
    request = urllib.request.Request(url, data=b"x" * size if size else None)
    try: return urllib.request.urlopen(request, timeout=20).read().decode()
    except OSError: return "nothing"
"""


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """Asked for before a house: what was opened last is closed first."""
    async with serving() as running:
        running.replies["/"] = answer(b"hello")
        yield running


def allowing(site: Site, **more: Any) -> dict[str, Any]:
    settings = SandboxSettings(memory_mb=256, egress=(f"site.example:{site.port}",))
    return {"settings": settings, "egress": Egress(settings, resolve=Names(), policy=Loopback()), **more}


def having_seen(house: House, *, both: bool = True) -> Session:
    """A session of its own, that has read a file, or nothing yet."""
    ledger = Ledger(labels=REPOSITORY if both else frozenset())
    return Session(house.session.principal, house.session.grant, ledger=ledger)


async def ran(house: House, site: Site, code: str, by: Session, **more: Any) -> CodeOutput:
    result = await house.run(by=by, code=GET.replace("@PORT@", str(site.port)) + code, **more)
    return cast(CodeOutput, result.unwrap())


async def test_a_run_that_may_send_little_asks_and_hears_and_sends_no_more(site: Site, open_house: Open) -> None:
    house = await open_house(**allowing(site))
    seen = having_seen(house)
    assert (await ran(house, site, "get(0)", seen)).result == '"hello"'
    got = await ran(house, site, f"[get({2 * UPLOAD}), get(0)]", seen)
    assert (got.result, "network" in got.limits_hit) == ('["nothing", "nothing"]', True)
    assert sum(len(body) for body in site.bodies) <= UPLOAD
    flows = [row["flow"] for row in await house.trail.last() if row["phase"] == "outcome"]
    assert flows == [f"within stream to site.example:{site.port}"] * 2
    assert (await ran(house, site, f"get({2 * UPLOAD})", having_seen(house, both=False))).result == '"hello"'


async def test_under_strict_a_run_goes_on_without_the_hosts_and_says_why(site: Site, open_house: Open) -> None:
    house = await open_house(**allowing(site, strict=True))
    (house.root / "a.txt").write_text("private")
    for by, more in ((having_seen(house), {}), (having_seen(house, both=False), {"paths": ["a.txt"]})):
        got = await ran(house, site, "[get(0), 1 + 1]", by, **more)
        assert got.result == '["nothing", 2]'
        assert got.egress is not None
        [reached] = got.egress
        assert (reached.to, reached.connections) == (f"site.example:{site.port}", 0)
        assert "strict" in reached.refused
    assert site.requests == []


async def test_files_of_an_earlier_turn_count_for_a_session_that_saw_none(site: Site, open_house: Open) -> None:
    house = await open_house(**allowing(site, strict=True))
    (house.root / "a.txt").write_text("private")
    first, other = having_seen(house, both=False), having_seen(house, both=False)
    await ran(house, site, "kept = pathlib.Path('a.txt').read_text()", first, paths=["a.txt"], session="shared")
    got = await ran(house, site, "[get(0), kept]", other, session="shared", end_session=True)
    assert got.result == '["nothing", "private"]'
    assert site.requests == []
    assert other.ledger.labels == REPOSITORY, "and what came out of it is known of"


@pytest.mark.full
async def test_packages_that_are_here_send_nothing_and_others_are_not_asked_for(
    tidy: None, open_house: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = only_index(tmp_path / "index", monkeypatch)
    house = await open_house(SandboxSettings(memory_mb=256), strict=True)
    wheel(index, "alpha", "1.0")
    clean, seen = having_seen(house, both=False), having_seen(house)
    assert cast(CodeOutput, (await house.run(by=clean, packages=["alpha"], code="1")).unwrap()).result == "1"
    assert cast(CodeOutput, (await house.run(by=seen, packages=["alpha"], code="2")).unwrap()).result == "2"
    refused = await house.run(by=seen, packages=["tangerine-4471"], code="1")
    assert refused.error is not None
    assert (refused.error.code, "tangerine-4471" in refused.error.message) == ("forbidden", True)
