"""While no file changes, what was found is not looked for again; nobody gets an answer that is another's, or old."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.agents.tests.bench import Bench, bench, write

from astro_mcp.agents.lint import memory
from astro_mcp.agents.lint.memory import Memory, key_of
from astro_mcp.agents.lint.models import CheckInput, CheckOutput, FailedTool, Finding
from astro_mcp.config import SecretSettings
from astro_mcp.core.authority import Grant, Kind, Label, Principal, Session
from astro_mcp.sandbox.job import Job, Outcome
from astro_mcp.workspace import fingerprint, snapshot, walk

EMPTY = CheckOutput(items=[], total=0, truncated=False, tools_run=["ruff"])


@pytest.fixture
async def house(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    write(tmp_path / "project", {"a.py": "import os\n"})
    images = tmp_path_factory.getbasetemp() / "images"
    async with bench(tmp_path / "data", (tmp_path / "project",), images) as made:
        yield made


async def test_the_same_files_are_looked_at_once_and_others_again(
    house: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprint, "MARGIN_SECONDS", -3_600.0)
    first = await house.check()
    run, jobs = house.sandbox.run, []

    async def counted(job: Job) -> Outcome:
        jobs.append(job)
        return await run(job)

    monkeypatch.setattr(house.sandbox, "run", counted)
    assert (await house.check(), jobs) == (first, [])
    (tmp_path / "project/a.py").write_text("import re\n")
    [item] = (await house.check()).items
    assert ("re" in item.message, len(jobs)) == (True, 1)


async def test_what_is_known_of_a_secret_bears_its_label_in_every_session_and_so_does_the_log_of_it(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprint, "MARGIN_SECONDS", -3_600.0)
    write(tmp_path / "project", {".env.py": "import os\n"})
    images = tmp_path_factory.getbasetemp() / "images"
    listed = SecretSettings(readable=(".env.py",))
    async with bench(tmp_path / "data", (tmp_path / "project",), images, secrets=listed) as house:
        first, again = await house.call("lint_check"), await house.other().call("lint_check")
        found = again.unwrap()
        assert isinstance(found, CheckOutput)
        assert (first.unwrap(), [item.file for item in found.items]) == (found, [".env.py"])
        assert Label.SECRET in first.labels & again.labels
        sha256 = found.sarif_uri.rpartition("/")[2]
        assert Label.SECRET in await house.artifacts.labels(house.session.scope, sha256)


async def test_a_file_that_changed_just_now_is_looked_at_again_though_it_bears_the_same_time(
    house: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time_ns()
    for module in (walk, snapshot):
        monkeypatch.setattr(module, "stamp", lambda status: (now, now, 0, 0, 0, 0))
    assert ["os" in item.message for item in (await house.check()).items] == [True]
    (tmp_path / "project/a.py").write_text("import re\n")
    assert ["re" in item.message for item in (await house.check()).items] == [True]


def test_an_answer_is_given_for_the_same_files_alone_and_for_a_while() -> None:
    now = 0.0
    known = Memory(lambda: now)
    known.keep("key", b"1", EMPTY)
    assert known.get("key", b"1") == EMPTY
    assert known.get("key", b"2") is None
    assert known.get("key", None) is None
    assert known.get("other", b"1") is None
    now = memory.SECONDS + 1
    assert known.get("key", b"1") is None


def test_what_is_not_whole_is_not_kept_and_no_more_than_fit_are() -> None:
    known = Memory()
    failed = EMPTY.model_copy(update={"failed_tools": [FailedTool(tool="x", exit_code=1, message="")]})
    known.keep("failed", b"1", failed)
    known.keep("racy", None, EMPTY)
    assert (known.get("failed", b"1"), known.get("racy", None)) == (None, None)
    for number in range(memory.MOST + 1):
        known.keep(number, b"1", EMPTY)
    assert (known.get(0, b"1"), known.get(1, b"1")) == (None, EMPTY)


def test_another_session_other_roots_and_what_hangs_on_a_commit_have_keys_of_their_own() -> None:
    def session(user: str, root: str) -> Session:
        return Session(Principal(user, Kind.STDIO), Grant(roots=(Path(root),)))

    args = [CheckInput(), CheckInput(paths=["a"]), CheckInput(tools=["ruff"]), CheckInput(min_severity="error")]
    keys = [key_of(session(user, root), one) for user in "ab" for root in ("/x", "/y") for one in args]
    assert len(set(keys)) == 16
    assert key_of(session("a", "/x"), CheckInput(since_ref="HEAD")) is None


def test_the_oldest_answers_go_where_all_of_them_together_have_too_many_findings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "ITEMS", 5)
    one = Finding(tool="t", rule="r", file="f", line=1, column=1, severity="info", message="m", fixable=False)
    answer = EMPTY.model_copy(update={"items": [one, one]})
    known = Memory()
    for key in "abc":
        known.keep(key, b"1", answer)
    assert [key for key in "abc" if known.get(key, b"1")] == ["b", "c"]
    known.keep("d", b"1", EMPTY.model_copy(update={"items": [one] * 6}))
    assert known.get("d", b"1") is None
