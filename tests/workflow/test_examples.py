"""Documents for real requests, each on real files: it checks, runs, and gives what was asked for."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml
from tests.workflow.desk import Desk, desk
from tests.workflow.example_table import EXAMPLES
from tests.workflow.stand_ins import StandIns

from astro_mcp.testing import Workbench, workbench

FOLDER = Path(__file__).parent / "examples"
QUICK = ("batch-with-failures", "take-back-on-failure")
"""In the short form; the long one runs them all."""


@pytest.fixture(scope="module")
async def bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Workbench]:
    async with workbench(tmp_path_factory.mktemp("examples") / "data") as made:
        await made.app.registry.register(StandIns())
        yield made


@pytest.fixture
def at(bench: Workbench, tmp_path: Path) -> Desk:
    return desk(bench, tmp_path / "project")


def text(name: str) -> str:
    return (FOLDER / f"{name}.yaml").read_text()


def test_there_are_thirty_examples_and_each_says_what_it_must_give() -> None:
    names = {path.stem for path in FOLDER.glob("*.yaml")}
    assert len(names) >= 30
    assert names == EXAMPLES.keys()
    assert names > set(QUICK)


@pytest.mark.full
async def test_every_example_is_sound(at: Desk) -> None:
    assert {name: await at.check(text(name)) for name in EXAMPLES} == {name: [] for name in EXAMPLES}


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.full) for name in EXAMPLES]
)
async def test_an_example_does_what_was_asked(at: Desk, name: str) -> None:
    await EXAMPLES[name](at, text(name))


@pytest.mark.full
async def test_an_example_in_json_is_the_same(at: Desk) -> None:
    plain = yaml.safe_load(text("batch-with-failures"))
    at.write(a__txt="a")
    done = await at.run(json.dumps(plain), paths=["a.txt", "b.txt"])
    assert done.outputs == {"read": 1, "failed": 1}
