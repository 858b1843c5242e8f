"""What a linter is given to read where a project's settings are another program's, whose defaults differ."""

from __future__ import annotations

from astro_mcp.agents.lint.sources import Sources
from astro_mcp.packs import Linter
from astro_mcp.sandbox.job import SandboxFile


def files_for(linter: Linter, sources: Sources) -> tuple[SandboxFile, ...]:
    """The copy, with settings that go on from the project's where those leave to defaults what the other program would
    not have. Blocks."""
    defaults = linter.defaults
    if defaults is None or sources.said.mentions(defaults.own):
        return sources.files
    by_path = {file.path: file for file in sources.files}
    own = {*linter.config, *(name for name in linter.sections if sources.said.has_section(name, linter))}
    settings = next((by_path[name] for name in defaults.settings if name in by_path and name in own), None)
    if settings is None or any(word.encode() in settings.data for word in defaults.said):
        return sources.files
    name = defaults.moved if settings.path == defaults.file else settings.path
    given = SandboxFile(defaults.file, defaults.text.replace("{settings}", name).encode())
    by_path |= {name: SandboxFile(name, settings.data), given.path: given}
    return tuple(sorted(by_path.values(), key=lambda file: file.path))
