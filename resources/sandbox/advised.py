"""Runs pip-audit on each file beside an OSV database that answers what was asked beforehand: `python3 advised.py
ADVISORIES FILE ...`. Prints a JSON list of findings.

There is no network. ADVISORIES is a JSON object of OSV's advisories by `name version`. Of a package that is not in it
nothing is known, which is not that it has none: its question is an error, and so is the audit of the file that asks.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

AT_ONCE = 2


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


class Advisories(ThreadingHTTPServer):
    """OSV's `POST /v1/query`, on loopback. `unknown` are the packages that were asked for and are not in `known`."""

    daemon_threads = True

    def __init__(self, known: dict[str, list[dict[str, object]]]) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.known = known
        self.unknown: list[str] = []

    def answer(self, body: bytes) -> tuple[int, bytes]:
        query = json.loads(body)
        asked = f"{query['package']['name']} {query['version'].partition('+')[0]}"
        if asked not in self.known:
            self.unknown.append(asked)
            return 404, b"{}"
        return 200, json.dumps({"vulns": self.known[asked]}).encode()


class Answer(BaseHTTPRequestHandler):
    server: Advisories

    def do_POST(self) -> None:
        status, body = self.server.answer(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        pass


def audited(path: str, known: dict[str, list[dict[str, object]]]) -> list[dict[str, object]]:
    """What pip-audit finds in one file, or one finding that says why it found nothing out."""
    with tempfile.TemporaryDirectory() as folder, Advisories(known) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/v1/query"
        argv = [
            sys.executable,
            "-P",
            "-m",
            "pip_audit",
            "--vulnerability-service=osv",
            f"--osv-url={url}",
            "--format=json",
        ]
        argv += ["--progress-spinner=off", f"--cache-dir={folder}/cache", *what(path, folder)]
        ran = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603 - in the sandbox
        server.shutdown()
    try:
        found = json.loads(ran.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        reason = f"nothing is known of {', '.join(server.unknown)}" if server.unknown else complaint(ran.stderr)
        return [unaudited(path, 0, f"pip-audit did not audit this file: {reason}")]
    lines = named_in(path)
    return [
        {
            "file": path,
            "line": lines.get(canonical(package["name"]), 0),
            "rule": flaw["id"],
            "severity": "error",
            "message": told(package, flaw),
        }
        for package in found
        for flaw in package.get("vulns", ())
    ] + [
        unaudited(path, lines.get(canonical(package["name"]), 0), f"{package['name']}: {package['skip_reason']}")
        for package in found
        if "skip_reason" in package
    ]


def unaudited(path: str, line: int, message: str) -> dict[str, object]:
    return {"file": path, "line": line, "rule": "not-audited", "severity": "warning", "message": message}


def beyond(path: str, audited: frozenset[str]) -> Iterator[dict[str, object]]:
    """The files that `path` names by `-r`, which pip-audit does not follow here; those in `audited` are well."""
    with open(path, encoding="utf-8", errors="replace") as file:
        rows = () if path.endswith(".toml") else tuple(file)
    for number, row in enumerate(rows, 1):
        named = re.match(r"(?:-r|--requirement)[\s=]*(\S+)", row.strip())
        other = os.path.normpath(os.path.join(os.path.dirname(path), named[1])) if named else ""
        if other and other not in audited:
            yield unaudited(path, number, f"{other} is not among the files that were audited")


def what(path: str, folder: str) -> list[str]:
    """The arguments that name `path`: a lock of PEP 751 is taken by its folder."""
    if not path.endswith(".toml"):
        return ["--no-deps", "--disable-pip", f"--requirement={path}"]
    os.mkdir(f"{folder}/lock")
    shutil.copy(path, f"{folder}/lock")
    return ["--locked", f"{folder}/lock"]


def named_in(path: str) -> dict[str, int]:
    """The first line that names each package."""
    pattern = r'name\s*=\s*"([\w.-]+)"' if path.endswith(".toml") else r"([A-Za-z0-9][\w.-]*)"
    found: dict[str, int] = {}
    with open(path, encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            if name := re.match(pattern, line.strip()):
                found.setdefault(canonical(name[1]), number)
    return found


def told(package: dict[str, str], flaw: dict[str, object]) -> str:
    fixed = ", ".join(map(str, flaw["fix_versions"])) or "nothing yet"  # type: ignore[call-overload] # pip-audit's list
    names = ", ".join(sorted(map(str, flaw["aliases"])))  # type: ignore[call-overload] # as above
    also = f" ({names})" if names else ""
    return f"{package['name']} {package['version']}{also}, fixed in {fixed}: {flaw['description']}"


def complaint(errors: str) -> str:
    """pip-audit's own error, without the logger's name; else its last line."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()] or ["it said nothing"]
    own = [line for line in lines if line.startswith("ERROR:")]
    return (own or lines)[-1].rpartition("ERROR:pip_audit._cli:")[2]


def main(advisories: str, *paths: str) -> int:
    with open(advisories, encoding="utf-8") as file:
        known = json.load(file)
    every = frozenset(map(os.path.normpath, paths))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = [item for items in pool.map(lambda path: audited(path, known), paths) for item in items]
    found += [item for path in paths for item in beyond(path, every)]
    json.dump(found, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
