"""The commands and their arguments; each command's work is in a file of its own."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn

from astro_mcp.shim.place import VERSION

DESCRIPTION: Final = """\
astro-mcp without a command is the MCP server on stdio: that is the line for a host's configuration
(options: --root DIR, --toolsets A,B, --read-only, --profile NAME).
"""
Command = Callable[[argparse.Namespace, Any], int]


class Misused(Exception):
    """A command line that is not one; `usage` is the right form of its command."""

    def __init__(self, message: str, usage: str) -> None:
        super().__init__(message)
        self.usage = usage


class Parser(argparse.ArgumentParser):
    """Whole option names alone, and what is wrong as an exception: a program wants it as JSON."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        raise Misused(message, self.format_usage())


def parser() -> argparse.ArgumentParser:
    """Every command; each sets `work`, the name of the module of this package that carries it out."""
    top = Parser(prog="astro-mcp", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter)
    top.add_argument("--version", action="version", version=f"astro-mcp {VERSION}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    _serve(commands)

    call = _add(commands, "call", "tools", "call a tool and print its result")
    call.add_argument("tool")
    call.add_argument("--args", default="{}", help="its arguments as a JSON object; - reads them from stdin")
    _roots(call)

    _add(commands, "doctor", "doctor", "check this machine, and say the fix for whatever is not right")

    daemon = _add(commands, "daemon", "daemon", "the process that hosts share")
    daemon.add_argument("action", choices=["status", "stop"])

    _workflow(commands)

    worker = _add(commands, "worker", "worker", "carry out runs that a Temporal server keeps")
    worker.add_argument("--temporal", metavar="ADDRESS", required=True, help="host and port of its front end")

    sandbox = _add(commands, "sandbox", "sandbox", "the images that code runs in, and its sessions")
    sandbox.add_argument("action", choices=["build", "list", "prune", "sessions", "end"])
    sandbox.add_argument("--language", metavar="NAME", help="build the image of this language, not the base image")
    sandbox.add_argument("--runner", metavar="NAME", help="build the image of this test runner, not the base image")
    sandbox.add_argument("session", nargs="?", help="the session to end")

    audit = _add(commands, "audit", "audit", "the last records of the audit trail")
    audit.add_argument("--last", type=_count, default=30, metavar="N", help="how many (30)")
    return top


def _serve(commands: Any) -> None:
    """For `--help` and for what is wrong: __main__ knows the command, and shim.hello reads its options."""
    text = "serve MCP on stdio: --in-process runs everything in this one process"
    serve = commands.add_parser("serve", help=text, description=text)
    serve.set_defaults(work="")
    serve.add_argument("--in-process", action="store_true", required=True)
    serve.add_argument("--root", action="append", metavar="DIR", help="workspace (this folder); several are fine")
    serve.add_argument("--toolsets", metavar="A,B", help="these agents' tools alone")
    serve.add_argument("--profile", metavar="NAME", help="how tools are shown: full, coding, text or structured")
    serve.add_argument("--read-only", action="store_true", help="leave out whatever changes something")


def _workflow(commands: Any) -> None:
    workflow = commands.add_parser("workflow", help="check, run and steer workflows")
    actions = workflow.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, text in (("check", "check a document and print its plan"), ("run", "run a template or a document")):
        command = _add(actions, name, "workflows", text)
        command.add_argument("what", help="a template's name, or a file (- is stdin)")
        command.add_argument("--input", action="append", default=[], metavar="KEY=VALUE", help="JSON, or text as it is")
        _roots(command)
    command.add_argument(
        "--allow", default="read,execute,network", help="what its steps may do; this by default: %(default)s"
    )
    command.add_argument("--detach", action="store_true", help="print the run's id and don't wait")
    show = _add(actions, "show", "workflows", "a run's steps")
    show.add_argument("run_id")
    _roots(show)
    history = _add(actions, "history", "workflows", "what happened to a run")
    history.add_argument("run_id")
    history.add_argument("--follow", action="store_true", help="go on until the run has ended")
    _roots(history)
    picture = _add(actions, "picture", "workflows", "a picture of a run, a template or a document, as SVG on stdout")
    picture.add_argument("what", help="a run's id, a template's name, or a file (- is stdin)")
    picture.add_argument("--mermaid", action="store_true", help="as a Mermaid flowchart")
    _roots(picture)
    _roots(_add(actions, "list", "workflows", "the runs of this workspace"))
    answer = _add(actions, "answer", "workflows", "answer what a run waits for")
    answer.add_argument("run_id")
    answer.add_argument("step")
    answer.add_argument("value", help="JSON, or text as it is")
    _roots(answer)
    control = _add(actions, "control", "workflows", "pause, resume, retry, cancel or fork")
    control.add_argument("run_id")
    control.add_argument("verb", choices=["pause", "resume", "retry", "cancel", "fork"])
    control.add_argument("--step")
    _roots(control)


def _count(text: str) -> int:
    """A number of things, for argparse, which tells the message."""
    if not text.isdecimal() or not 0 < int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to 1000000")
    return int(text)


def _add(commands: Any, name: str, module: str, text: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    command.add_argument("--json", action="store_true", help="one JSON object on stdout")
    command.set_defaults(work=module)
    return command


def _roots(command: argparse.ArgumentParser) -> None:
    command.add_argument("--root", action="append", default=[], metavar="DIR", help="workspace (this folder)")


def main(arguments: Sequence[str]) -> int:
    """Carry out one command; returns the exit status: 0 ok, 1 error, 2 usage, 3 unavailable, 130 interrupted."""
    try:
        return _main(arguments)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output is gone: nothing is left to say, and the interpreter's last flush goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0


def _main(arguments: Sequence[str]) -> int:
    given = _given(arguments)
    from astro_mcp.cli.link import Failure, unreachable  # noqa: PLC0415 - `--help` should not pay for it
    from astro_mcp.cli.show import Printer  # noqa: PLC0415 - as above
    from astro_mcp.errors import CODES, AstroError  # noqa: PLC0415 - as above
    from astro_mcp.shim.place import ShimError  # noqa: PLC0415 - as above

    if isinstance(given, str):
        Printer(as_json=True).error({"code": "invalid_input", "message": given, "hint": "astro-mcp --help"})
        return 2
    printer = Printer(as_json=given.json)
    try:
        status = _work(given.work)(given, printer)
        sys.stdout.flush()
        return status
    except Failure as failure:
        told = failure
    except AstroError as error:
        told = Failure(error.as_dict(), CODES[error.code].exit)
    except ShimError as error:
        told = unreachable(error)
    except BrokenPipeError:
        raise
    except OSError as error:
        told = Failure({"code": "unavailable", "message": str(error), "hint": "astro-mcp doctor", "retryable": False})
    printer.error(told.error)
    return told.exit


def _given(arguments: Sequence[str]) -> argparse.Namespace | str:
    """The command line, or for a program that asked for JSON what is wrong with it; exits with 2 for a person."""
    top = parser()
    try:
        return top.parse_args(arguments)
    except Misused as error:
        if "--json" in arguments:
            return str(error)
        sys.stderr.write(f"{error.usage}astro-mcp: {error}\n")
        raise SystemExit(2) from None


def _work(name: str) -> Command:
    from importlib import import_module  # noqa: PLC0415 - one command's module, not all of them

    command: Command = import_module(f"astro_mcp.cli.{name}").run
    return command
