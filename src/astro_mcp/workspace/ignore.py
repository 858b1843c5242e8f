"""`.gitignore`, nested as git nests them; the deepest file that has a say decides."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from anyio import from_thread

from astro_mcp.errors import InvalidInput

LARGEST: Final = 256 * 1024
"""Bytes of one `.gitignore`; a larger one is not obeyed."""
LINES: Final = 10_000
"""Patterns of one walk, of all its `.gitignore` files: each costs a fifth of a millisecond to compile."""
CHARACTERS: Final = 128 * 1024
"""Characters of all patterns of one walk."""
LONGEST: Final = 256
"""Characters of one pattern."""
BLOCK: Final = 250
"""Patterns compiled at once: few enough for RE2's memory where they are of the usual kind."""
_NAMED: Final = "(?P<ps_d>/)"
"""How pathspec marks the slash after a folder; one expression can't hold one name twice."""
_SUFFIX: Final = re.compile(r"\*(\.[A-Za-z0-9_.-]+)")


class Patterns:
    """What the `.gitignore` files of one walk may still bring."""

    def __init__(self) -> None:
        self._lines = LINES
        self._characters = CHARACTERS

    def take(self, data: bytes) -> list[str]:
        """The lines of one file that may be patterns, as many as are left."""
        kept = []
        for line in data.decode("utf-8", "replace").splitlines():
            if not line.strip() or line.startswith("#") or len(line) > LONGEST:
                continue
            if not self._lines or len(line) > self._characters:
                break
            self._lines -= 1
            self._characters -= len(line)
            kept.append(line)
        return kept


@dataclass(frozen=True, slots=True)
class Block:
    """Some lines of a file: the verdict on one path, and whether one of many paths, a line each, may be hidden."""

    spec: Any
    suspects: Callable[[bytes], bool]


@dataclass(frozen=True, slots=True)
class Ignore:
    """The rules of one folder on top of its parents'. `prefix` ends in a slash, or is empty."""

    prefix: str = ""
    blocks: tuple[Block, ...] = ()
    parent: Ignore | None = None

    def within(self, folder: str, data: bytes, patterns: Patterns) -> Ignore:
        """These rules with those of the `.gitignore` in `folder` on top; for worker threads, since it may take long.

        What can't be judged (a bad, an overlong pattern, or one beyond the walk's bound) hides nothing: the read
        guard goes by names of its own, so too little hidden is safe, and too much would be a lie.
        """
        if len(data) > LARGEST:
            return self
        lines = patterns.take(data)
        specs: list[Any] = []
        for start in range(0, len(lines), BLOCK):
            specs += _compiled(lines[start : start + BLOCK])
        if not specs:
            return self
        blocks = tuple(Block(spec, _suspects(spec)) for spec in reversed(specs))
        return Ignore(f"{folder}/" if folder else "", blocks, self)

    def hides_some(self, folder: str, names: Sequence[str]) -> bool:
        """Whether one of `names` in `folder` may be ignored, those of folders ending in a slash. One look at all of
        them: in most folders nothing is, and each entry's verdict costs more than all else about it."""
        rules: Ignore | None = self
        while rules is not None:
            head = f"{folder}/"[len(rules.prefix) :] if folder else ""
            text = "\n".join(head + name for name in names).encode() if rules.blocks else b""
            if any(block.suspects(text) for block in rules.blocks):
                return True
            rules = rules.parent
        return False

    def hides(self, path: str, *, folder: bool) -> bool:
        """Whether `path` (relative to the root) is ignored by its own name; its parents are the walk's business."""
        rules: Ignore | None = self
        while rules is not None:
            local = path[len(rules.prefix) :]
            for block in rules.blocks:
                verdict = block.spec.check_file(f"{local}/" if folder else local).include
                if verdict is not None:
                    return bool(verdict)
            rules = rules.parent
        return False


def _compiled(lines: Sequence[str]) -> list[Any]:
    """`lines` as specs in their order, mostly one. RE2 takes or refuses a set whole: of a refused one the lines go that
    are none (git skips them too), and if it is too big even so, it is halved."""
    from_thread.check_cancelled()
    spec = _spec(lines)
    if not isinstance(spec, Exception):
        return [spec]
    good = [line for line in lines if not isinstance(_spec([line]), Exception)]
    if len(good) < len(lines):
        return _compiled(good) if good else []
    middle = len(good) // 2
    return _compiled(good[:middle]) + _compiled(good[middle:]) if middle else []


def _spec(lines: Sequence[str]) -> Any:
    """A spec, or the error why there is none. RE2 has no backtracking: a hostile pattern costs no more than a plain
    one."""
    import pathspec  # noqa: PLC0415 - first use
    import re2  # noqa: PLC0415 - first use

    try:
        return pathspec.GitIgnoreSpec.from_lines(lines, backend="re2")
    except (ValueError, re.error, re2.error, RecursionError, OverflowError) as error:
        return error


def _suspects(spec: Any) -> Callable[[bytes], bool]:
    """Whether a line of a text fits one of the patterns that hide; what can't be asked at once is suspect."""
    import re2  # noqa: PLC0415 - first use

    hiding = [pattern.regex.pattern.replace(_NAMED, "/") for pattern in spec.patterns if pattern.include]
    if not hiding:
        return lambda text: False
    options: Any = re2.Options()
    options.log_errors = False
    options.never_capture = True
    try:
        compiled = re2.compile(f"(?m)(?:{'|'.join(hiding)})".encode(), options)
    except re2.error:
        return lambda text: True
    return lambda text: compiled.search(text) is not None


def matcher(glob: str) -> Callable[[str], bool]:
    """Whether a path fits `glob`, written as in `.gitignore`: `*.py` at any depth, `/src/**/*.py` from the start.

    Raises `InvalidInput`.
    """
    if not glob.strip() or glob.startswith(("!", "#")) or len(glob) > 1000:
        raise InvalidInput("the glob is empty, too long, or starts with ! or #", "for example *.py or src/**/*.md")
    if plain := _SUFFIX.fullmatch(glob):  # as most globs are
        end = plain[1]
        return lambda path: path.endswith(end) or f"{end}/" in path
    spec = _spec([glob])
    if isinstance(spec, Exception):
        raise InvalidInput(f"the glob can't be read: {spec}", "for example *.py or src/**/*.md")
    return lambda path: bool(spec.match_file(path))
