"""Each form of report, as runners write it and as somebody forges it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.quickest import computed

from astro_mcp.agents.tests.events import FAILURES, Tally
from astro_mcp.agents.tests.reports.made import Unreadable
from astro_mcp.agents.tests.reports.read import events
from astro_mcp.runner import SUFFIXES, Form

TOP = "/workspace"


def read(form: Form, report: bytes | str, files: Iterable[str] = ()) -> Tally:
    data = report.encode() if isinstance(report, str) else report
    return Tally.of(events(form, data, TOP, set(files)))


def jest(*suites: dict[str, Any]) -> str:
    return json.dumps({"testResults": list(suites)})


def one(status: str, *failures: str | None, title: str = "t", **more: Any) -> dict[str, Any]:
    return {"title": title, "status": status, "failureMessages": list(failures), "ancestorTitles": ["a", "b"], **more}


def test_jests_words_are_read_as_ours_and_times_in_seconds() -> None:
    tests = [one(word, title=word, duration=1500) for word in ("passed", "pending", "skipped", "disabled", "todo")]
    found = read("jest-json", jest({"name": f"{TOP}/x.test.js", "status": "passed", "assertionResults": tests}))
    assert (found.started, found.ended, found.total) == (True, True, 5)
    assert found.counts == {"passed": 1, "skipped": 3, "todo": 1}
    assert (1.5, "x.test.js::a b passed") in found.slowest


@pytest.mark.parametrize(
    ("frame", "place"),
    [
        ("    at Object.toBe (/workspace/src/a.js:3:9)", ("src/a.js", 3)),
        ("    at /workspace/a b/a.js:3:9", ("x.test.js", 0)),
        ("    at file:///workspace/a.mjs:4:1", ("a.mjs", 4)),
        ("    at f (/workspace/node_modules/q/a.js:3:9)\n    at g (/workspace/b.js:7:1)", ("b.js", 7)),
        ("    at f (/node_modules/q/a.js:3:9)", ("x.test.js", 0)),
        ("    at constructor (../node_modules/@babel/parser/src/error.ts:96:45)", ("x.test.js", 0)),
        ("    at Object.<anonymous> (test/b.test.js:1:7)", ("test/b.test.js", 1)),
        ("    at node:internal/x:1:7", ("x.test.js", 0)),
    ],
)
def test_a_failures_place_is_the_innermost_frame_of_the_project(frame: str, place: tuple[str, int]) -> None:
    said = f"\x1b[31mError\x1b[39m: lists differ\n{frame}\n    at run (/node_modules/jest/run.js:1:1)"
    [failure] = read(
        "jest-json", jest({"name": f"{TOP}/x.test.js", "assertionResults": [one("failed", said)]})
    ).failures
    assert (failure.file, failure.line) == place
    assert failure.message == "Error: lists differ"
    assert "node_modules/jest" not in failure.trace


def test_a_file_that_jest_could_not_load_is_an_error_of_that_file() -> None:
    message = (
        "  ● Test suite failed to run\n\n    at load\n\n    > 1 | throw\n\n      at Object.<anonymous> (b.test.js:1:7)"
    )
    found = read("jest-json", jest({"name": f"{TOP}/b.test.js", "status": "failed", "message": message}))
    [failure] = found.failures
    assert (failure.id, failure.when, failure.message, failure.line) == ("b.test.js", "collect", "at load", 1)
    assert (found.counts, found.total) == ({"error": 1}, 0)


FRAME = "\n\n      1 | const a = 1;\n    > 2 | const b = [1\n        |          ^\n      3 |\n"
BOX = "\n   ╭─[ src/b.ts:2:29 ]\n   │\n 2 │ const b: = 1;\n   │          ┬\n"


@pytest.mark.parametrize(
    ("said", "message", "place"),
    [
        (f"SyntaxError: {TOP}/src/b.js: Unexpected token (2:10){FRAME}", 0, ("src/b.js", 2)),
        (f"Cannot find module './x'{FRAME}\n      at Object.require (b.test.js:2:11)", 0, ("b.test.js", 2)),
        (f"Transform failed:\n[PARSE_ERROR] Error: Unexpected token{BOX}", 1, ("src/b.ts", 2)),
        (f"SyntaxError: {TOP}/node_modules/b.js: Unexpected token (2:10){FRAME}", 0, ("b.test.js", 0)),
    ],
)
def test_a_file_that_can_not_be_loaded_has_its_place_and_no_code_in_its_message(
    said: str, message: int, place: tuple[str, int]
) -> None:
    told = f"  ● Test suite failed to run\n\n    {said}"
    [failure] = read("jest-json", jest({"name": f"{TOP}/b.test.js", "status": "failed", "message": told})).failures
    assert failure.message == "\n".join(said.split("\n")[: message + 1])
    assert (failure.file, failure.line) == place
    assert failure.trace.startswith(said.split("\n", maxsplit=1)[0])


def test_a_vitest_test_that_throws_what_is_no_error_costs_no_other_test_its_outcome() -> None:
    tests = [one("passed"), one("failed", None, title="throws"), one("failed", None, "Error: boom", title="both")]
    found = read("jest-json", jest({"name": f"{TOP}/x.test.js", "assertionResults": tests}))
    assert (found.counts, found.ended) == ({"passed": 1, "failed": 2}, True)
    assert [failure.message for failure in found.failures] == ["failed, and said nothing", "Error: boom"]


def test_a_vitest_test_that_timed_out_is_told_so_though_the_report_has_no_message() -> None:
    said = f"Error: STACK_TRACE_ERROR\n    at {TOP}/x.test.js:5:3"
    found = read("jest-json", jest({"name": f"{TOP}/x.test.js", "assertionResults": [one("failed", said)]}))
    [failure] = found.failures
    assert (failure.message.partition(":")[0], failure.line) == ("timed out", 5)


HALVES = "caf\ud83d \udce9, \U0001f600, \\ud83d, \\\\"
READABLE = "caf\ufffd \ufffd, \U0001f600, \\ud83d, \\\\"


def test_half_a_surrogate_pair_in_jests_report_costs_itself_and_no_test() -> None:
    tests = [one("passed"), one("failed", HALVES, title=HALVES)]
    found = read("jest-json", jest({"name": f"{TOP}/x.test.js", "assertionResults": tests}))
    assert (found.counts, found.ended) == ({"passed": 1, "failed": 1}, True)
    assert [(failure.id, failure.message) for failure in found.failures] == [(f"x.test.js::a b {READABLE}", READABLE)]


def test_half_a_surrogate_pair_in_a_line_of_ours_costs_itself_and_no_test() -> None:
    line = {"event": "report", "id": HALVES, "category": "failed", "message": HALVES}
    found = read("jsonl", f"{json.dumps(line)}\n" + '{"event":"report","id":"\\ud83d\n')
    assert [(failure.id, failure.message) for failure in found.failures] == [(READABLE, READABLE)]
    assert found.not_understood == 1


@pytest.mark.parametrize(
    "said",
    ["\n" * 100_000, "    at " + "/workspace/a" * 300_000 + "!", "    at f (" * 100_000],
    ids=["blank lines", "paths", "frames"],
)
def test_a_failure_that_is_made_to_cost_is_read_in_time(said: str) -> None:
    report = jest({"name": "x.test.js", "assertionResults": [one("failed", f"boom\n{said}y")]})
    found = computed(2, lambda: read("jest-json", report))
    assert (len(found.failures), found.failures[0].message[:4]) == (1, "boom")


JUNIT = """<?xml version="1.0"?><testsuites><testsuite name="s">
<testcase name="passes" classname="passes" time="0.5" status="run"><system-out>x</system-out></testcase>
<testcase name="a" classname="pkg.A" file="a.py" line="7"><failure message="boom &lt;1&gt;">trace</failure>
<system-out>out</system-out><system-err>err</system-err></testcase>
<testcase name="b"><error>first line
second</error></testcase>
<testcase name="c"><skipped/></testcase>
<testcase name="d" status="disabled"/>
<testcase name="e" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/></testcase>
<testcase name="f" status="notrun"><skipped message="Unable to find executable"/></testcase>
</testsuite></testsuites>"""


def test_junit_is_read_with_messages_traces_places_and_output() -> None:
    found = read("junit", JUNIT)
    assert found.counts == {"passed": 1, "failed": 1, "error": 2, "skipped": 3}
    failed, error, missing = found.failures
    assert (failed.id, failed.file, failed.line) == ("pkg.A::a", "a.py", 7)
    assert (failed.message, failed.trace, failed.stdout) == ("boom <1>", "trace", "out\nerr")
    assert (error.message, error.trace) == ("first line", "first line\nsecond")
    assert (missing.id, missing.message) == ("f", "Unable to find executable")
    assert found.slowest[0] == (0.5, "passes")


BOMB = "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'>" + "".join(
    f"<!ENTITY {chr(98 + n)} '{f'&{chr(97 + n)};' * 10}'>" for n in range(12)
)
HOSTILE = {
    "a document type": "<!DOCTYPE x [<!ENTITY a 'aaaa'>]><testsuite><testcase name='&a;'/></testsuite>",
    "entities": f"{BOMB}]><testsuite><testcase name='&m;'/></testsuite>",
    "a file": '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><testsuite><testcase name="&a;"/></testsuite>',
    "depth": "<testsuite>" * 100_000,
    "no end": "<testsuite><testcase name='a'>",
    "another": "<html><testcase name='a'/></html>",
    "no text": "",
    "two": "<testsuite/><testsuite/>",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.alone
def test_xml_that_is_no_report_or_made_to_cost_is_refused_at_once(text: str) -> None:
    def refuse() -> None:
        with pytest.raises(Unreadable):
            read("junit", text)

    computed(1, refuse)


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"testResults": {}}', '{"testResults": [{"name": 1}]}', "[" * 200_000, '{"testResults": [1e999]}'],
)
def test_json_that_is_no_report_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        read("jest-json", text)


def go(*lines: dict[str, Any]) -> str:
    return "".join(json.dumps({"Package": "example.org/m/sub", **line}) + "\n" for line in lines)


def test_gos_parents_and_parts_are_tests_and_a_package_that_fails_by_itself_is_an_error() -> None:
    said = "# example.org/m/bad\nbad/b.go:3:1: undefined: x\n"
    found = read(
        "go-json",
        go(
            {"Action": "start"},
            {"Action": "run", "Test": "TestA"},
            {"Action": "run", "Test": "TestA/x"},
            {"Action": "output", "Test": "TestA/x", "Output": "    a_test.go:4: logged\n"},
            {"Action": "output", "Test": "TestA/x", "Output": "    a_test.go:5: boom\n        more\n"},
            {"Action": "output", "Test": "TestA/x", "Output": "--- FAIL: TestA/x (0.00s)\n"},
            {"Action": "fail", "Test": "TestA/x", "Elapsed": 0.25},
            {"Action": "fail", "Test": "TestA"},
            {"Action": "fail"},
            {"Action": "build-output", "Package": "", "ImportPath": "example.org/m/bad [x]", "Output": said},
            {"Action": "start", "Package": "example.org/m/bad"},
            {"Action": "fail", "Package": "example.org/m/bad", "FailedBuild": "example.org/m/bad [x]"},
        ),
        ["sub/a_test.go", "bad/b.go"],
    )
    assert (found.counts, found.ended, found.total) == ({"failed": 2, "error": 1}, True, 2)
    part, package = found.failures
    assert (part.id, part.file, part.line) == ("example.org/m/sub::TestA/x", "sub/a_test.go", 5)
    assert part.message == "boom\n        more"
    assert (package.id, package.file, package.line) == ("example.org/m/bad", "bad/b.go", 3)
    assert "undefined: x" in package.message


@pytest.mark.parametrize("end", ["fail", "pass"])
def test_go_tests_that_their_program_ended_in_have_failed_with_what_ended_it(end: str) -> None:
    panic = ["panic: boom\n", "\n", "goroutine 4 [running]:\n", "\t/workspace/sub/a_test.go:3 +0x25\n"]
    found = read(
        "go-json",
        go(
            {"Action": "start"},
            {"Action": "run", "Test": "TestA"},
            {"Action": "output", "Test": "TestA", "Output": "    a_test.go:4: plain\n"},
            {"Action": "fail", "Test": "TestA"},
            {"Action": "run", "Test": "TestB"},
            {"Action": "run", "Test": "TestC"},
            *({"Action": "output", "Test": "TestC", "Output": text} for text in panic),
            {"Action": "output", "Output": "FAIL\texample.org/m/sub\t0.01s\n"},
            {"Action": end},
        ),
        ["sub/a_test.go"],
    )
    assert (found.counts, found.ended, found.total, found.running) == ({"failed": 3}, True, 3, {})
    told = [(failure.id.partition("::")[2], failure.line, failure.message) for failure in found.failures]
    assert told == [("TestA", 4, "plain"), ("TestB", 0, "its package ended before it did"), ("TestC", 3, "panic: boom")]


def test_a_go_run_that_was_cut_off_names_what_was_running() -> None:
    text = go({"Action": "start"}, {"Action": "run", "Test": "TestA"}) + '{"Action":"output","Pack'
    found = read("go-json", text)
    assert (found.ended, list(found.running), found.not_understood) == (False, ["example.org/m/sub::TestA"], 1)


def test_a_go_package_of_thousands_of_folders_is_read_in_time() -> None:
    package = "a/" * 5_000 + "m"
    lines = [{"Action": "output", "Package": package, "Test": "TestA", "Output": f"  {n}.go:1: x\n"} for n in range(50)]
    report = go(*lines, {"Action": "fail", "Package": package, "Test": "TestA"})
    [failure] = computed(1, lambda: read("go-json", report, ["m/7.go"])).failures
    assert (failure.file, failure.line) == ("m/7.go", 1)


def test_a_flood_of_failures_is_bounded_in_every_form() -> None:
    tests = [one("failed", "x" * 50_000, title=str(number)) for number in range(FAILURES + 5)]
    found = read("jest-json", jest({"name": "a", "assertionResults": tests}))
    assert (len(found.failures), found.failures_left_out) == (FAILURES, 5)
    assert max(len(failure.trace) for failure in found.failures) <= 12_000
    long = read(
        "junit", f"<testsuite><testcase name='{'n' * 90_000}'><error>{'y' * 900_000}</error></testcase></testsuite>"
    )
    assert len(long.failures[0].id) <= 4_000
    assert len(long.failures[0].trace) <= 12_000


@settings(deadline=None, max_examples=80)
@given(st.sampled_from(list(SUFFIXES)), st.binary(max_size=400) | st.text(max_size=300).map(str.encode))
def test_no_bytes_make_a_reader_raise_anything_else(form: Form, report: bytes) -> None:
    try:
        read(form, report)
    except Unreadable:
        assert form in ("junit", "jest-json")
