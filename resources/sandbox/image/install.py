"""Unpacks wheels (PyPA's binary distribution format) into /opt/site, in a container without network. Runs none of it.

`install.py FOLDER`: every `*.whl` in FOLDER. They are gone afterwards.

Prints one JSON line: {"installed": n, "bytes": n} or {"error": text}.
"""

from __future__ import annotations

import compileall
import configparser
import json
import sys
import zipfile
from pathlib import Path, PurePosixPath
from py_compile import PycInvalidationMode
from typing import Final

SITE: Final = Path("/opt/site")
MOST_BYTES: Final = 4 << 30
MOST_FILES: Final = 200_000
SCRIPT: Final = """#!{python}
import sys
from {module} import {first}
if __name__ == "__main__":
    sys.exit({function}())
"""


class Refused(Exception):
    """A wheel that is none, or too much of it."""


def main(folder: Path) -> None:
    left = [MOST_BYTES, MOST_FILES]
    wheels = sorted(folder.glob("*.whl"))
    for wheel in wheels:
        unpack(wheel, left)
        wheel.unlink()
    folder.rmdir()
    compileall.compile_dir(SITE, quiet=2, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
    sys.stdout.write(json.dumps({"installed": len(wheels), "bytes": MOST_BYTES - left[0]}))


def unpack(wheel: Path, left: list[int]) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            if member.is_dir():
                continue
            left[0] -= member.file_size
            left[1] -= 1
            if min(left) < 0:
                raise Refused(
                    f"{wheel.name}: the packages unpack to more than {MOST_BYTES >> 30} GiB or {MOST_FILES} files"
                )
            target, executable = place(member.filename, wheel.name)
            copy(archive, member, target, executable)
        for name in archive.namelist():
            if name.endswith(".dist-info/entry_points.txt") and name.count("/") == 1:
                scripts(archive.read(name).decode())


def place(name: str, wheel: str) -> tuple[Path, bool]:
    """Where a member goes, and whether it is a program; raises `Refused` where that is outside of the folder."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\0" in name or "\\" in name:
        raise Refused(f"{wheel}: unsafe member {name[:100]!r}")
    if parts[0].endswith(".data") and len(parts) > 2:
        if parts[1] == "scripts":
            return SITE.joinpath("bin", *parts[2:]), True
        if parts[1] == "headers":
            return SITE.joinpath("include", *parts[2:]), False
        return SITE.joinpath(*parts[2:]), False
    return SITE.joinpath(*parts), False


def copy(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, executable: bool) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    executable = executable or bool(member.external_attr >> 16 & 0o111)
    with archive.open(member) as source, target.open("wb") as out:
        left = member.file_size
        first = True
        while left and (chunk := source.read(min(left, 1 << 18))):
            left -= len(chunk)
            if first and executable and chunk.startswith(b"#!python"):
                chunk = b"#!" + sys.executable.encode() + chunk[chunk.index(b"\n") :]
            out.write(chunk)
            first = False
    target.chmod(0o755 if executable else 0o644)


def scripts(text: str) -> None:
    """The console scripts of a wheel (entry points specification) as programs in bin/."""
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign] # names of scripts keep their case
    parser.read_string(text)
    for section in ("console_scripts", "gui_scripts"):
        for name, value in parser[section].items() if parser.has_section(section) else ():
            module, _, function = value.partition("[")[0].strip().partition(":")
            words = [*module.split("."), *function.split(".")]
            if not function or not all(word.isidentifier() for word in words) or "/" in name or name in ("", ".", ".."):
                raise Refused(f"unsafe entry point {name[:60]!r}")
            target = SITE / "bin" / name
            target.parent.mkdir(exist_ok=True)
            first = function.split(".", 1)[0]
            target.write_text(SCRIPT.format(python=sys.executable, module=module, first=first, function=function))
            target.chmod(0o755)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except (Refused, OSError, ValueError, zipfile.BadZipFile, configparser.Error, UnicodeDecodeError) as error:
        sys.stdout.write(json.dumps({"error": f"{error}"}))
        sys.exit(1)
