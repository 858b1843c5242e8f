"""Projects with lock files, for the sandbox's own Python as the tests have it."""

from __future__ import annotations

import json
from collections.abc import Mapping

from astro_mcp.sandbox.packages.project_needs import counts, needs
from astro_mcp.sandbox.packages.wanted import Wanted

A, B, C = ("a" * 64, "b" * 64, "c" * 64)
PYTHON = {
    "implementation_name": "cpython",
    "implementation_version": "3.13.5",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_release": "6",
    "platform_system": "Linux",
    "platform_version": "",
    "python_full_version": "3.13.5",
    "python_version": "3.13",
    "sys_platform": "linux",
    "libc": "glibc 2.41",
}


def read(files: Mapping[str, str], *, tests: bool = True) -> Wanted:
    data = {path: text.encode() for path, text in files.items()}
    return needs({path: text for path, text in data.items() if counts(path, len(text))}, PYTHON, tests=tests)


def poetry_package(name: str, version: str, sha256: str, more: str = "") -> str:
    """`more`: keys, and then tables, of the package."""
    return (
        f'[[package]]\nname = "{name}"\nversion = "{version}"\noptional = false\npython-versions = ">=3.8"\n'
        f'files = [{{file = "{name}.whl", hash = "sha256:{sha256}"}}]\n{more}\n'
    )


def poetry_lock(*packages: str, version: str = "2.1", python: str = ">=3.9") -> str:
    metadata = f'[metadata]\nlock-version = "{version}"\npython-versions = "{python}"\ncontent-hash = "0"\n'
    return "".join(packages) + metadata


def pipfile_lock(default: Mapping[str, object], *, python: str = "3.13", **others: Mapping[str, object]) -> str:
    meta = {"hash": {"sha256": "0"}, "pipfile-spec": 6, "requires": {"python_version": python}, "sources": []}
    return json.dumps({"_meta": meta, "default": default, **others})


def pinned(version: str, sha256: str, **more: object) -> dict[str, object]:
    return {"version": f"=={version}", "hashes": [f"sha256:{sha256}"], **more}
