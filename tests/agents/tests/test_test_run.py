"""`test_run` through the whole call path, on real projects in real containers."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.agents.tests.bench import Bench, at_once, bench, write
from tests.quickest import given_more
from tests.sandbox.locks import pinned, pipfile_lock
from tests.sandbox.wheels import wheel

from astro_mcp.agents.tests.models import RunOutput
from astro_mcp.core.authority import Effect, Kind, Label, Principal, Session
from astro_mcp.errors import InvalidInput, NoRoot, NotFound, SandboxUnavailable, Unavailable
from astro_mcp.sandbox.job import Job, SandboxFile

EVERY_OUTCOME = """
import sys, pytest, unittest

def test_passes():
    print("said and not shown")

def test_fails():
    print("before the failure")
    assert [1, 2] == [1, 3], "lists differ"

@pytest.fixture
def broken(): raise RuntimeError("setup broke")

@pytest.fixture
def untidy():
    yield
    raise RuntimeError("teardown broke")

def test_error_in_setup(broken): pass
def test_passes_and_its_teardown_breaks(untidy): pass
@pytest.mark.skip(reason="not now")
def test_skipped(): pass
@pytest.mark.xfail
def test_xfails(): assert 0
@pytest.mark.xfail
def test_xpasses(): pass
@pytest.mark.xfail(strict=True)
def test_xpasses_and_must_not(): pass
@pytest.mark.parametrize("text", ["a b", "\\udc80", "\\x1e{}", "x" * 5000], ids=["a b", "surrogate", "mark", "long"])
def test_with_odd_output(text):
    sys.stdout.write(repr(text)); assert text != "\\udc80", text

class TestInClass(unittest.TestCase):
    def test_parts(self):
        for number in range(3):
            with self.subTest(number=number):
                self.assertNotEqual(number, 1)
"""


async def own_counts(house: Bench, project: Path, requirements: list[str]) -> dict[str, int]:
    """What pytest says in its last line, without anything of ours, in the same image."""
    image = await house.sandbox.python_image("local", requirements)
    files = tuple(
        SandboxFile(str(path.relative_to(project)), path.read_bytes()) for path in project.rglob("*") if path.is_file()
    )
    argv = ("python3", "-m", "pytest", "--color=no", "--tb=no")
    outcome = await house.sandbox.run(Job(argv, files=files, image=image, env={"PYTHONPATH": "/workspace/src"}))
    last = outcome.stdout.decode("utf-8", "replace").strip().splitlines()[-1]
    return {name.rstrip("s"): int(count) for count, name in re.findall(r"(\d+) (subtests \w+|[a-z]+)", last)}


def compared(result: RunOutput) -> dict[str, int]:
    counts = {name.rstrip("s"): value for name, value in result.counts if name != "total" and value}
    told = re.search(r"also counted: (.*)", result.explanation)
    others = re.findall(r"(\d+) ([a-z ]+)", told[1]) if told else []
    return counts | {name.strip().rstrip("s"): int(count) for count, name in others}


def uv_lock(sha256: str) -> str:
    return (
        '[[package]]\nname = "project"\nsource = { virtual = "." }\n'
        '[package.dev-dependencies]\ndev = [{ name = "astro-pinned" }]\n'
        '[[package]]\nname = "astro-pinned"\nversion = "1.0"\nsource = { registry = "https://example.org" }\n'
        f'wheels = [{{ url = "https://example.org/x.whl", hash = "sha256:{sha256}" }}]\n'
    )


def pipenv_lock(sha256: str) -> str:
    return pipfile_lock({}, develop={"astro-pinned": pinned("1.0", sha256)})


@pytest.mark.full
@pytest.mark.parametrize(
    ("mark", "name", "lock"), [("pyproject.toml", "uv.lock", uv_lock), ("Pipfile", "Pipfile.lock", pipenv_lock)]
)
async def test_a_lock_goes_before_dependency_files_and_the_runner_comes_beside_it(
    house: Bench,
    project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mark: str,
    name: str,
    lock: Callable[[str], str],
) -> None:
    place = tmp_path / "more"
    place.mkdir()
    made = wheel(place, "astro_pinned", "1.0")
    wheel(place, "astro_pinned", "2.0")
    monkeypatch.setenv("PIP_FIND_LINKS", str(place))
    test = "import astro_pinned\ndef test_version(): assert astro_pinned.version == '1.0'\n"
    found = hashlib.sha256(made.read_bytes()).hexdigest()
    write(project, {f"pkg/{mark}": "", f"pkg/{name}": lock(found), "pkg/test_a.py": test})
    write(project, dict.fromkeys(("requirements.txt", "pkg/requirements.txt"), "no-such-package-at-all"))
    assert (await house.run(path="pkg/test_a.py")).counts.passed == 1
    write(project, {f"pkg/{name}": lock("0" * 64)})
    with pytest.raises(InvalidInput, match="not what is pinned"):
        await house.run(path="pkg")


@pytest.mark.parametrize("requirement", ["pytest>=7", pytest.param("pytest<8", marks=pytest.mark.full)])
async def test_the_counts_are_those_of_pytest_itself_in_the_same_image(
    house: Bench, project: Path, requirement: str
) -> None:
    skipped = "import pytest\npytest.skip('whole module', allow_module_level=True)\n"
    write(project, {"test_all.py": EVERY_OUTCOME, "test_skipped.py": skipped, "requirements.txt": requirement})
    result, own = await at_once(house.run(), own_counts(house, project, [requirement]))
    assert compared(result) == own
    assert own["passed"] >= 5
    assert own["failed"] >= 3
    assert own["error"] == 2
    assert result.exit_code == 1
    assert result.counts.total == 13


async def test_a_failure_has_id_file_line_message_trace_and_what_was_printed(house: Bench, project: Path) -> None:
    write(project, {"pkg/pyproject.toml": "", "pkg/test_all.py": EVERY_OUTCOME})
    result = await house.run(path="pkg")
    failure = next(item for item in result.failures if item.id == "test_all.py::test_fails")
    line = EVERY_OUTCOME.splitlines().index('    assert [1, 2] == [1, 3], "lists differ"') + 1
    assert (failure.file, failure.line) == ("pkg/test_all.py", line)
    assert ("lists differ" in failure.message, "[1, 2] == [1, 3]" in failure.trace) == (True, True)
    assert "before the failure" in failure.stdout
    said = (failure.id, failure.file, *map(str.strip, failure.message.split("\n")), "before the failure")
    assert all(part in result.text() for part in said)


async def test_the_slowest_tests_are_told_slowest_first_with_their_seconds(house: Bench, project: Path) -> None:
    text = "import time\ndef test_quick(): pass\ndef test_slow(): time.sleep(0.1)\ndef test_slower(): time.sleep(0.2)\n"
    write(project, {"test_a.py": text})
    result = await house.run()
    told = {slow.id: slow.seconds for slow in result.slowest}
    assert (told["test_a.py::test_slower"] >= 0.2, told["test_a.py::test_slow"] >= 0.1) == (True, True)
    assert list(told.values()) == sorted(told.values(), reverse=True)
    assert f"slowest: {result.slowest[0].seconds:.2f} s {result.slowest[0].id}, " in result.text()


@pytest.mark.full
async def test_the_whole_log_is_an_artifact_of_this_scope_alone(house: Bench, project: Path) -> None:
    write(project, {"test_all.py": EVERY_OUTCOME})
    result = await house.run()
    sha256 = result.artifact.removeprefix("astro://artifacts/")
    data, mime = await house.artifacts.get(house.session.scope, sha256)
    events = [json.loads(line) for line in data.splitlines()]
    assert mime == "application/x-ndjson"
    assert events[-1] == {"event": "end", "exit_code": 1}
    with pytest.raises(NotFound):
        await house.artifacts.get(Session(Principal("other", Kind.STDIO), house.session.grant).scope, sha256)


@pytest.mark.full
async def test_what_is_asked_for_runs_and_nothing_else(house: Bench, project: Path) -> None:
    write(
        project,
        {"tests/test_a.py": "def test_1(): pass\ndef test_2(): assert 0\n", "tests/test_b.py": "def test_3(): pass"},
    )
    assert (await house.run(path="tests/test_b.py")).counts.total == 1
    assert (await house.run(path="tests")).counts.total == 3
    chosen = await house.run(select="ids", ids=["tests/test_a.py::test_2"])
    assert (chosen.counts.failed, chosen.counts.total) == (1, 1)


@pytest.mark.full
async def test_the_project_its_dependencies_and_its_own_metadata_can_be_imported(house: Bench, project: Path) -> None:
    write(
        project,
        {
            "pyproject.toml": """
                [project]
                name = "toy-project"
                version = "4.2"
                dependencies = ["iniconfig>=2"]
                [project.optional-dependencies]
                test = ["toy-project", "six"]
                [project.scripts]
                toy = "toy:main"
                """,
            "src/toy/__init__.py": "import iniconfig, importlib.metadata as m\nV = m.version('toy-project')\n",
            "tests/test_toy.py": (
                "import subprocess, sys, importlib.metadata as m\nimport six, toy\n"
                "def test_it(): assert toy.V == '4.2'\n"
                "def test_child(): subprocess.run([sys.executable, '-c', 'import toy'], check=True)\n"
                "def test_script(): assert m.entry_points(name='toy')['toy'].value == 'toy:main'\n"
            ),
        },
    )
    result = await house.run()
    assert (result.counts.passed, result.failures) == (3, [])


async def test_a_crash_keeps_what_ran_and_names_the_test_that_was_running(house: Bench, project: Path) -> None:
    crash = "def test_2():\n    import os, signal\n    os.kill(os.getpid(), signal.SIGSEGV)\n"
    write(project, {"test_crash.py": f"def test_1(): pass\n{crash}def test_3(): pass\n"})
    result = await house.run()
    assert (result.counts.passed, result.counts.total) == (1, 3)
    assert result.exit_code == 128 + 11
    assert "SIGSEGV" in result.explanation
    assert [item.id for item in result.failures] == ["test_crash.py::test_2"]


@pytest.mark.full
async def test_a_timeout_keeps_what_ran_and_is_told(house: Bench, project: Path) -> None:
    write(project, {"test_slow.py": "import time\ndef test_1(): pass\ndef test_2(): time.sleep(60)\n"})
    result = await given_more(3, lambda seconds: house.run(timeout=seconds), lambda result: result.counts.passed == 1)
    assert result.limits_hit == ["timeout"]
    assert result.counts.passed == 1
    assert [item.id for item in result.failures] == ["test_slow.py::test_2"]
    assert "timeout" in result.text()


@pytest.mark.parametrize(
    ("files", "code", "words"),
    [
        ({"test_a.py": "import nothing_like_it", "test_b.py": "def test_b(): pass"}, 2, "nothing_like_it"),
        (
            {"conftest.py": "def pytest_runtestloop(): raise ValueError('odd')", "test_a.py": "def test_a(): pass"},
            3,
            "odd",
        ),
        pytest.param(
            {"pytest.ini": "[pytest]\naddopts = --no-such-option", "test_a.py": ""},
            4,
            "--no-such-option",
            marks=pytest.mark.full,
        ),
    ],
)
async def test_exit_codes_2_to_4_are_results_that_explain_themselves(
    house: Bench, project: Path, files: dict[str, str], code: int, words: str
) -> None:
    write(project, files)
    result = await house.run()
    assert (result.exit_code, result.counts.passed) == (code, 0)
    assert result.explanation.startswith("pytest")
    assert words in result.text()


async def test_no_tests_is_an_error_and_no_success(house: Bench, project: Path) -> None:
    write(project, {"thing.py": "x = 1"})
    result = await house.call("test_run")
    assert isinstance(result.error, NotFound)
    assert ("no tests" in result.error.message, "test_*.py" in result.error.hint) == (True, True)


async def test_a_runner_that_never_began_is_an_error_and_no_success(house: Bench, project: Path) -> None:
    write(project, {"pytest.py": "print('all 99 tests passed')", "test_a.py": "def test_a(): pass"})
    result = await house.call("test_run")
    assert isinstance(result.error, Unavailable)
    assert "99" in result.error.hint


async def test_a_run_that_took_its_report_along_is_told_as_one_that_left_none(house: Bench, project: Path) -> None:
    write(project, {"test_a.py": "import shutil\ndef test_a(): shutil.rmtree('.astro')\n"})
    error = (await house.call("test_run")).error
    assert isinstance(error, Unavailable)
    assert error.message == "pytest left no report (exit 0)"


async def test_a_dependency_that_does_not_exist_is_a_typed_error_that_names_it(house: Bench, project: Path) -> None:
    write(project, {"requirements.txt": "six==0.0.0.0.1", "test_a.py": "def test_a(): pass"})
    result = await house.call("test_run")
    assert isinstance(result.error, InvalidInput)
    assert "six" in result.error.message


@pytest.mark.parametrize(
    "arguments",
    [
        {"select": "ids"},
        {"ids": ["test_a.py::test_a"]},
        {"select": "ids", "ids": ["--collect-only"]},
        {"select": "ids", "ids": ["../test_a.py"]},
        {"select": "ids", "ids": ["/etc/passwd"]},
        {"select": "ids", "ids": ["no_such.py::test_a"]},
        {"select": "changed"},
        {"select": "failed"},
        {"select": "everything"},
        {"runner": "tox"},
        {"path": "no/such"},
        {"path": "../elsewhere"},
    ],
)
async def test_bad_arguments_are_refused_before_anything_runs(
    house: Bench, project: Path, arguments: dict[str, Any]
) -> None:
    write(project, {"test_a.py": "def test_a(): pass", "--collect-only": ""})
    result = await house.call("test_run", **arguments)
    assert result.error is not None
    assert result.error.code in ("invalid_input", "not_found", "path_denied")


async def test_a_project_can_not_take_the_place_of_our_plugin(house: Bench, project: Path) -> None:
    write(project, {".astro/pytest_jsonl.py": "raise SystemExit(0)", "a\nb": "", "test_a.py": "def test_a(): pass"})
    result = await house.run()
    assert result.counts.passed == 1
    assert [line.partition(" (")[0] for line in result.left_out] == [".astro/pytest_jsonl.py", r"a\nb"]


async def test_the_tests_have_no_network_and_no_secrets_and_change_nothing_in_the_workspace(
    house: Bench, project: Path
) -> None:
    text = (
        "import os, socket, pytest\ndef test_a():\n"
        "    assert not os.path.exists('.env')\n    open('test_a.py', 'w').close()\n"
        "    with pytest.raises(OSError): socket.create_connection(('192.0.2.1', 80), 1)\n"
    )
    write(project, {"test_a.py": text, ".env": "KEY=1"})
    result = await house.run()
    assert result.counts.passed == 1
    assert any(entry.startswith(".env") for entry in result.left_out)
    assert (project / "test_a.py").read_text() == text
    assert sorted(path.name for path in project.iterdir()) == [".env", "test_a.py"]


@pytest.mark.full
async def test_progress_counts_the_tests_as_they_finish(house: Bench, project: Path) -> None:
    write(project, {"test_a.py": "import time\n" + "".join(f"def test_{n}(): time.sleep(0.2)\n" for n in range(5))})
    seen: list[tuple[float, float | None, str]] = []

    async def progress(done: float, total: float | None, text: str) -> None:
        seen.append((done, total, text))

    await house.call("test_run", progress)
    tests = [entry for entry in seen if entry[1] == 5]
    assert len(tests) >= 3
    assert tests == sorted(tests)
    assert tests[-1] == (5, 5, "test_a.py::test_4")


async def test_without_an_engine_the_call_fails_at_once_and_nothing_runs_here(tmp_path: Path) -> None:
    root = tmp_path / "project"
    write(root, {"test_a.py": f"def test_a(): open({str(tmp_path / 'ran')!r}, 'w')"})
    async with bench(tmp_path / "data", (root,), tmp_path / "images", engine=f"unix://{tmp_path}/none.sock") as house:
        with anyio.fail_after(10):
            result = await house.call("test_run")
    assert isinstance(result.error, SandboxUnavailable)
    assert not (tmp_path / "ran").exists()


async def test_without_a_root_there_is_nothing_to_test(tmp_path: Path, images: Path) -> None:
    async with bench(tmp_path / "data", (), images) as house:
        assert isinstance((await house.call("test_run")).error, NoRoot)


async def test_the_declaration_says_what_the_call_does(house: Bench) -> None:
    tool = house.dispatcher.registry.tool("test_run")
    assert tool.declaration.effects == {Effect.READ, Effect.EXECUTE, Effect.NETWORK}
    assert tool.declaration.labels == {Label.PRIVATE, Label.UNTRUSTED}
    assert tool.repeatable


async def test_of_40_categories_that_a_plugin_makes_up_twenty_are_told_and_the_rest_in_one_number(
    house: Bench, project: Path
) -> None:
    plugin = "def pytest_report_teststatus(report):\n    return report.nodeid[-30:], 'x', 'X'\n"
    tests = "import pytest\n@pytest.mark.parametrize('n', range(40))\ndef test_it(n): pass\n"
    write(project, {"conftest.py": plugin, "test_a.py": tests})
    result = await house.run()
    assert result.counts.total == 40
    assert result.explanation.endswith(", 60 of other kinds")
    assert result.explanation.count(", ") == 20


@pytest.mark.full
@pytest.mark.parametrize(("dist", "total"), [("load", 3), ("each", 6)])
async def test_of_parallel_workers_the_total_is_what_they_collect_however_often_a_test_runs(
    house: Bench, project: Path, dist: str, total: int
) -> None:
    again = "import pytest\n@pytest.mark.flaky(reruns=2)\n@pytest.mark.parametrize('x', [1, 2, 3])\n"
    write(
        project,
        {"requirements.txt": "pytest-xdist\npytest-rerunfailures", "test_a.py": f"{again}def test_a(x): assert 0"},
    )
    write(project, {"pytest.ini": f"[pytest]\naddopts = -n 2 --dist={dist}\n"})
    result = await house.run()
    assert (result.counts.failed, result.counts.total) == (total, total)
    assert f"{2 * total} rerun" in result.explanation
