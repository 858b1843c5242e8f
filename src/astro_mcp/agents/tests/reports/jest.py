"""`jest --json`, and what vitest writes in the same form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from astro_mcp.agents.tests.events import Event
from astro_mcp.agents.tests.reports import made
from astro_mcp.agents.tests.reports.halves import parsed
from astro_mcp.agents.tests.reports.made import Reason, Unreadable

CATEGORIES: Final = {"pending": "skipped", "disabled": "skipped"}
"""Its words for ours; `skipped`, and vitest's, are the same."""
FRAME: Final = re.compile(
    r"^[ \t]+at .*?(?:(?<=[\s(])(?:file://)?/workspace/|\()((?!node_modules/|\.\./|/|node:)[^\s():]{1,1000}+):(\d{1,8}):\d{1,8}\)?$",
    re.MULTILINE,
)
PARSED: Final = re.compile(
    r"^[ \t]*(?:SyntaxError: )?/workspace/(?!node_modules/)([^\s:]{1,1000}+): .* \((\d{1,8}):\d{1,8}\)$"
    r"|\[ (?:/workspace/)?(?!node_modules/|/)([^\s:\[]{1,1000}+):(\d{1,8}):\d{1,8} \]",
    re.MULTILINE,
)
"""Where a file can't be parsed, as Babel and what vitest parses with say it."""
FRAMED: Final = re.compile(r"at |> |\d+ \||[╭│]")
"""How a line begins that shows code, or where it is, and is no message."""
OTHERS: Final = re.compile(r"^[ \t]+at .*?(?:/node_modules/|\(?node:|<anonymous>\)$|new Promise).*\n?", re.MULTILINE)
"""Frames of the runner's and of Node's."""
HEADING: Final = "● Test suite failed to run"
UNSAID: Final = "Error: STACK_TRACE_ERROR"
"""What vitest's report has in place of the message where a test, or one of its hooks, timed out."""
TIMED_OUT: Final = "timed out: the test, or a hook around it, took longer than the runner allows"

Text = Annotated[str, StringConstraints(max_length=4_000_000)]


class Part(BaseModel):
    model_config = ConfigDict(extra="ignore", defer_build=True, frozen=True, hide_input_in_errors=True)


class Assertion(Part):
    """One test. `duration` is in milliseconds. Of what is thrown and is no error, vitest knows no message: null."""

    ancestors: tuple[Text, ...] = Field((), alias="ancestorTitles", max_length=1_000)
    title: Text
    status: Text
    duration: float | None = None
    failures: tuple[Text | None, ...] = Field((), alias="failureMessages")


class Suite(Part):
    """One file of tests."""

    name: Text
    status: Text = ""
    message: Text | None = ""
    assertions: tuple[Assertion, ...] = Field((), alias="assertionResults")


class Document(Part):
    suites: tuple[Suite, ...] = Field(alias="testResults")


def events(report: bytes, top: str) -> Iterator[Event]:
    """Raises `Unreadable`. Files lie below the folder `top`."""
    try:
        document = parsed(Document, report)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"][:4])
        raise Unreadable(f"{where}: {first['msg']}".lstrip(": ")[:300]) from None
    yield Event(event="start")
    for suite in document.suites:
        yield from _suite(suite, suite.name.removeprefix(f"{top}/"))
    yield Event(event="end")


def _suite(suite: Suite, file: str) -> Iterator[Event]:
    failed = False
    for one in suite.assertions:
        name = f"{file}::{' '.join((*one.ancestors, one.title))}"
        failed = failed or one.status == "failed"
        why = _reason("\n\n".join(filter(None, one.failures)), file) if one.status == "failed" else made.NONE
        category = CATEGORIES.get(one.status, one.status)
        yield from made.ended(name, category, (one.duration or 0.0) / 1000, why)
    if suite.status == "failed" and not failed:
        yield made.broken(file, _reason(suite.message or "", file))


def _reason(said: str, file: str) -> Reason:
    """The innermost frame that is the project's own tells the place; others are left out."""
    text = made.plain(said).replace(HEADING, "").replace(UNSAID, TIMED_OUT).strip()
    found = FRAME.search(text) or PARSED.search(text)
    message: list[str] = []
    for line in filter(str.strip, text.split("\n")):
        if message and FRAMED.match(line.lstrip()):
            break
        message.append(line)
    path, number = filter(None, found.groups()) if found else (file, "0")
    return Reason("\n".join(message) or "failed, and said nothing", OTHERS.sub("", text), path, int(number))
