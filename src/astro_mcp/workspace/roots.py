"""Which of the folders that a host asks for become roots."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_SYSTEM: Final = tuple(Path(name) for name in ("/proc", "/sys", "/dev"))


def own_folders(*folders: Path) -> tuple[Path, ...]:
    """What no root may overlap: the server's own `folders` (data, packs), its code and its environment."""
    return (*folders, Path(sys.prefix), Path(__file__).parents[1])


def usable_roots(
    asked: Sequence[Path], ceiling: Sequence[Path], refused: Sequence[Path]
) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """The roots as real paths in the order asked, and one reason a refusal.

    Refused: what is no folder, `/`, the home folder and its parents, what overlaps `refused` (data folder, packs,
    install), what lies outside of a non-empty `ceiling`. A root within another one is part of it and not listed again.
    """
    roots: list[Path] = []
    reasons: list[str] = []
    limits = [_real(path) for path in ceiling]
    kept_away = [_real(path) for path in refused]
    for path in asked:
        real = _real(path)
        reason = _refusal(path, real, limits, kept_away)
        if reason:
            reasons.append(f"{path}: {reason}")
        elif not any(real.is_relative_to(root) for root in roots):
            roots = [root for root in roots if not root.is_relative_to(real)] + [real]
    return tuple(roots), tuple(reasons)


def _refusal(path: Path, real: Path, ceiling: Sequence[Path], refused: Sequence[Path]) -> str:
    if not path.is_absolute():
        return "a root is an absolute path"
    if not real.is_dir():
        return "there is no such folder"
    if real == Path("/"):
        return "the whole file system is no workspace"
    if any(home.is_relative_to(real) for home in _homes()):
        return "the home folder and its parents are no workspace; name a project folder within"
    if any(real.is_relative_to(system) for system in _SYSTEM):
        return "the system's own folders are no workspace"
    if overlapped := next((own for own in refused if own.is_relative_to(real) or real.is_relative_to(own)), None):
        return f"it overlaps {overlapped}, which belongs to the server itself"
    if ceiling and not any(real.is_relative_to(limit) for limit in ceiling):
        return "it lies outside of the folders that the operator allows (roots.ceiling)"
    return ""


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _homes() -> set[Path]:
    """Both the account's home and the environment's: a host may have set the one or the other."""
    names = {os.environ.get("HOME", ""), _account_home()}
    return {_real(Path(name)) for name in names if name.startswith("/")}


def _account_home() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return ""
