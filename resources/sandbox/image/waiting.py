"""The program of a run before it knows what it is: an interpreter that is up, waiting to be told what to become.

It says on descriptor 5 that it waits. A byte on descriptor 4 says that descriptor 3 holds the request, a JSON object.
Then the interpreter either runs a script itself, which takes a millisecond where a new one takes twenty, or becomes the
program that is named. That one it may have to build first, and says on descriptor 5 that it could. Packages are added
only then: their start-up code is as hostile as the rest, and until the request is read nothing hostile may run here. A
script's exit code is said on descriptor 5 too: the answer need not wait until the interpreter is taken apart, and in a
session the next turn is waited for.
"""

from __future__ import annotations

import ast  # noqa: F401 - what nearly every script loads is loaded before anybody waits for it
import atexit
import contextlib
import gc
import io
import json
import os
import site
import sys
import threading
import traceback  # noqa: F401 - as above
import types
from typing import Any, NoReturn

REQUEST, SIGNAL, DONE = 3, 4, 5
HOME = os.getcwd()
NOT_FOUND = 127


def main() -> None:
    for descriptor in (REQUEST, SIGNAL, DONE):
        os.set_inheritable(descriptor, False)
    os.write(DONE, b"!")
    request = told()
    os.environ.clear()
    os.environ.update(request["env"])
    if not request["script"]:
        if request["build"]:
            build(request["build"])
        become(request["argv"])
    site.addsitedir("/opt/site")
    gc.freeze()  # what is there before the script: the end looks through the rest alone
    ours, pipe = os.getpid(), os.fstat(DONE)
    if not request["session"]:
        os.closerange(REQUEST, DONE)
        talk_at_once(request["env"])
        code = run(request["argv"][1:])
        end(code, pipe if os.getpid() == ours else None)
    while True:
        talk_at_once(request["env"])
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - from its beginning, in every turn
        code = run(request["argv"][1:])
        if os.getpid() != ours:
            end(code)  # a process that the script forked ends where the script does, and takes no turn
        flush()
        say(code, pipe)
        request = told()
        os.environ.update(request["env"])


def told() -> dict[str, Any]:
    """The request: argv, env, whether argv is a script for this interpreter, and whether more will come."""
    while True:
        try:
            if not os.read(SIGNAL, 1):
                os._exit(0)
            break
        except KeyboardInterrupt:
            continue  # it came for a turn that had just ended
    size = os.fstat(REQUEST).st_size
    request: dict[str, Any] = json.loads(os.pread(REQUEST, size, 0))
    return request


def talk_at_once(env: dict[str, str]) -> None:
    """Nobody has to flush what is said, where the environment asks for that."""
    if env.get("PYTHONUNBUFFERED"):
        sys.stdout, sys.stderr = unbuffered(1), unbuffered(2)


def build(argv: list[str]) -> None:
    """Make the program that is to run. Whatever is said goes to stderr, since stdout is the program's. Where it fails
    this ends with its exit code."""
    apart = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), (os.POSIX_SPAWN_DUP2, 2, 1)]
    try:
        child = os.posix_spawnp(argv[0], argv, os.environ, file_actions=apart)
    except (OSError, ValueError) as error:
        missing(argv, error)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        os._exit(code if code > 0 else 128 - code)
    os.write(DONE, b"!")


def become(argv: list[str]) -> None:
    """Replace this interpreter; returns never."""
    try:
        os.execvp(argv[0], argv)  # noqa: S606 - there is no shell here, and this is the sandbox
    except (OSError, ValueError) as error:
        missing(argv, error)


def missing(argv: list[str], error: Exception) -> NoReturn:
    os.write(2, f"{argv[0]}: {getattr(error, 'strerror', None) or error}\n".encode())
    os._exit(NOT_FOUND)


def unbuffered(descriptor: int) -> io.TextIOWrapper:
    """A stream whose every write is out before it returns: what was said before a timeout is kept."""
    raw = io.FileIO(descriptor, "w", closefd=False)
    return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True)  # as python -u does


def run(argv: list[str]) -> int:
    """The script as `python3 argv[0]` would have run it: `__main__`, its folder first on the path; its exit code."""
    script = os.path.join(HOME, argv[0])
    sys.argv = argv
    sys.path[0] = os.path.dirname(script)
    module = types.ModuleType("__main__")
    module.__file__ = script
    sys.modules["__main__"] = module
    try:
        with open(script, "rb") as file:
            code = compile(file.read(), script, "exec")
        exec(code, module.__dict__)  # noqa: S102 - this is the sandbox, and this is what it is for
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return error.code or 0
        print(error.code, file=sys.stderr)  # noqa: T201 - as the interpreter itself does
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)  # noqa: T201 - the turn's time was over
        return 130
    except BaseException as error:  # noqa: BLE001 - whatever the script raised is shown, from its own first frame on
        shown = error.with_traceback(error.__traceback__ and error.__traceback__.tb_next)
        sys.excepthook(type(shown), shown, shown.__traceback__)
        return 1
    return 0


def say(code: int, pipe: os.stat_result) -> None:
    """The exit code, where descriptor 5 is still `pipe`: a script may have closed it, and opened a file there."""
    with contextlib.suppress(OSError):
        if os.path.samestat(os.fstat(DONE), pipe):
            os.write(DONE, bytes([code & 0xFF]))


def end(code: int, pipe: os.stat_result | None = None) -> NoReturn:
    """The interpreter's own end in its order: threads, exit functions, what files still hold. Only the taking apart of
    every module is left out, which takes longer than most scripts. The code is said on `pipe`, where there is one."""
    try:
        threading._shutdown()  # type: ignore[attr-defined] # what Py_FinalizeEx calls; it has no public name
        atexit._run_exitfuncs()
        for held in gc.get_objects():
            with contextlib.suppress(Exception):  # whatever a script made of a file, or of what says that it is one
                if isinstance(held, io.IOBase) and not held.closed:
                    held.flush()
        flush()
        if pipe:
            say(code, pipe)
    finally:
        os._exit(code & 0xFF)


def flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # a script may have put anything there
            stream.flush()


main()
