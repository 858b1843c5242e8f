"""The base image's name: a digest over its recipe, so that a changed recipe is another image."""

from __future__ import annotations

import hashlib
from pathlib import Path


def base_tag(recipe: Path) -> str:
    """`astro-mcp-sandbox:<16 hex>`: what `build.sh --tag` prints, computed in the same way."""
    lines = []
    for path in sorted(recipe.rglob("*"), key=lambda item: f"./{item.relative_to(recipe).as_posix()}".encode()):
        if path.is_file() and "__pycache__" not in path.parts:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            lines.append(f"{digest}  ./{path.relative_to(recipe).as_posix()}\n")
    return f"astro-mcp-sandbox:{hashlib.sha256(''.join(lines).encode()).hexdigest()[:16]}"
