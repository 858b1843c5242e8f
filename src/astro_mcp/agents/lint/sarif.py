"""Findings as SARIF 2.1.0 (https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html), one run a linter.

Equal findings make equal bytes: there is no time and no name of a machine in it. Paths are relative to `SRCROOT`, the
workspace root, whose own path stays here. The results of a file are written once: while its findings and its text are
those that they were, so is what stands here of them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote

from astro_mcp.agents.lint.comparison import numbered, standings
from astro_mcp.agents.lint.models import Finding
from astro_mcp.agents.lint.report import Report, by_file
from astro_mcp.packs import Linter, Severity

MIME: Final = "application/sarif+json"
SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
ROOT: Final = "SRCROOT"
FINGERPRINT: Final = "astroLineInContext/v1"
LEVELS: Final[Mapping[Severity, str]] = {"error": "error", "warning": "warning", "info": "note"}
_PIN: Final = re.compile(r"==([0-9A-Za-z.+!-]+)$")


@dataclass(frozen=True, slots=True)
class Written:
    """The results of one file: of which findings, on which text, with which rules, and as JSON."""

    findings: Sequence[Finding]
    text: bytes
    rules: Sequence[str]
    json: str


WrittenFiles = Mapping[tuple[str, str], Written]
"""By tool and file."""


def sarif(
    reports: Sequence[Report],
    linters: Mapping[str, Linter],
    files: Mapping[str, bytes],
    before: WrittenFiles = MappingProxyType({}),
) -> tuple[bytes, WrittenFiles]:
    """The log of `reports`, each by a linter of `linters`; `files` is what they read, by path. A linter that failed or
    could not be had is a run that was not successful, so that no result means that all is clean. What `before` has of
    an earlier log is not written again; the second of what is returned is for the next one. Blocks."""
    written: dict[tuple[str, str], Written] = {}
    runs = [_run(report, linters[report.tool], files, before, written) for report in reports if _took_place(report)]
    log = f'{{"$schema":"{SCHEMA}","version":"2.1.0","runs":[{",".join(runs)}]}}'
    return log.encode(), written


def _took_place(report: Report) -> bool:
    return report.ran or report.failed is not None or report.missing is not None


def _run(
    report: Report,
    linter: Linter,
    files: Mapping[str, bytes],
    before: WrittenFiles,
    written: dict[tuple[str, str], Written],
) -> str:
    rules = sorted({item.rule for item in report.findings if item.rule})
    driver: dict[str, Any] = {"name": linter.name, "rules": [{"id": rule} for rule in rules]}
    if version := _version(linter):
        driver["version"] = version
    head = {
        "tool": {"driver": driver},
        "invocations": [_invocation(report)],
        "originalUriBaseIds": {ROOT: {"description": {"text": "The root of the workspace."}}},
    }
    for file, items in by_file(report.findings).items():
        key, text = (linter.name, file), files.get(file, b"")
        known = before.get(key)
        if known is None or (known.findings, known.text, known.rules) != (items, text, rules):
            known = Written(items, text, rules, _results(items, rules, {file: text}))
        written[key] = known
    results = ",".join(one.json for key, one in written.items() if key[0] == linter.name)
    return f'{_json(head)[:-1]},"results":[{results}]}}'


def _results(items: Sequence[Finding], rules: Sequence[str], files: Mapping[str, bytes]) -> str:
    """Those of one file."""
    index = {rule: at for at, rule in enumerate(rules)}
    standing = numbered(standings(items, files))
    return ",".join(
        _json(_result(item, index, _fingerprint(repr((one.what, one.line, one.around)), count)))
        for item, (one, count) in zip(items, standing, strict=True)
    )


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _result(item: Finding, index: Mapping[str, int], fingerprint: str) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": _location(item.file)}
    if item.line:
        physical["region"] = {"startLine": item.line, **({"startColumn": item.column} if item.column else {})}
    result: dict[str, Any] = {
        "level": LEVELS[item.severity],
        "message": {"text": item.message or item.rule or item.tool},
        "partialFingerprints": {FINGERPRINT: fingerprint},
    }
    if item.file:
        result["locations"] = [{"physicalLocation": physical}]
    if item.rule:
        result |= {"ruleId": item.rule, "ruleIndex": index[item.rule]}
    if item.new is not None:
        result["baselineState"] = "new" if item.new else "unchanged"
    return result


def _location(file: str) -> dict[str, str]:
    """Within the workspace relative to its root; a file of the container by its whole path."""
    if file.startswith("/"):
        return {"uri": f"file://{quote(file, safe='/')}"}
    return {"uri": quote(file, safe="/"), "uriBaseId": ROOT}


def _invocation(report: Report) -> dict[str, Any]:
    told = []
    if report.missing:
        told.append(report.missing.reason)
    if report.failed:
        told.append(report.failed.message)
    if report.beyond:
        told.append(f"{report.beyond:,} findings more than are listed here")
    notes = [{"level": "error", "message": {"text": text}} for text in told]
    return {"executionSuccessful": not told, **({"toolExecutionNotifications": notes} if notes else {})}


def _version(linter: Linter) -> str:
    """The version that the manifest pins of its first package, the linter itself."""
    found = _PIN.search(next(iter(linter.image.pip), ""))
    return found[1] if found else ""


def _fingerprint(text: str, count: int) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:32]
    return f"{digest}:{count}"
