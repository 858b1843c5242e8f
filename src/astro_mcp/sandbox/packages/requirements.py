"""What may be asked for of PyPI: names and version specifiers. Everything else that pip understands is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from astro_mcp.errors import InvalidInput, Problem, Unsupported

MOST: Final = 200
LONGEST: Final = 200


def canonical(requirements: Sequence[str]) -> tuple[str, ...]:
    """Sorted, each once, in one spelling. Raises `InvalidInput` with every text that is no requirement (PEP 508)."""
    hint = "write names and versions, such as requests or numpy>=2,<3; no options, paths or addresses"
    return tuple(sorted(set(each(requirements, _requirement, hint))))


def each(requirements: Sequence[str], read: Callable[[str], str], hint: str) -> list[str]:
    """What `read` makes of each; raises `InvalidInput` with every one for which it raised `ValueError`."""
    if len(requirements) > MOST:
        raise InvalidInput(f"{len(requirements)} packages were asked for; {MOST} is the bound")
    found = []
    problems = []
    for index, text in enumerate(requirements):
        try:
            if len(text) > LONGEST or any(ord(character) < 32 for character in text):
                raise ValueError("too long, or not one line")
            found.append(read(text))
        except ValueError as error:
            reason = str(error).splitlines()[0][:200]
            problems.append(
                Problem(f"packages.{index}", f"{text[:80]!r} is no name with a version specifier: {reason}")
            )
    if problems:
        raise InvalidInput(problems[0].reason, hint, problems=tuple(problems))
    return found


def _requirement(text: str) -> str:
    parsed = Requirement(text)
    if parsed.url:
        raise InvalidRequirement("addresses are not accepted")
    parsed.name = canonicalize_name(parsed.name)
    return str(parsed)


def digest(*parts: str) -> str:
    """32 hex digits over `parts`, which can't run into each other."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def wheel_options(python: Mapping[str, str]) -> list[str]:
    """pip's options that choose wheels for the image's Python (PEP 425, PEP 600) instead of the daemon's own."""
    libc, _, version = python["libc"].partition(" ")
    major, _, minor = version.partition(".")
    if libc != "glibc" or major != "2" or not minor.isdigit():
        raise Unsupported("packages need a sandbox image with glibc", "build it on Debian, Ubuntu or Fedora")
    machine = python["platform_machine"]
    platforms = [f"manylinux_2_{number}_{machine}" for number in range(int(minor), 4, -1)]
    platforms += [f"{name}_{machine}" for name in ("manylinux2014", "manylinux2010", "manylinux1", "linux")]
    tag = python["python_version"].replace(".", "")
    options = ["--only-binary=:all:", "--implementation=cp", f"--python-version={python['python_full_version']}"]
    return [*options, f"--abi=cp{tag}", *(f"--platform={platform}" for platform in platforms)]
