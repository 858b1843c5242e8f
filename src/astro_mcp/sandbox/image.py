"""The images' names: digests over the recipe, so that a changed recipe is another image."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path


def base_tag(recipe: Path) -> str:
    """`astro-mcp-sandbox:<16 hex>`: what `build.sh --tag` prints, computed in the same way."""
    lines = []
    for path in sorted(recipe.rglob("*"), key=lambda item: f"./{item.relative_to(recipe).as_posix()}".encode()):
        if path.is_file() and "__pycache__" not in path.parts:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            lines.append(f"{digest}  ./{path.relative_to(recipe).as_posix()}\n")
    return f"astro-mcp-sandbox:{hashlib.sha256(''.join(lines).encode()).hexdigest()[:16]}"


def language_tag(recipe: Path, packages: Sequence[str]) -> str:
    """`astro-mcp-language:<16 hex>`: the base with Debian's `packages`, as `build.sh --packages … --tag` prints it."""
    whole = f"{base_tag(recipe)} {','.join(sorted(set(packages)))}"
    return f"astro-mcp-language:{hashlib.sha256(whole.encode()).hexdigest()[:16]}"
