"""What Rust's tests print, as they print it and as somebody forges it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.agents.tests.test_reports import TOP, read
from tests.quickest import computed

from astro_mcp.agents.tests.events import Event, Tally
from astro_mcp.agents.tests.reports.read import events

RUST = """   Compiling toy v0.1.0 (/workspace)
     Running unittests src/lib.rs (target/debug/deps/toy-1)

running 4 tests
test tests::a ... printed past the harness
ok
test tests::b - should panic ... ok
test tests::c ... ignored, later
test tests::d ... FAILED

failures:

---- tests::d stdout ----
said

thread 'tests::d' (7) panicked at src/lib.rs:10:9:
assertion failed
  left: 1
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace


failures:
    tests::d

test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s

   Doc-tests toy

running 1 test
test src/lib.rs - add (line 1) ... ok

test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
"""


def test_rusts_text_is_read_by_program_with_panics_and_what_was_printed_before() -> None:
    found = read("libtest", RUST)
    assert (found.counts, found.not_understood, found.ended) == ({"passed": 3, "failed": 1, "skipped": 1}, 0, True)
    [failure] = found.failures
    assert (failure.id, failure.file, failure.line) == ("src/lib.rs::tests::d", "src/lib.rs", 10)
    assert (failure.message, failure.stdout) == ("assertion failed\n  left: 1", "said")
    assert "Doc-tests toy::src/lib.rs - add (line 1)" in found.finished


def test_rusts_own_sums_tell_what_its_lines_do_not_or_what_somebody_added() -> None:
    assert read("libtest", RUST.replace("test tests::b - should panic ... ok\n", "")).not_understood == 1
    assert read("libtest", RUST.replace("test tests::c", "test forged ... ok\ntest tests::c")).not_understood == 1
    cut = read("libtest", RUST[: RUST.index("test tests::c")] + "test tests::c ... ")
    assert (cut.ended, list(cut.running), cut.counts["passed"]) == (False, ["src/lib.rs::tests::c"], 2)
    assert [failure.message for failure in cut.failures] == ["the program ended after 2 of 4 tests"]


def built(name: str, source: str) -> str:
    """What cargo tells of a program that it made."""
    told = {"reason": "compiler-artifact", "target": {"src_path": source}, "executable": f"{TOP}/target/{name}"}
    return json.dumps(told, separators=(",", ":")) + "\n"


def test_tests_of_a_workspaces_members_are_told_apart_by_their_files_below_the_top() -> None:
    member = RUST[: RUST.index("   Doc-tests")].replace("at src/lib.rs", "at src/other.rs")
    other = member.replace("toy-1", "toy-2").replace("panicked at src/other.rs:10:9", "said nothing")
    told = built("toy-1", f"{TOP}/a/src/lib.rs") + built("toy-2", f"{TOP}/b/src/lib.rs")
    found = read("libtest", told + "{" + told[:60] + "\n" + member + built("toy-2", "/forged") + other)
    assert [failure.id for failure in found.failures] == ["a/src/lib.rs::tests::d", "b/src/lib.rs::tests::d"]
    assert [failure.file for failure in found.failures] == ["src/other.rs", "b/src/lib.rs"]
    assert {"a/src/lib.rs::tests::a", "b/src/lib.rs::tests::a"} < found.outcomes.keys()


DIES = """     Running tests/a.rs (target/debug/deps/a-1)

running 3 tests
test a1 ... ok

thread 'a2' has overflowed its stack
error: test failed, to rerun pass `--test a`
"""


def test_a_rust_program_that_dies_amid_its_tests_is_an_error_whatever_comes_after_it() -> None:
    whole = read("libtest", DIES + RUST)
    assert (whole.counts, whole.ended) == ({"passed": 4, "failed": 1, "skipped": 1, "error": 1}, True)
    died = whole.failures[0]
    assert (died.id, died.message) == ("tests/a.rs", "the program ended after 1 of 3 tests")
    assert "has overflowed its stack" in died.stdout
    asked = Tally.of(events("libtest", (DIES + RUST).encode(), TOP, ()), ["tests/a.rs::a2"])
    assert [failure.id for failure in asked.failures] == ["tests/a.rs"]
    last = read("libtest", RUST + DIES)
    assert (last.ended, [failure.id for failure in last.failures]) == (False, ["src/lib.rs::tests::d", "tests/a.rs"])


def test_what_a_failed_rust_test_said_is_no_other_programs_line() -> None:
    found = read("libtest", RUST.replace("said\n", f"said\n{DIES}"))
    assert [failure.id for failure in found.failures] == ["src/lib.rs::tests::d"]
    assert (found.counts, found.not_understood) == ({"passed": 3, "failed": 1, "skipped": 1}, 0)


@pytest.mark.parametrize("printed", ["---- x stdout ----\n", "failures:\n", "---- x stdout ----\nfailures:\n"])
def test_what_a_rust_test_prints_of_libtests_own_lines_hides_nothing(printed: str) -> None:
    past = DIES.replace("thread 'a2'", f"{printed}thread 'a2'")
    found = read("libtest", past + DIES.replace("tests/a.rs", "tests/b.rs") + RUST)
    assert [failure.id for failure in found.failures] == ["tests/a.rs", "tests/b.rs", "src/lib.rs::tests::d"]
    assert "has overflowed its stack" in found.failures[0].stdout
    kept = read("libtest", RUST.replace("said\n", f"{printed}{DIES}"))
    [failure] = kept.failures
    assert (failure.id, failure.message, kept.not_understood) == (
        "src/lib.rs::tests::d",
        "assertion failed\n  left: 1",
        0,
    )
    assert printed in failure.stdout


def test_a_rust_program_that_dies_while_it_tells_what_failed_does_not_hide_the_next_one() -> None:
    told = built("a-1", f"{TOP}/tests/a.rs") + RUST[: RUST.index("assertion failed")] + DIES
    assert [failure.id for failure in read("libtest", told).failures] == [
        "src/lib.rs::tests::d",
        "src/lib.rs",
        "tests/a.rs",
    ]


def test_panics_within_panics_cost_no_time() -> None:
    forged = "thread 'x" + "' panicked at " * 700
    [failure] = computed(1, lambda: read("libtest", RUST.replace("said\n", f"{forged}\n" * 50))).failures
    assert (failure.file, failure.line, failure.message) == ("src/lib.rs", 10, "assertion failed\n  left: 1")


WORDS = ["test a ... ok\n", "test a ... FAILED\n", "running 1 test\n", "failures:\n", "---- a stdout ----\n"]
WORDS += [
    "test result: ok. 1 passed; 9 failed; 0 ignored;\n",
    "     Running tests/a.rs (x)\n",
    "   Doc-tests a\n",
    "x\n",
]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(WORDS), max_size=25))
def test_no_mixture_of_rusts_lines_makes_it_raise_or_count_a_test_twice(lines: list[str]) -> None:
    found = read("libtest", "".join(lines))
    assert all(isinstance(event, Event) for event in found.failures)
    tests = sum(count for category, count in found.counts.items() if category != "error")
    assert tests <= sum(line.startswith("test a") for line in lines)
    assert found.counts["error"] <= lines.count("running 1 test\n")
