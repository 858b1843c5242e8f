"""Source distributions made on the spot, whose builds do what a test wants and need nothing but Python; and what the
tests of them share."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.sandbox.rig import SMALL, Make

from astro_mcp.errors import AstroError
from astro_mcp.sandbox.job import Job
from astro_mcp.sandbox.sandbox import Sandbox

OWN = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
"""The backend is part of the source, so that nothing has to be fetched for it."""
BACKEND = '''
import os, zipfile

def made(folder, name, version, files, requires=(), file=None, tag="py3-none-any", says=None):
    """A wheel; `file` is its file's name, and `says` the name in its metadata, where those lie."""
    path = os.path.join(folder, file or f"{name}-{version}-{tag}.whl")
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {one}\\n" for one in requires)
    metadata = f"Metadata-Version: 2.1\\nName: {says or name}\\nVersion: {version}\\n{needs}"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, text in files.items():
            archive.writestr(member, text)
        archive.writestr(f"{info}/METADATA", metadata)
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: {tag}\\n")
        archive.writestr(f"{info}/RECORD", "")
    return os.path.basename(path)

def build_wheel(folder, config_settings=None, metadata_directory=None):
'''


def sdist(
    folder: Path,
    name: str,
    build: str,
    version: str = "1.0",
    *,
    project: str | None = OWN,
    head: str = "",
    files: Mapping[str, str] | None = None,
) -> Path:
    """A source distribution whose `build_wheel(folder)` has the body `build`; `head` stands before, at its import."""
    body = "".join(f"    {line}\n" for line in build.splitlines())
    texts = {"backend.py": f"{head}{BACKEND}{body}", **(files or {})}
    if project is not None:
        texts["pyproject.toml"] = project
    path = folder / f"{name}-{version}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for member, text in texts.items():
            entry = tarfile.TarInfo(f"{name}-{version}/{member}")
            data = text.encode()
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def plain(name: str, version: str = "1.0", requires: tuple[str, ...] = ()) -> str:
    """The body of a build that makes what it should: a module that knows its version."""
    files = {f"{name}.py": f"version = '{version}'"}
    return f"return made(folder, {name!r}, {version!r}, {files!r}, {requires!r})"


class Steps(list[str]):
    """The texts of a call's progress."""

    async def take(self, done: float, total: float | None, text: str) -> None:
        self.append(text)

    @property
    def builds(self) -> list[str]:
        return [text for text in self if text.startswith("building ")]


def approving(make: Make, *names: str) -> Sandbox:
    return make(SMALL.model_copy(update={"build_from_source": names}))


async def printed(sandbox: Sandbox, image: str, code: str) -> str:
    outcome = await sandbox.run(Job(("python3", "-c", code), image=image))
    assert outcome.exit_code == 0, outcome.stderr.decode()
    return outcome.stdout.decode().strip()


async def failure(sandbox: Sandbox, *requirements: str) -> AstroError:
    with pytest.raises(AstroError) as caught:
        await sandbox.python_image("local", requirements)
    return caught.value
