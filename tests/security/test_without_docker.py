"""Without a Docker engine everything else works, the sandbox's tools say so at once, and nothing runs on the host
instead: no place in the source could start it."""

from __future__ import annotations

import ast
import functools
import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.daemon.home import Home, Host, home
from tests.net.web_site import Loopback, Names, answer, serving
from tests.quickest import within_blocking
from tests.sources import nodes

from astro_mcp.app.app import open_app
from astro_mcp.core.authority import Grant, Kind, Principal, Session
from astro_mcp.core.call import Call
from astro_mcp.net import client
from astro_mcp.sandbox import hints

SOURCE = Path(__file__).parents[2] / "src"
ENGINE = '[sandbox]\nengine = "unix:///nonexistent/docker.sock"\n'
SEARXNG = (
    '[search.searxng]\nbase_url = "http://127.0.0.1:{port}"\nallow_private = true\n[search.ddgs]\nenabled = false\n'
)
AUTHOR = ("-c", "user.name=x", "-c", "user.email=x@x")
RESULTS = {"results": [{"url": "https://example.com/", "title": "Engines", "content": "of ships"}]}
SPEC = '{"name": "look", "steps": [{"id": "look", "tool": "fs_list"}]}'

WORKS = [
    ("fs_list", {"path": "."}),
    ("fs_read", {"path": "test_a.py"}),
    ("fs_search", {"pattern": "assert"}),
    ("fs_write", {"path": "new.txt", "content": "x"}),
    ("fs_edit", {"edits": [{"path": "new.txt", "old": "x", "new": "y"}]}),
    ("fs_undo", {"last": True}),
    ("git_status", {}),
    ("git_commit", {"paths": ["later.txt"], "message": "second"}),
    ("git_branch", {"name": "side"}),
    ("git_branch", {"action": "switch", "name": "side"}),
    ("git_branch", {"action": "worktree", "name": "tree"}),
    ("git_branch", {"action": "close", "name": "tree"}),
    ("git_merge_preview", {"from": "main"}),
    ("git_merge", {"from": "main"}),
    ("git_branch", {"action": "create", "name": "side"}),
    ("git_log", {}),
    ("git_show", {}),
    ("git_diff", {}),
    ("kb_index", {"paths": ["test_a.py"]}),
    ("kb_remember", {"title": "Engine", "text": "The engine is away."}),
    ("kb_search", {"query": "what do we know about the engine"}),
    ("workflow_check", {"spec": SPEC}),
    ("workflow_run", {"spec": SPEC}),
    ("astro_read", {"uri": "astro://health"}),
]
UNAVAILABLE: list[tuple[str, dict[str, Any]]] = [
    ("code_run", {"language": "python", "code": "open('MARKER', 'w')"}),
    ("code_run", {"language": "python", "packages": ["six"], "code": "open('MARKER', 'w')"}),
    ("test_run", {}),
    ("test_run", {"path": "test_a.py"}),
    ("lint_check", {}),
    ("lint_fix", {"apply": True}),
]


class Metasearch(BaseHTTPRequestHandler):
    """A SearXNG that finds one page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(RESULTS).encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        pass


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with HTTPServer(("127.0.0.1", 0), Metasearch) as server, home(tmp_path_factory.mktemp("dockerless")) as made:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        furnish(made, server.server_port)
        made.host().begin()
        yield made
        server.shutdown()


@pytest.fixture(scope="module")
def host(at: Home) -> Host:
    at.hosts[0].call("code_run", {"language": "python", "code": "1"})  # the first call pays for imports
    return at.hosts[0]


def marker(at: Home) -> Path:
    """What each piece of the project's code makes, wherever it runs on this machine."""
    return at.project.parent / "ran"


def furnish(at: Home, port: int) -> None:
    ran = f"open({str(marker(at))!r}, 'w')\n"
    at.folder.mkdir(mode=0o700)
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=at.project, check=True)
    (at.folder / "config.toml").write_text(ENGINE + SEARXNG.format(port=port))
    (at.project / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "1"\n[tool.ruff]\n')
    (at.project / "test_a.py").write_text(f"{ran}def test_a():\n    {ran}    assert True\n")
    (at.project / "conftest.py").write_text(ran)
    subprocess.run(["git", "add", "."], cwd=at.project, check=True)
    subprocess.run(["git", *AUTHOR, "commit", "-qm", "first"], cwd=at.project, check=True)
    (at.project / "later.txt").write_text("x")


@pytest.mark.parametrize(("tool", "arguments"), WORKS, ids=[tool for tool, _ in WORKS])
def test_what_needs_no_sandbox_works_without_an_engine(host: Host, tool: str, arguments: dict[str, Any]) -> None:
    result = host.call(tool, arguments)
    assert not result["isError"], result["content"]


def test_the_web_is_searched_without_an_engine(host: Host) -> None:
    found = host.call("web_search", {"query": "engines"})["structuredContent"]
    assert [item["url"] for item in found["items"]] == ["https://example.com/"]


async def test_a_page_is_fetched_without_an_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the house's own door: a host's fetch of this machine is rightly refused, and the internet is nobody's test."""
    (tmp_path / "config.toml").write_text(ENGINE)
    guarded = functools.partial(client.GuardedClient, resolve=Names(), policy=Loopback())
    monkeypatch.setattr(client, "GuardedClient", guarded)
    async with serving() as site, open_app(tmp_path, {}) as house:
        site.replies["/robots.txt"] = answer(status="404 Not Found")
        site.replies["/"] = answer(b"<p>The engine is away, and the page is here.</p>", content_type="text/html")
        session = Session(Principal("uid:1", Kind.STDIO), Grant())
        fetched = await house.dispatcher.call(Call(session, "web_fetch", {"url": f"http://site.example:{site.port}/"}))
        assert "the page is here" in fetched.unwrap().text()


def test_the_guard_of_web_fetch_stands_without_an_engine(host: Host) -> None:
    error = host.call("web_fetch", {"url": "http://127.0.0.1:9/"})["structuredContent"]["error"]
    assert error["code"] == "forbidden"


@pytest.mark.parametrize(("tool", "arguments"), UNAVAILABLE)
def test_the_sandboxs_tools_say_at_once_what_is_missing_and_the_one_line_that_mends_it(
    host: Host, tool: str, arguments: dict[str, Any]
) -> None:
    given = json.loads(json.dumps(arguments).replace("MARKER", "/nonexistent/ran"))
    result = within_blocking(1, lambda: host.call(tool, given))
    assert result["isError"], result
    error = result["structuredContent"]["error"]
    assert error["code"] == "sandbox_unavailable"
    assert error["hint"] == hints.SETTING
    assert "\n" not in error["hint"]
    assert error["hint"] in result["content"][0]["text"]


def test_nothing_of_the_project_runs_on_the_host(at: Home, host: Host) -> None:
    ran = marker(at)
    ran.unlink(missing_ok=True)
    for tool, arguments in UNAVAILABLE:
        given = json.loads(json.dumps(arguments).replace("MARKER", str(ran)))
        assert host.call(tool, given)["isError"]
        assert not ran.exists(), tool
    for file in ("conftest.py", "test_a.py"):
        subprocess.run([sys.executable, file], cwd=at.project, check=True)
        assert ran.exists(), "whoever runs it here leaves the mark"
        ran.unlink()


# Each place in the source that starts a process or loads what is named at run time: file, function, by what, and what.
PIP = "[sys.executable, '-I', '-m', 'astro_mcp.sandbox.packages.pip_child', json.dumps(told), 'download']"
STARTS = {
    ("cli/sandbox.py", "_build", "subprocess.run", "['/usr/bin/env', 'bash', str(recipe / 'build.sh'), *options]"),
    ("shim/start.py", "_spawn", "os.fork", ""),
    (
        *("shim/start.py", "_become_daemon", "os.execve"),
        "sys.executable, [sys.executable, '-I', '-X', 'utf8', '-m', 'astro_mcp', 'daemon', 'run', f'--ready={READY}']",
    ),
    ("sandbox/child.py", "run", "anyio.open_process", "argv, a parameter"),
    ("sandbox/packages/npm_child.py", "main", "os.execv", "program, a parameter, arguments[1:]"),
    (
        *("sandbox/packages/npm.py", "run", "astro_mcp.sandbox.child.run"),
        "[*CHILD, a parameter, str(os.getpid()), self._program, command, *self._options, *rest]",
    ),
    (
        *("sandbox/warden.py", "__init__", "subprocess.Popen"),
        "[sys.executable, '-I', '-S', str(SCRIPT), engine, *ours]",
    ),
    (
        *("sandbox/packages/wheels.py", "fetch", "astro_mcp.sandbox.child.run"),
        f"[*{PIP}, *options, *wheel_options(python), '--', *requirements]",
    ),
    (
        *("workspace/git/child.py", "_started", "subprocess.Popen"),
        "[program(), '--no-pager', '-c', 'safe.bareRepository=explicit', *arguments]",
    ),
    ("workspace/git/signing.py", "_ran", "anyio.open_process", "command, a parameter"),
    (
        *("workflow/expressions/evaluator.py", "_start", "subprocess.Popen"),
        "[sys.executable, '-I', '-m', 'astro_mcp.workflow.expressions.worker']",
    ),
    (
        *("agents/knowledge/outline/parser.py", "_start", "subprocess.Popen"),
        "[sys.executable, '-I', '-m', 'astro_mcp.agents.knowledge.outline.child']",
    ),
    (
        *("agents/files/ripgrep.py", "__init__", "subprocess.Popen"),
        "[program, *_OPTIONS, '--regexp', expression, '--', *names]",
    ),
    ("documents/child.py", "run", "anyio.open_process", "argv, a parameter"),
    (
        *("agents/knowledge/reopening.py", "same", "astro_mcp.documents.child.run"),
        "[sys.executable, '-I', '-m', CHILD, *arguments]",
    ),
    (
        *("documents/pdf.py", "pdf_text", "astro_mcp.documents.child.run"),
        "[sys.executable, '-I', str(_CHILD), str(MEMORY), str(int(SECONDS)), str(PAGES), str(CHARACTERS)]",
    ),
    ("cli/parser.py", "_work", "importlib.import_module", "f'astro_mcp.cli.{name}'"),
    ("daemon/house.py", "load", "importlib.import_module", "handed on"),
    ("core/deferred.py", "imported", "importlib.import_module", "handed on"),  # the parts that app.py names, see below
}
IN_THE_CONTAINER = "agents/code/runner.py"
"""A program that is copied into the sandbox, and that nothing of ours imports."""
PLACES = (
    "sandbox",
    "cli",
    "shim",
    "daemon",
    "workspace/git",
    "workflow/expressions",
    "documents",
    "agents/files",
    "agents/knowledge",
    "core",
)
STARTERS = (
    *("subprocess.run", "subprocess.Popen", "subprocess.call", "subprocess.check_", "subprocess.get"),
    *("os.exec", "os.fork", "os.spawn", "os.posix_spawn", "os.system", "os.popen", "os.startfile", "pty.fork"),
    *("pty.spawn", "multiprocessing", "concurrent.futures.ProcessPoolExecutor", "concurrent.futures.process"),
    *("anyio.open_process", "anyio.run_process", "anyio.to_process", "asyncio.create_subprocess"),
    *("asyncio.subprocess", "_posixsubprocess", "importlib.import_module", "__import__", "eval", "exec"),
    *("astro_mcp.sandbox.child.run", "astro_mcp.documents.child.run"),
)
HIDDEN = """
import os as o, subprocess as sp, anyio, asyncio, multiprocessing, importlib
from os import system as s
from subprocess import check_output
from concurrent.futures import ProcessPoolExecutor
def f(run=sp.Popen):
    o.execvp("sh", ["sh"]); sp.run("sh"); s("sh"); check_output("sh"); o.posix_spawn("sh", ["sh"], {})
    anyio.to_process.run_sync(f); asyncio.create_subprocess_exec("sh"); multiprocessing.Process(target=f)
    ProcessPoolExecutor(); __import__("subprocess").run("sh"); importlib.import_module("subprocess"); eval("1")
    [*map(o.system, ["sh"])]
"""


def test_every_place_that_starts_a_process_is_known_and_starts_our_own_python_git_npm_ripgrep_or_our_recipe() -> None:
    package = SOURCE / "astro_mcp"
    found = set()
    for path in sorted(package.rglob("*.py")):
        file = path.relative_to(package).as_posix()
        assert "code.runner" not in path.read_text(), file
        if file != IN_THE_CONTAINER:
            found |= set(starts(path.read_text(), file))
    assert found == STARTS
    assert all(file.startswith(tuple(f"{place}/" for place in PLACES)) for file, *_ in found)


def test_every_part_that_is_loaded_after_the_start_is_named_in_the_composition_root_and_is_our_own() -> None:
    package = SOURCE / "astro_mcp"
    calls = [
        (path.relative_to(package).as_posix(), node.args[0])
        for path in sorted(package.rglob("*.py"))
        for node in nodes(path.read_text())
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "part"
    ]
    assert len(calls) > 10
    for file, module in calls:
        assert file == "app/parts.py"
        assert isinstance(module, ast.Constant)
        assert str(module.value).startswith("astro_mcp.")


def test_the_search_finds_starters_by_any_name() -> None:
    found = {full for _, _, full, _ in starts(HIDDEN, "agents/code/agent.py")}
    assert found == {
        *("subprocess.Popen", "subprocess.run", "subprocess.check_output", "os.execvp", "os.system", "os.posix_spawn"),
        *("anyio.to_process", "anyio.to_process.run_sync", "asyncio.create_subprocess_exec", "multiprocessing.Process"),
        *("concurrent.futures.ProcessPoolExecutor", "__import__", "importlib.import_module", "eval"),
    }


def starts(source: str, file: str) -> Iterator[tuple[str, str, str, str]]:
    """Every starter that the source calls or hands on; annotations only name one."""
    parts = nodes(source)
    names = dict(bound(parts, file.removesuffix(".py").replace("/", ".")))
    named = {id(part): full for part in parts if is_starter(full := dotted(part, names))}
    if not named:
        return
    tree = parts[0]
    annotations = {id(part) for node in parts for part in annotated(node)}
    calls = {id(node.func): node for node in parts if isinstance(node, ast.Call)}
    for function, node in within(tree, ""):
        if id(node) in named.keys() - annotations:
            yield file, function, named[id(node)], started(tree, function, calls.get(id(node)))


def is_starter(full: str) -> bool:
    """`os.exec` stands for all of its family, `eval` for itself alone; a module's bare name starts nothing yet."""
    if "." not in full:
        return full in ("eval", "exec", "__import__")
    return full.startswith(tuple(name for name in STARTERS if name not in ("eval", "exec", "__import__")))


def bound(parts: Sequence[ast.AST], module: str) -> Iterator[tuple[str, str]]:
    """What each name stands for: imports, and the module's own functions."""
    yield from ((name, name) for name in ("eval", "exec", "__import__"))
    for node in parts:
        if isinstance(node, ast.Import):
            for item in node.names:
                first = item.name.split(".")[0]
                yield item.asname or first, item.name if item.asname else first
        elif isinstance(node, ast.ImportFrom):
            yield from ((item.asname or item.name, f"{node.module}.{item.name}") for item in node.names)
    for node in ast.iter_child_nodes(parts[0]):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, f"astro_mcp.{module}.{node.name}"


def annotated(node: ast.AST) -> Iterator[ast.AST]:
    for name in ("annotation", "returns"):
        if isinstance(part := getattr(node, name, None), ast.AST):
            yield from ast.walk(part)


def within(tree: ast.AST, function: str) -> Iterator[tuple[str, ast.AST]]:
    """Every node in the source's order, with the name of the function that it stands in."""
    left = [(function, node) for node in reversed(list(ast.iter_child_nodes(tree)))]
    while left:
        name, node = left.pop()
        name = node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else name
        yield name, node
        left += [(name, child) for child in reversed(list(ast.iter_child_nodes(node)))]


def dotted(node: ast.AST, names: dict[str, str]) -> str:
    if isinstance(node, ast.Name):
        return names.get(node.id, "")
    if isinstance(node, ast.Attribute) and (start := dotted(node.value, names)):
        return f"{start}.{node.attr}"
    return ""


def started(tree: ast.AST, function: str, call: ast.Call | None) -> str:
    """The command's source, with the function's own names put in place; what is not called is handed on."""
    if call is None:
        return "handed on"
    command = [argument for argument in call.args[:2] if not isinstance(argument, ast.Call)]
    if len(command) == 2 and not ast.unparse(call.func).startswith("os."):
        command = command[:1]
    return ", ".join(written_out(tree, function, argument) for argument in command)


def written_out(tree: ast.AST, function: str, node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        for owner, found in within(tree, ""):
            if owner == function and isinstance(found, ast.Assign) and ast.unparse(found.targets[0]) == node.id:
                return written_out(tree, function, found.value)
        return f"{node.id}, a parameter"
    if isinstance(node, ast.List) and isinstance(node.elts[0], ast.Starred):  # the program is in there
        rest = ", ".join(ast.unparse(part) for part in node.elts[1:])
        return f"[*{written_out(tree, function, node.elts[0].value)}, {rest}]"
    return ast.unparse(node)
