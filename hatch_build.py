"""Ships `tools/` and `resources/` inside the wheel, as `astro_mcp/_pack/`. An editable install reads the checkout."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SUFFIXES: Final = frozenset(
    {".toml", ".yaml", ".json", ".md", ".onnx", ".py", ".mjs", ".cjs", ".txt", ".sh", ".css", ".html", ""}
)
NAMED: Final = frozenset({"SHA256SUMS", "Dockerfile"})


class PackHook(BuildHookInterface):  # type: ignore[type-arg] # the interface's parameter is the builder's own configuration
    """Adds each file by its suffix: a whole folder would bring along what git ignores."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        root = Path(self.root)
        for folder in ("tools", "resources"):
            for path in sorted((root / folder).rglob("*")):
                named = path.name in NAMED if not path.suffix else path.suffix in SUFFIXES
                if path.is_file() and named and "__pycache__" not in path.parts:
                    relative = path.relative_to(root)
                    build_data["force_include"][str(path)] = f"astro_mcp/_pack/{relative}"
