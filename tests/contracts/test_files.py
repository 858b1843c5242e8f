"""What holds for every file that is kept here, whatever it is."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
REGISTRIES = [
    ".".join(labels)
    for labels in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("yarnpkg", "com"),
        ("crates", "io"),
        ("rubygems", "org"),
        ("proxy", "golang", "org"),
        ("registry-1", "docker", "io"),
        ("index", "docker", "io"),
        ("hub", "docker", "com"),
        ("quay", "io"),
        ("ghcr", "io"),
        ("gcr", "io"),
        ("mcr", "microsoft", "com"),
        ("deb", "debian", "org"),
        ("archive", "ubuntu", "com"),
        ("huggingface", "co"),
    )
]
"""In pieces, so that this file names none of them."""


def found_in(folder: Path, *words: str) -> list[str]:
    """The files that git keeps in `folder` and that hold one of `words`, with the line."""
    patterns = [part for word in words for part in ("-e", word)]
    command = ["git", "grep", "-n", "-I", "--ignore-case", "--fixed-strings", *patterns]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout.splitlines()


def test_no_file_names_the_host_of_a_registry() -> None:
    assert found_in(ROOT, *REGISTRIES) == []


def test_a_host_that_were_named_would_be_found(tmp_path: Path) -> None:
    (tmp_path / "lock.json").write_text(f'{{"resolved": "https://files.{REGISTRIES[1].upper()}/x"}}')
    subprocess.run("git init -q && git add -A", shell=True, cwd=tmp_path, check=True)
    assert len(found_in(tmp_path, *REGISTRIES)) == 1


def test_no_module_is_blank() -> None:
    listed = subprocess.run(["git", "ls-files", "-z", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    assert len(files) > 300
    assert [str(path) for path in files if path.exists() and not path.read_text(encoding="utf-8").strip()] == []
