"""`.gitignore`, nested as git nests them; the deepest file that has a say decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from astro_mcp.errors import InvalidInput

LARGEST: Final = 256 * 1024
"""Bytes of one `.gitignore`; a larger one is not obeyed."""


@dataclass(frozen=True, slots=True)
class Ignore:
    """The rules of one folder on top of its parents'. `prefix` ends in a slash, or is empty."""

    prefix: str = ""
    spec: Any = None
    parent: Ignore | None = None

    def within(self, folder: str, data: bytes) -> Ignore:
        """These rules with those of the `.gitignore` in `folder` on top."""
        import pathspec  # noqa: PLC0415 - first use

        if len(data) > LARGEST:
            return self
        lines = data.decode("utf-8", "replace").splitlines()
        try:
            # RE2 has no backtracking: a hostile pattern costs no more than a plain one.
            spec = pathspec.GitIgnoreSpec.from_lines(_valid(lines), backend="re2")
        except ValueError:
            return self
        return Ignore(f"{folder}/" if folder else "", spec, self)

    def hides(self, path: str, *, folder: bool) -> bool:
        """Whether `path` (relative to the root) is ignored by its own name; its parents are the walk's business."""
        rules: Ignore | None = self
        while rules is not None and rules.spec is not None:
            local = path[len(rules.prefix) :]
            verdict = rules.spec.check_file(f"{local}/" if folder else local).include
            if verdict is not None:
                return bool(verdict)
            rules = rules.parent
        return False


def _valid(lines: list[str]) -> list[str]:
    """The lines that are patterns: git skips a bad one and obeys the rest."""
    import pathspec  # noqa: PLC0415 - first use

    kept = []
    for line in lines:
        try:
            pathspec.GitIgnoreSpec.from_lines([line], backend="simple")
        except ValueError:
            continue
        kept.append(line)
    return kept


def matcher(glob: str) -> Callable[[str], bool]:
    """Whether a path fits `glob`, written as in `.gitignore`: `*.py` at any depth, `/src/**/*.py` from the start.

    Raises `InvalidInput`.
    """
    import pathspec  # noqa: PLC0415 - first use

    if not glob.strip() or glob.startswith(("!", "#")) or len(glob) > 1000:
        raise InvalidInput("the glob is empty, too long, or starts with ! or #", "for example *.py or src/**/*.md")
    try:
        spec = pathspec.GitIgnoreSpec.from_lines([glob], backend="re2")
    except ValueError as error:
        raise InvalidInput(f"the glob can't be read: {error}", "for example *.py or src/**/*.md") from None
    return lambda path: bool(spec.match_file(path))
