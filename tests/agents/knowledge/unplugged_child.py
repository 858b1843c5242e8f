"""A process without a network, loopback included: works with knowledge through the real app, and prints what it saw."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import anyio

from astro_mcp.testing import workbench


async def main(folder: Path, project: Path) -> None:
    seen: dict[str, Any] = {}
    async with workbench(folder, roots=[project]) as bench:
        search = await bench.call("web_search", query="bees in winter")
        fetch = await bench.call("web_fetch", url="https://example.com/")
        seen["search"] = search.error.code if search.error else [e.message for e in search.value.provider_errors]  # type: ignore[union-attr] # a result has one of both
        seen["fetch"] = fetch.error.code if fetch.error else ""
        report: Any = await bench.value("kb_index")
        pages: Any = await bench.value("kb_index", collection="web", urls=["https://example.com/"])
        seen["indexed"] = [report.added, report.pending_embeddings, [failure.source for failure in pages.failed]]
        meaning: Any = await bench.value("kb_search", query="is this person's credential correct", kinds=["code"])
        seen["meaning"] = [meaning.items[0].source, meaning.notice]
        note: Any = await bench.value("kb_remember", title="Login", text="Passwords are hashed with scrypt.")
        gone: Any = await bench.value("kb_forget", ids=[note.id])
        back: Any = await bench.value("kb_forget", undo=gone.undo_id)
        listed: Any = await bench.value("kb_list", kinds=["note"])
        seen["kept"] = [gone.removed, back.restored, len(listed.items)]
    print(json.dumps(seen))


anyio.run(main, Path(sys.argv[1]), Path(sys.argv[2]))
