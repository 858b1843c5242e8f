"""From a linter's report, whose format its manifest describes, to findings. A report quotes files: it is hostile."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Set
from typing import Any, Final
from urllib.parse import unquote

from astro_mcp.agents.lint import sarif_report
from astro_mcp.agents.lint.models import Finding
from astro_mcp.errors import ProviderFailed
from astro_mcp.packs import Linter, Severity
from astro_mcp.report_formats import JsonReport, RegexReport, SarifReport
from astro_mcp.sandbox.job import LONGEST_PATH

WORKSPACE: Final = "/workspace/"
RULE: Final = 100
MESSAGE: Final = 1_000
FILE: Final = 4_000
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
HERE: Final = re.compile(r"\A(?:\./)+")
NAMES: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")


def findings(linter: Linter, report: bytes, files: Set[str]) -> Iterator[Finding]:
    """Each finding, with its file relative to the sandbox's workspace; `files` are the paths there. Blocks. Raises
    `ProviderFailed` where the report is not what the manifest says."""
    text = report.decode("utf-8", "replace")
    return (_finding(linter, values, files) for values in _values(linter.report, text, files))


def _values(report: JsonReport | RegexReport | SarifReport, text: str, files: Set[str]) -> Iterator[Mapping[str, Any]]:
    if isinstance(report, RegexReport):
        return _regex(report, text, files)
    return _json(report, text) if isinstance(report, JsonReport) else sarif_report.found(_document(text))


def _json(report: JsonReport, text: str) -> Iterator[Mapping[str, Any]]:
    from jmespath import compile as expression  # noqa: PLC0415 - loaded at first use, not at the daemon's start
    from jmespath.exceptions import JMESPathError  # noqa: PLC0415 - loaded at first use, not at the daemon's start

    fields = {name: _names(source) or expression(source).search for name, source in report.fields.items()}
    inner = expression(report.within) if report.within else None
    lines = [line for line in text.split("\n") if line.strip()] if report.lines else []
    document = [_document(line) for line in lines] if report.lines else _document(text)
    try:
        items = expression(report.items).search(document)
        if not isinstance(items, list):
            raise ProviderFailed("the report has no list of findings", retryable=False)
        if inner is not None:
            items = [{"outer": item, "inner": one} for item in items for one in inner.search(item) or ()]
        for item in items:
            values = {name: field(item) for name, field in fields.items()}
            yield values | {name: _next(values.get(name)) for name in report.zero_based}
    except (RecursionError, JMESPathError, TypeError) as error:
        raise ProviderFailed(f"the report is not the JSON that was expected: {error}", retryable=False) from None


def _names(source: str) -> Callable[[Any], Any] | None:
    """What JMESPath gives for names with dots between them, without its interpreter; None where `source` is more."""
    if not NAMES.fullmatch(source):
        return None
    names = source.split(".")

    def read(value: Any) -> Any:
        for name in names:
            value = value.get(name) if isinstance(value, dict) else None
        return value

    return read


def _document(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProviderFailed(f"the report is not the JSON that was expected: {error}", retryable=False) from None


def _next(value: Any) -> Any:
    return value + 1 if isinstance(value, int) else value


def _regex(report: RegexReport, text: str, files: Set[str]) -> Iterator[Mapping[str, Any]]:
    import re2  # noqa: PLC0415 - loaded at first use, not at the daemon's start

    pattern = re2.compile(report.pattern)
    odd = frozenset(path for path in files if ":" in path)
    for line in text.split("\n"):
        name = _beginning(line, odd) if odd else ""
        if match := pattern.search(f"_{line[len(name) :]}" if name else line):
            yield match.groupdict() | ({"file": name} if name else {})


def _beginning(line: str, names: Set[str]) -> str:
    """The longest of `names` that `line` begins with: a colon in one may look like its end."""
    start = len(line) - len(line.removeprefix(WORKSPACE).removeprefix("./"))
    ends = [found.start() for found in re.finditer(":", line[: start + LONGEST_PATH + 1])]
    return next((line[:end] for end in reversed(ends) if line[start:end] in names), "")


def _finding(linter: Linter, values: Mapping[str, Any], files: Set[str]) -> Finding:
    file = _file(values.get("file"))
    if isinstance(linter.report, SarifReport) and file not in files:  # it is an address, which some write as it is
        file = _file(unquote(file))
    line, column, message = _number(values.get("line")), _number(values.get("column")), values.get("message")
    if cell := _number(values.get("cell")):
        line, column, message = 0, 0, f"cell {cell}, line {line}: {message}"
    return Finding(
        tool=linter.name,
        rule=_text(values.get("rule") or linter.rule, RULE),
        file=file,
        line=line,
        column=column,
        severity=_severity(linter, values.get("severity")),
        message=_text(message, MESSAGE),
        fixable=values.get("fixable") is True,
    )


def _severity(linter: Linter, value: Any) -> Severity:
    word = str(value or "").lower()
    own: dict[str, Severity] = {"error": "error", "warning": "warning", "info": "info", "note": "info"}
    return {**own, **linter.severities}.get(word, linter.severity)


def _file(value: Any) -> str:
    """Blanks and all: one character less and it is another file. No file of the copy has a control character. Some
    tools put a `./` of their own before that of the path that they were given."""
    name = CONTROL.sub(" ", str(value)) if value is not None else ""
    return HERE.sub("", _bounded(name, FILE).removeprefix(WORKSPACE))


def _text(value: Any, most: int) -> str:
    return _bounded(" ".join(str(value).split()) if value is not None else "", most)


def _bounded(text: str, most: int) -> str:
    whole = text.encode("utf-8", "replace").decode("utf-8")  # a lone surrogate fits no answer
    return whole if len(whole) <= most else whole[: most - 1] + "…"


def _number(value: Any) -> int:
    try:
        return max(0, min(int(value), 1_000_000_000))
    except (TypeError, ValueError, OverflowError):
        return 0
