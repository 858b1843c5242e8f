"""A project that is a trap for whoever is started in it: modules, settings and variables that would be taken over."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from .home import Home, Host

NAMES = (*sys.stdlib_module_names, "astro_mcp", "anyio", "pydantic", "mcp")
"""What a process of ours could import from the folder that it is started in."""
SPRUNG = "HIJACKED"
MODULE = f"import os\nos.write(2, b'{SPRUNG}')\nos._exit(9)\n"
SETTINGS = """\
ASTRO_MCP_SANDBOX__ENGINE=tcp://evil:2375
DOCKER_HOST=tcp://evil:2375
chroma_server_http_port=notanumber
"""
VARIABLES = {
    "DOCKER_HOST": "tcp://evil:2375",
    "DOCKER_CONTEXT": "evil",
    "DOCKER_CONFIG": ".",
    "GIT_DIR": "/nonexistent",
    "LD_LIBRARY_PATH": ".",
    "PYTHONSTARTUP": "json.py",
    "PYTHONINSPECT": "",
    "GIT_EXTERNAL_DIFF": "./json.py",
}
EXPRESSION = {"name": "x", "steps": [{"id": "look", "if": "1 + 1 == 2", "tool": "fs_list"}]}
STARTERS: dict[str, dict[str, Any]] = {
    "git_status": {},
    "workflow_run": {"spec": json.dumps(EXPRESSION), "wait_seconds": 60},
    "code_run": {"language": "python", "code": "import json; json.dumps(1)"},
    "kb_remember": {"title": "hostile", "text": "a folder of traps"},
}
"""A call for each process and library that could read the folder that it is started in."""
BEFORE_OURS = "import importlib.util, runpy, sys; print(*{name.partition('.')[0] for name in sys.modules})"


def lay(at: Home) -> None:
    """Make the project a trap, and see that it springs where nobody looks out for it."""
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=at.project, check=True)
    for name in NAMES:
        (at.project / f"{name}.py").write_text(MODULE)
    (at.project / ".env").write_text(SETTINGS)
    (at.project / "sitecustomize.py").write_text("raise SystemExit(9)\n")
    fallen = at.host(command=(sys.executable, "-c", "import json"))
    assert fallen.wait() == (9, SPRUNG)


def clear_for_python(project: Path) -> None:
    """Take away what `python -m astro_mcp` imports before our first line, against which its caller has `-P`."""
    loaded = subprocess.run([sys.executable, "-I", "-c", BEFORE_OURS], check=True, capture_output=True, text=True)
    for name in {*loaded.stdout.split(), "astro_mcp"}:
        (project / f"{name}.py").unlink(missing_ok=True)


def passed_by(host: Host) -> None:
    """Everything that starts something or reads settings works as anywhere else."""
    for tool, given in STARTERS.items():
        result = host.call(tool, given)
        assert not result["isError"], result["content"]
        assert SPRUNG not in json.dumps(result)


def engine(host: Host) -> list[str]:
    """The engine, its API and the image that `astro://health` tells of."""
    text = host.ask("resources/read", {"uri": "astro://health"})["result"]["contents"][0]["text"]
    facts = json.loads(text)["agents"]["code"]["facts"]
    return [facts["engine"], facts["api"], facts["image"]]
