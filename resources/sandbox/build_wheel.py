"""Runs in the sandbox, never on the host: a source distribution's own build (PEP 517), on a copy and without network.

`build_wheel.py TOLD`, which is a JSON file: `archive`, and for a build `backend`, `path` and `given`. Without a backend
`out/pyproject.toml` is the archive's, where it has one. With it there is a wheel in `out/`; or `out/requires.json`,
where the backend asks for more than what was `given`.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
import tarfile
import zipfile
from typing import Any

TARGET = "/workspace/source"
OUT = "/workspace/out"


def main() -> int:
    with open(sys.argv[1], encoding="utf-8") as file:
        told = json.load(file)
    top = unpack(told["archive"])
    if "backend" not in told:
        project = os.path.join(top, "pyproject.toml")
        if os.path.exists(project):
            shutil.copyfile(project, os.path.join(OUT, "pyproject.toml"))
        return 0
    os.makedirs(os.environ["TMPDIR"], exist_ok=True)
    os.chdir(top)
    sys.path[:0] = [os.path.join(top, folder) for folder in told["path"]]
    module, _, attributes = told["backend"].partition(":")
    backend: Any = importlib.import_module(module)
    for name in filter(None, attributes.split(".")):
        backend = getattr(backend, name)
    asked = backend.get_requires_for_build_wheel() if hasattr(backend, "get_requires_for_build_wheel") else []
    if set(asked) - set(told["given"]):
        with open(os.path.join(OUT, "requires.json"), "w", encoding="utf-8") as file:
            json.dump(list(asked), file)
        return 0
    backend.build_wheel(OUT)
    return 0


def unpack(archive: str) -> str:
    """The archive's one folder."""
    if archive.endswith(".zip"):
        with zipfile.ZipFile(archive) as zipped:
            zipped.extractall(TARGET)  # noqa: S202 - in a container of its own, and names that lead out are not followed
    else:
        with tarfile.open(archive) as tar:
            tar.extractall(TARGET, filter="data")
    names = os.listdir(TARGET)
    if len(names) != 1 or not os.path.isdir(os.path.join(TARGET, names[0])):
        raise SystemExit(f"the archive holds {len(names)} entries at its top in place of one folder")
    return os.path.join(TARGET, names[0])


if __name__ == "__main__":
    sys.exit(main())
