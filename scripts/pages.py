"""Writes the pages that are made from the code (docs/configuration.md, docs/tools.md, docs/manifest.schema.json) and
those that the server publishes as guides (docs/workflows.md).

`--check` exits 1 where one is out of date.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Set
from pathlib import Path
from typing import Any

import anyio
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from astro_mcp.config import ENV_PREFIX, SearchProvider, Settings
from astro_mcp.core.model import flat_schema
from astro_mcp.packs import Language, Linter, Runner, Search
from astro_mcp.run_settings import ScheduleSettings
from astro_mcp.testing import workbench

DOCS = Path(__file__).resolve().parent.parent / "docs"
GUIDES = DOCS.parent / "resources" / "guides"
HEAD = f"""# Configuration

Settings come from defaults, then `config.toml` in the data folder, then `{ENV_PREFIX}*` of the daemon's environment,
and later wins. Nothing is read from a workspace or its `.env`. An unknown or wrong key stops the start, with file, line
and the nearest right key. `ASTRO_MCP_HOME` chooses the data folder, and so the daemon.

A key as a variable: `{ENV_PREFIX}SANDBOX__MEMORY_MB=1024` is `memory_mb` in `[sandbox]`. This page is made from
`src/astro_mcp/config.py` and `run_settings.py`.
"""


ALL_ON = {f"{ENV_PREFIX}GIT__REMOTE__HOSTS": '["git.example.org"]'}
"""What turns every tool on."""
OF_TABLES = {"search": SearchProvider, "schedules": ScheduleSettings}


def configuration() -> str:
    top = {name for name in Settings.model_fields if name not in {*inner_tables(Settings), *OF_TABLES}}
    parts = [HEAD, f"\n## Before the first table\n\n{rows(Settings, top)}"]
    for name, field in Settings.model_fields.items():
        if name in top:
            continue
        model: Any = OF_TABLES.get(name, field.annotation)
        title = f"[{name}.NAME]" if name in OF_TABLES else f"[{name}]"
        parts.append(section(title, model))
        for inner, part in inner_tables(model).items():
            parts.append(section(f"[{name}.{inner}]", part))
    return "".join(parts)


def section(title: str, model: type[BaseModel]) -> str:
    return f"\n## `{title}`\n\n{' '.join((model.__doc__ or '').split())}\n\n{table(model)}"


def inner_tables(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """The keys that are tables of their own."""
    kinds = {name: field.annotation for name, field in model.model_fields.items()}
    return {name: kind for name, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, BaseModel)}


def table(model: type[BaseModel]) -> str:
    return rows(model, model.model_fields.keys() - inner_tables(model))


def rows(model: type[BaseModel], names: Set[str]) -> str:
    lines = ["| key | default | |", "|---|---|---|"]
    for name, field in model.model_fields.items():
        if name in names:
            lines.append(f"| `{name}` | `{shown(field)}` | {field.description}{bounds(field)} |")
    return "\n".join(lines) + "\n"


def shown(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if field.is_required():
        return "none: it is needed"
    value = list(value) if isinstance(value, tuple) else value
    return repr(value).replace("'", '"').replace("True", "true").replace("False", "false")


def bounds(field: FieldInfo) -> str:
    words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    found = [
        f"{word} {getattr(rule, key)}" for rule in field.metadata for key, word in words.items() if hasattr(rule, key)
    ]
    return f" ({', '.join(found)})" if found else ""


async def tools() -> str:
    parts = ["# Tools\n\nMade from the code; a host reads the same at `astro://tools/{name}`.\n"]
    with tempfile.TemporaryDirectory() as folder:
        async with workbench(Path(folder), environment=ALL_ON) as bench:
            for tool in bench.app.registry.tools.values():
                d = tool.declaration
                schema = flat_schema(d.input)["properties"]
                rows = [f"| `{name}` | {kind(one)} | {one.get('description', '')} |" for name, one in schema.items()]
                facts = f"{d.title} · agent {tool.agent} · {', '.join(sorted(d.effects))}"
                facts = f"{d.title} · agent {tool.agent} · {', '.join(sorted(d.effects))}"
                head = f"\n## `{d.name}`\n\n{facts}\n\n{d.description}\n"
                table = "\n| parameter | | |\n|---|---|---|\n" + "\n".join(rows) + "\n" if rows else ""
                parts.append(head + table + (f"\n{d.details.strip()}\n" if d.details.strip() else ""))
    return "".join(parts)


def kind(schema: dict[str, Any]) -> str:
    choices = schema.get("enum") or ([schema["const"]] if "const" in schema else None)
    if choices:
        return " ".join(f"`{choice}`" for choice in choices)
    default = f" = `{json.dumps(schema['default'])}`" if schema.get("default") not in (None, "", []) else ""
    return f"{schema.get('type', '')}{default}"


def manifest_schema() -> str:
    return json.dumps(TypeAdapter(Linter | Runner | Language | Search).json_schema(), indent=1, sort_keys=True) + "\n"


def main() -> int:
    pages = {
        DOCS / "configuration.md": configuration(),
        DOCS / "tools.md": anyio.run(tools),
        DOCS / "manifest.schema.json": manifest_schema(),
        **{DOCS / guide.name: guide.read_text() for guide in sorted(GUIDES.glob("*.md"))},
    }
    stale = [path for path, text in pages.items() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv:
        for path in stale:
            print(f"{path.name} is out of date: run scripts/pages.py", file=sys.stderr)
        return bool(stale)
    for path, text in pages.items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
