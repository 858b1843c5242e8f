"""What is told of a run: one cause once, and each test that it broke by its id; a limit with what raises it."""

from __future__ import annotations

from pathlib import Path

from tests.agents.tests.bench import Bench, write

from astro_mcp.agents.tests.models import Counts, RunOutput, Slow

TESTS = """import os, pytest

def check(value):
    print("looked at")
    if value == 2:
        print("and", value)
    raise RuntimeError("no server\\nask for one")

@pytest.mark.parametrize("value", range(4))
def test_it(value): check(value)

def test_other(): assert [1, 2] == [1, 3], "one\\ntwo"
"""


async def test_one_cause_of_many_failures_has_its_trace_once_and_each_test_its_id(house: Bench, project: Path) -> None:
    texts = {name: "# one line\n" * lines + "import nothing_like_it\n" for lines, name in enumerate("abc")}
    broken = {f"sub/test_{name}.py": text for name, text in texts.items()}
    write(project, {"test_x.py": TESTS} | broken)
    collected = await house.run(path="sub")
    assert [(item.id, item.line, item.same_as) for item in collected.failures] == [
        ("sub/test_a.py", 1, ""),
        ("sub/test_b.py", 2, "sub/test_a.py"),
        ("sub/test_c.py", 3, "sub/test_a.py"),
    ]
    assert collected.counts.errors == 3
    assert "FAILED sub/test_c.py at sub/test_c.py:3, as sub/test_a.py" in collected.text().split("\n")
    result = await house.run(path="test_x.py")
    first, *others, other = result.failures
    assert [item.same_as for item in result.failures] == ["", first.id, first.id, first.id, ""]
    assert [bool(item.trace) for item in result.failures] == [True, False, False, False, True]
    assert [item.stdout for item in others] == ["", "looked at\nand 2\n", ""]
    assert {item.message for item in others} == {first.message}
    assert [result.text().count(line) for line in ("E       ask for one", "AssertionError: one\n")] == [1, 2]
    assert other.message.split("\n")[1].strip() == "two"


async def test_a_limit_that_was_hit_is_told_with_what_raises_it(house: Bench, project: Path) -> None:
    threads = "import threading, time\ndef test_a():\n    for _ in range(200):\n        "
    write(project, {"test_a.py": threads + "threading.Thread(target=time.sleep, args=(1,), daemon=True).start()\n"})
    result = await house.run()
    assert (result.limits_hit, result.counts.failed) == (["processes"], 1)
    assert "processes in [sandbox]" in result.explanation


def test_tests_that_took_no_time_are_not_told_among_the_slowest() -> None:
    def told(*slowest: Slow) -> str:
        return RunOutput(counts=Counts(), failures=[], slowest=list(slowest), exit_code=0, run_ms=1).text()

    assert told(Slow(id="a", seconds=0.2), Slow(id="b", seconds=0.004)).endswith("\nslowest: 0.20 s a")
    assert "slowest" not in told(Slow(id="b", seconds=0.004))
