"""Unpacks npm's tarballs below /node_modules, in a container without network. Runs none of them.

`install_npm.py FOLDER`: FOLDER/plan.json is a list of {"at": place, "file": name in FOLDER, "programs": {name: path}},
parents first. FOLDER is gone afterwards.

Prints one JSON line: {"installed": n, "bytes": n} or {"error": text}.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any, Final

TOP: Final = Path("/")
PROGRAMS: Final = TOP / "node_modules" / ".bin"
MOST_BYTES: Final = 4 << 30
MOST_FILES: Final = 200_000


class Refused(Exception):
    """A tarball that is no package, or too much of it."""


def main(folder: Path) -> None:
    left = [MOST_BYTES, MOST_FILES]
    plan: list[dict[str, Any]] = json.loads((folder / "plan.json").read_bytes())
    for package in plan:
        unpack(folder / package["file"], TOP / package["at"], left)
    for package in plan:
        if package["at"].count("node_modules/") == 1:
            link(TOP / package["at"], package["programs"])
    shutil.rmtree(folder)
    sys.stdout.write(json.dumps({"installed": len(plan), "bytes": MOST_BYTES - left[0]}))


def unpack(tarball: Path, target: Path, left: list[int]) -> None:
    """Regular files alone: a link could lead a later member, or a program's mode, to somewhere else."""
    target.mkdir(parents=True, exist_ok=True)
    with tarfile.open(tarball, "r:gz") as archive:
        for member in archive:
            if member.isdir():
                continue
            if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse():
                raise Refused(f"{target.name}: {member.name[:100]!r} is no regular file")
            left[0] -= member.size
            left[1] -= 1
            if min(left) < 0:
                raise Refused(
                    f"{target.name}: the packages unpack to more than {MOST_BYTES >> 30} GiB or {MOST_FILES} files"
                )
            path = place(member.name, target)
            if path is not None:
                copy(archive, member, path)


def place(name: str, target: Path) -> Path | None:
    """Where a member goes: below `target`, without its first folder, whatever that is called. None where it is in none:
    npm leaves those out too. Raises `Refused` where it would be outside."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\0" in name or "\\" in name:
        raise Refused(f"{target.name}: unsafe member {name[:100]!r}")
    return target.joinpath(*parts[1:]) if len(parts) > 1 else None


def copy(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    source = archive.extractfile(member)
    if source is None:
        raise Refused(f"{member.name[:100]!r} is no regular file")
    with source, path.open("wb") as out:
        shutil.copyfileobj(source, out, 1 << 18)
    path.chmod(0o755 if member.mode & 0o111 else 0o644)


def link(package: Path, programs: dict[str, str]) -> None:
    """The package's programs by name; the first of a name stays."""
    for name, path in programs.items():
        program, command = package / path, PROGRAMS / name
        if program.is_file() and not command.is_symlink():
            PROGRAMS.mkdir(exist_ok=True)
            program.chmod(0o755)
            command.symlink_to(os.path.relpath(program, PROGRAMS))


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except (Refused, OSError, ValueError, KeyError, OverflowError, EOFError, tarfile.TarError, zlib.error) as error:
        sys.stdout.write(json.dumps({"error": f"{error}"}))
        sys.exit(1)
