"""What failed runs again alone, and is told apart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.agents.tests.bench import Bench, write

from astro_mcp.agents.tests.choice import by_name
from astro_mcp.agents.tests.events import Tally
from astro_mcp.agents.tests.flaky import JUDGED, Alone, Flaky
from astro_mcp.agents.tests.models import RunOutput
from astro_mcp.agents.tests.project import Project
from astro_mcp.agents.tests.reports import jsonl
from astro_mcp.agents.tests.selection import Selection
from astro_mcp.core.call import silent
from astro_mcp.errors import Busy
from astro_mcp.packs import Pack
from astro_mcp.sandbox.job import Outcome, SandboxFile
from astro_mcp.workspace.place import Place

LEAVES_SOMETHING = "import builtins\ndef test_first(): builtins.left = 1\n"
OTHERS = """
import builtins, os
def test_broken(): assert 0
def test_second(): assert not hasattr(builtins, "left")
"""
AT_TIMES = "import os\ndef test_at_times(): assert os.urandom(1)[0] % 2\n"


def verdicts(result: RunOutput) -> dict[str, tuple[str, str]]:
    return {failure.id.partition("::")[2]: (failure.verdict, failure.alone) for failure in result.failures}


@pytest.mark.full
async def test_a_broken_test_and_one_that_others_break_are_told_apart(house: Bench, project: Path) -> None:
    write(project, {"test_a.py": LEAVES_SOMETHING, "test_b.py": OTHERS})
    result = await house.run(reruns=1)
    assert verdicts(result) == {
        "test_broken": ("broken", "passed 0 of 1 times alone"),
        "test_second": ("order_dependent", "passed 1 of 1 times alone"),
    }
    assert result.flaky == []
    assert "order-dependent: passed 1 of 1 times alone" in result.text()


@pytest.mark.full
async def test_a_flaky_test_is_found_out(house: Bench, project: Path) -> None:
    write(project, {"test_a.py": AT_TIMES})
    for _ in range(8):
        result = await house.run(reruns=10)
        if result.failures:
            break
    assert result.flaky == ["test_a.py::test_at_times"]
    assert result.failures[0].verdict == "flaky"


class Scripted:
    """Runs as they were scripted: by what is run, one word after the other, the last for good."""

    def __init__(self, script: Mapping[str, list[str]]) -> None:
        self.script = {test: list(words) for test, words in script.items()}
        self.ran: list[str] = []

    async def run(self, selection: Selection, seconds: float) -> Outcome:
        ids = selection.asked["ids"] if selection.asked else ["whole"]
        self.ran += ids
        words = self.script[ids[0]]
        word = words.pop(0) if len(words) > 1 else words[0]
        if word == "no place":
            raise Busy("no sandbox got free")
        tests = list(self.script) if ids == ["whole"] else ids
        events = [{"event": "report", "id": test, "category": word} for test in tests] if word else []
        log = b"".join(json.dumps(event).encode() + b"\n" for event in events)
        return Outcome(0, b"", b"", (SandboxFile("log", log),), (), 0, 0)

    async def judge(self, times: int, total: int = 9, seconds: float = 60) -> dict[str, Alone]:
        async def read(outcome: Outcome, selection: Selection) -> Tally:
            return Tally.of(jsonl.events(outcome.files[0].data))

        files = {name: SandboxFile(name, b"") for name in {test.split("::")[0] for test in self.script}}
        project = Project(Place(Path("/x"), ""), "", files, (), "pytest")
        pytest_itself = by_name(Pack.find().manifests("runner"), "pytest")
        flaky = Flaky(pytest_itself, project, Selection(), total, self.run, read, silent)
        return await flaky.judge([test for test in self.script if test != "whole"], times, seconds)


@pytest.mark.parametrize(
    ("words", "whole", "total", "verdict"),
    [
        (["failed"], "failed", 9, "broken"),
        (["error"], "passed", 9, "broken"),
        (["passed", "failed", "passed"], "failed", 9, "flaky"),
        (["passed"], "failed", 9, "order_dependent"),
        (["passed"], "passed", 9, "flaky"),
        (["passed"], "", 9, ""),
        (["passed"], "failed", 1, "flaky"),
        ([""], "failed", 9, ""),
        (["skipped"], "failed", 9, ""),
        (["failed", "failed", ""], "failed", 9, ""),
        (["no place", "failed", "passed"], "failed", 9, "flaky"),
        (["passed"], "no place", 9, ""),
    ],
)
async def test_a_verdict_is_what_the_reruns_show(words: list[str], whole: str, total: int, verdict: str) -> None:
    scripted = Scripted({"a.py::x": words, "whole": [whole]})
    assert (await scripted.judge(3, total))["a.py::x"].verdict == verdict
    assert scripted.ran.count("a.py::x") == 3


async def test_reruns_are_bounded_in_number_and_in_time() -> None:
    many = {f"a.py::{number}": ["failed"] for number in range(JUDGED + 5)}
    scripted = Scripted({**many, "whole": ["failed"]})
    assert len(await scripted.judge(2)) == JUDGED
    assert len(scripted.ran) == 2 * JUDGED
    late = Scripted({"a.py::x": ["failed"], "whole": ["failed"]})
    unreached = (await late.judge(2, seconds=0.5))["a.py::x"]
    assert (unreached.verdict, unreached.text()) == ("", "")
    assert late.ran == []
