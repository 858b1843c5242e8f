"""`astro-mcp workflow check|run|show|history|picture|list|answer|control`."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from astro_mcp.cli.history import history
from astro_mcp.cli.link import Failure, Link, open_link, usage
from astro_mcp.cli.picture import drawn
from astro_mcp.cli.show import Printer
from astro_mcp.errors import InvalidInput, NotFound

ENDED: Final = ("succeeded", "failed", "cancelled")
POLL_SECONDS: Final = 2


def run(given: argparse.Namespace, printer: Printer) -> int:
    """Carry out one action; status 1 for a run that failed and for a document with problems."""
    actions: Mapping[str, Callable[[argparse.Namespace, Printer, Link], int]] = {
        "check": _check,
        "run": _run,
        "show": _show,
        "history": history,
        "picture": _picture,
        "list": _list,
        "answer": _answer,
        "control": _control,
    }
    with open_link(given.root) as link:
        return actions[given.action](given, printer, link)


def _check(given: argparse.Namespace, printer: Printer, link: Link) -> int:
    arguments = {**_document(given.what, link), **_inputs(given.input)}
    result = link.call("workflow_check", arguments)
    printer.result(result["text"], result["structured"])
    return not result["structured"].get("valid")


def _run(given: argparse.Namespace, printer: Printer, link: Link) -> int:
    document = {"template": given.what} if _is_template(given.what) else _document(given.what, link)
    allow = [effect.strip() for effect in given.allow.split(",")]
    arguments = {"allow": allow, "wait_seconds": 0, **_inputs(given.input), **document}
    try:
        started = link.call("workflow_run", arguments)
    except Failure as failure:
        raise _told_what_to_allow(failure, given, link, arguments) from None
    if given.detach:
        printer.result(started["text"], started["structured"])
        return 0
    run_id = str(started["structured"]["run_id"])
    try:
        return _follow(printer, link, run_id)
    except KeyboardInterrupt:
        printer.note(f"the run goes on: astro-mcp workflow show {run_id}; astro-mcp workflow control {run_id} cancel")
        raise


def _told_what_to_allow(
    failure: Failure, given: argparse.Namespace, link: Link, arguments: Mapping[str, Any]
) -> Failure:
    """The same failure; where the run was only not allowed what its steps do, with the option that allows it."""
    if failure.error.get("code") != "invalid_input":
        return failure
    document = {"spec": arguments["spec"]} if "spec" in arguments else _document(given.what, link)
    checked = link.call("workflow_check", {**document, **_inputs(given.input)})["structured"]
    if not checked["valid"] or set(checked["effects"]) <= set(arguments["allow"]):
        return failure
    hint = f"`astro-mcp workflow check` shows what its steps do; --allow {','.join(checked['effects'])} allows it"
    problems = [{**problem, "suggestion": ""} for problem in failure.error.get("problems", ())]
    return Failure({**failure.error, "hint": hint, "problems": problems}, failure.exit)


def _follow(printer: Printer, link: Link, run_id: str) -> int:
    """Print each step as it ends, until the run does, or waits for somebody."""
    told: set[str] = set()
    if not printer.as_json:
        printer.line(run_id, "dim")
    while True:
        body = _status(link, {"run_id": run_id, "wait_seconds": POLL_SECONDS})
        for step in body.get("steps", ()):
            if step["status"] in (*ENDED, "lost", "skipped") and step["id"] not in told:
                told.add(step["id"])
                if not printer.as_json:
                    _step(printer, step)
        if body["status"] in ENDED or body.get("waiting_for"):
            printer.result(_end(body), body)
            return body["status"] not in ("succeeded", "waiting")


def _step(printer: Printer, step: Mapping[str, Any]) -> None:
    marks = {"succeeded": ("✓", "green"), "skipped": ("·", "dim"), "cancelled": ("-", "yellow")}
    mark, style = marks.get(step["status"], ("✗", "red"))
    took = f"{step['ms'] / 1000:8.2f} s" if step.get("ms") is not None else " " * 10
    error = f"  {step['error']}" if step.get("error") else ""
    printer.line(f"{mark} {took}  {step['id']:<24} {step.get('tool', '')}{error}", style)


def _end(body: Mapping[str, Any]) -> str:
    lines = [str(body["status"])]
    if error := body.get("error"):
        lines.append(f"{error['code']}: {error['message']}")
    lines += [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in body.get("outputs", {}).items()]
    lines += [body["worktree"]["told"]] if body.get("worktree") else []
    for item in body.get("waiting_for", ()):
        lines += _waiting(body["run_id"], item)
    return "\n".join(lines)


def _waiting(run_id: str, item: Mapping[str, Any]) -> list[str]:
    """What a run waits for, and the command that gives it."""
    level = f" (level {item['level']})" if item.get("level") else ""
    lines = [f"waits for {item['kind']} {item['step']}{level}: {item['text']}"]
    if item.get("shown"):
        lines.append(f"  with: {item['shown']}")
    answer = f"astro-mcp workflow answer {run_id} {item['step']}"
    if item["kind"] == "lost":
        return [*lines, f"  astro-mcp workflow control {run_id} retry --step {item['step']}"]
    if item["kind"] == "approve":
        return [*lines, f"  {answer} true", f"  {answer} false"]
    return [*lines, f"  {answer} {shlex.quote(item.get('answer') or 'TEXT')}"]


def _status(link: Link, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A run's status, or the list of runs, with every page of its steps."""
    body: dict[str, Any] = link.call("workflow_status", arguments)["structured"]
    cursor = body.pop("next_cursor", None)
    while cursor:
        page = link.call("workflow_status", {**arguments, "cursor": cursor})["structured"]
        body["steps"] += page["steps"]
        cursor = page.get("next_cursor")
    return body


def _show(given: argparse.Namespace, printer: Printer, link: Link) -> int:
    result = link.call("workflow_status", {"run_id": given.run_id, "wait_seconds": 0})
    printer.result(result["text"], result["structured"])
    return 0


def _picture(given: argparse.Namespace, printer: Printer, link: Link) -> int:
    kind = "mermaid" if given.mermaid else "picture"
    if given.what.startswith("run_"):
        told = link.read(f"astro://runs/{quote(given.what, safe='')}/{kind}")
    elif _is_template(given.what):
        told = link.read(f"astro://workflows/{quote(given.what, safe='')}/{kind}")
    else:
        told = drawn(_document(given.what, link)["spec"], link, kind)
    printer.result(told["text"], told)
    return 0


def _list(given: argparse.Namespace, printer: Printer, link: Link) -> int:
    rows = _status(link, {}).get("steps", [])
    if printer.as_json:
        printer.json({"items": [{"run_id": row["id"], "name": row["tool"], "status": row["status"]} for row in rows]})
    elif not rows:
        printer.line("no runs in this workspace")
    else:
        printer.table(["run", "workflow", "status"], [(row["id"], row["tool"], row["status"]) for row in rows])
    return 0


def _answer(given: argparse.Namespace, printer: Printer, link: Link) -> int:
    arguments = {"run_id": given.run_id, "step": given.step, "value": given.value}
    result = link.call("workflow_answer", arguments)
    printer.result(result["text"], result["structured"])
    return 0


def _control(given: argparse.Namespace, printer: Printer, link: Link) -> int:
    arguments = {"run_id": given.run_id, "action": given.verb, **({"step": given.step} if given.step else {})}
    result = link.call("workflow_control", arguments)
    printer.result(result["text"], result["structured"])
    return 0


def _is_template(what: str) -> bool:
    return what != "-" and not what.endswith((".yaml", ".yml", ".json")) and not Path(what).is_file()


def _document(what: str, link: Link) -> dict[str, str]:
    if _is_template(what):
        return {"spec": link.call("astro_read", {"uri": f"astro://workflows/{what}"})["text"]}
    try:
        return {"spec": sys.stdin.read() if what == "-" else Path(what).read_text(encoding="utf-8")}
    except OSError as error:
        raise NotFound(f"{what} can't be read: {error.strerror}", "a template's name has no ending") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{what} is no text in UTF-8") from None


def _inputs(pairs: list[str]) -> dict[str, str]:
    """`KEY=VALUE` pairs as one JSON object: a value that is JSON is taken as that, any other as text."""
    if not pairs:
        return {}
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise usage(f"--input {pair} has no '='", "for example --input branch=review")
        try:
            found[key] = json.loads(value)
        except (ValueError, RecursionError):
            found[key] = value
    return {"inputs": json.dumps(found)}
