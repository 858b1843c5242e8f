"""`.gitignore`, nested as git nests them; the deepest file that has a say decides."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from anyio import from_thread

from astro_mcp.errors import InvalidInput
from astro_mcp.workspace.wildmatch import FOLDER, Rule, rule

LARGEST: Final = 256 * 1024
"""Bytes of one `.gitignore`; a larger one is not obeyed."""
LINES: Final = 10_000
"""Patterns of one walk, of all its `.gitignore` files."""
ALL_BYTES: Final = 128 * 1024
"""Bytes of all patterns of one walk."""
LONGEST: Final = 256
"""Bytes of one pattern."""
BLOCK: Final = 250
"""Patterns compiled at once: few enough for RE2's memory where they are of the usual kind."""
LONGEST_GLOB: Final = 1000
CHOICES: Final = 100
"""Globs that one with braces may stand for."""
_BRACES: Final = re.compile(r"(?<!\\)\{([^{}]*,[^{}]*)\}")
_SUFFIX: Final = re.compile(r"\*(\.[A-Za-z0-9_.-]+)")


class Patterns:
    """What the `.gitignore` files of one walk may still bring."""

    def __init__(self) -> None:
        self._lines = LINES
        self._bytes = ALL_BYTES

    def take(self, data: bytes) -> list[bytes]:
        """The lines of one file that may be patterns, as many as are left."""
        kept = []
        for one in data.removeprefix(BOM_UTF8).split(b"\n"):
            line = one.removesuffix(b"\r")
            if not line.rstrip(b" ") or line.startswith(b"#") or len(line) > LONGEST:
                continue
            if not self._lines or len(line) > self._bytes:
                break
            self._lines -= 1
            self._bytes -= len(line)
            kept.append(line)
        return kept


@dataclass(frozen=True, slots=True)
class Block:
    """Some rules of a file: whether each hides what fits it, their set, and whether one of many paths, a line each, may
    be hidden."""

    hides: tuple[bool, ...]
    rules: Any
    suspects: Callable[[bytes], bool]

    def verdict(self, path: bytes) -> bool | None:
        """What the last rule that fits `path` says; None where none does."""
        fitting = self.rules.Match(path)
        return self.hides[max(fitting)] if fitting else None


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
        blocks: list[Block] = []
        for start in range(0, len(lines), BLOCK):
            from_thread.check_cancelled()
            blocks += _compiled([one for line in lines[start : start + BLOCK] if (one := rule(line))])
        if not blocks:
            return self
        return Ignore(f"{folder}/" if folder else "", tuple(reversed(blocks)), self)

    def hides_some(self, folder: str, names: Sequence[str]) -> bool:
        """Whether one of `names` in `folder` may be ignored, those of folders ending in `FOLDER`. One look at all of
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
            named = f"{local}{FOLDER}".encode() if folder else local.encode()
            for block in rules.blocks:
                verdict = block.verdict(named)
                if verdict is not None:
                    return verdict
            rules = rules.parent
        return False


def _compiled(rules: Sequence[Rule]) -> list[Block]:
    """`rules` as blocks in their order, mostly one. RE2 takes or refuses a set whole: one that is too big is halved."""
    import re2  # noqa: PLC0415 - first use

    if not rules:
        return []
    from_thread.check_cancelled()
    made = re2.Set.FullMatchSet(_options())
    try:
        for one in rules:
            made.Add(one.expression)
        made.Compile()
    except re2.error:
        middle = len(rules) // 2
        return _compiled(rules[:middle]) + _compiled(rules[middle:]) if middle else []
    hiding = [one.expression for one in rules if one.hides]
    return [Block(tuple(one.hides for one in rules), made, _suspects(hiding))]


def _options() -> Any:
    """On bytes, one character each, as git has it."""
    import re2  # noqa: PLC0415 - first use

    options: Any = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    options.never_capture = True
    return options


def _suspects(hiding: Sequence[bytes]) -> Callable[[bytes], bool]:
    """Whether a line of a text fits one of the expressions; what can't be asked at once is suspect."""
    import re2  # noqa: PLC0415 - first use

    if not hiding:
        return lambda text: False
    try:
        compiled = re2.compile(b"(?m)^(?:" + b"|".join(hiding) + b")$", _options())
    except re2.error:
        return lambda text: True
    return lambda text: compiled.search(text) is not None


def _spec(lines: Sequence[str]) -> Any:
    """A spec, or the error why there is none. RE2 has no backtracking: a hostile pattern costs no more than a plain
    one."""
    import pathspec  # noqa: PLC0415 - first use
    import re2  # noqa: PLC0415 - first use

    try:
        return pathspec.GitIgnoreSpec.from_lines(lines, backend="re2")
    except (ValueError, re.error, re2.error, RecursionError, OverflowError) as error:
        return error


def matcher(glob: str) -> Callable[[str], bool]:
    """Whether a path fits `glob`, written as in `.gitignore`: `*.py` at any depth, `/src/**/*.py` from the start.
    Beyond that `{a,b}` is either, as for ripgrep, and `./` is the start.

    Raises `InvalidInput`.
    """
    globs = [one for one in _alternatives(glob) if one.strip()] if len(glob) <= LONGEST_GLOB else []
    if not globs or any(one.startswith(("!", "#")) for one in globs):
        raise InvalidInput("the glob is empty, too long, or starts with ! or #", "for example *.py or src/**/*.md")
    plain = [_SUFFIX.fullmatch(one) for one in globs]
    ends = tuple(one[1] for one in plain if one)
    if len(ends) == len(globs):  # as most are
        return lambda path: path.endswith(ends) or any(f"{end}/" in path for end in ends)
    spec = _spec([glob, *globs])
    if isinstance(spec, Exception):
        raise InvalidInput(f"the glob can't be read: {spec}", "for example *.py or src/**/*.md")
    return lambda path: bool(spec.match_file(path))


def _alternatives(glob: str) -> list[str]:
    """`glob` without braces: once for each choice that they leave."""
    open_, done = [f"/{glob[2:]}" if glob.startswith("./") else glob], []
    while open_:
        one = open_.pop()
        if (braces := _BRACES.search(one)) is None:
            done.append(one)
        else:
            open_ += [one[: braces.start()] + choice + one[braces.end() :] for choice in braces[1].split(",")]
        if len(open_) + len(done) > CHOICES:
            raise InvalidInput(f"the braces of the glob leave over {CHOICES} choices", "make several calls")
    return done
