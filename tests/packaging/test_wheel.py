"""The wheel has the whole pack in it, and an install of it finds that and not the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
READ = """
import json, sys
sys.path.append(sys.argv[1])
import astro_mcp
from astro_mcp.packs import Pack
pack = Pack.find()
names = [m.name for kind in ("linter", "runner", "language", "search") for m in pack.manifests(kind)]
print(json.dumps([astro_mcp.__file__, str(pack.root), sorted(names)]))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    run([sys.executable, "-c", build, str(folder)], ROOT)
    [made] = folder.glob("*.whl")
    return made


def run(argv: list[str], folder: Path) -> str:
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    done = subprocess.run(
        argv,
        check=False,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def shipped(folder: str) -> set[str]:
    """Files that git knows or would add: what it ignores is not shipped."""
    listed = run(["git", "ls-files", "--cached", "--others", "--exclude-standard", folder], ROOT).splitlines()
    return {path for path in listed if (ROOT / path).is_file()}


def test_the_wheel_holds_every_file_of_tools_and_resources_and_nothing_else_beside_the_package(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    packed = {name.removeprefix("astro_mcp/_pack/") for name in names if name.startswith("astro_mcp/_pack/")}
    assert packed == shipped("tools") | shipped("resources")
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"astro_mcp"}
    assert "astro_mcp/py.typed" in names
    assert any(name.endswith("/0001_core.sql") for name in names)


def test_an_installed_wheel_in_a_fresh_environment_reads_every_manifest(wheel: Path, tmp_path: Path) -> None:
    fresh = tmp_path / "venv"
    run([sys.executable, "-m", "venv", "--without-pip", str(fresh)], tmp_path)
    python = fresh / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", "-q"]
    run([*install, str(wheel)], tmp_path)
    # The dependencies of this very environment come last on the path; the checkout is on none of its entries.
    dependencies = next(entry for entry in sys.path if entry.endswith("site-packages"))
    module, pack, names = json.loads(run([str(python), "-I", "-c", READ, dependencies], tmp_path))
    assert Path(module).is_relative_to(fresh)
    assert Path(pack).is_relative_to(fresh)
    files = {path for path in shipped("tools") if path.endswith(".tool.toml")}
    assert names == sorted(path.rpartition("/")[2].removesuffix(".tool.toml") for path in files)
