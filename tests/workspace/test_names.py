"""Spellings that some file system takes for the same name."""

from __future__ import annotations

import pytest

from astro_mcp.workspace.guards import ReadGuard, is_secret
from astro_mcp.workspace.names import Names, fold


@pytest.mark.parametrize(
    "spelling", [".Git", ".git.", ".git ", ".git. . ", ".g\u200dit", ".git:stream", "\uff0egit", ".gI\u0074"]
)
def test_spellings_of_one_name_fold_to_it(spelling: str) -> None:
    assert fold(spelling) == ".git"


def test_composed_and_decomposed_letters_are_one() -> None:
    assert fold("Cafe\u0301") == fold("caf\u00e9")


def test_short_names_stand_for_the_long_ones() -> None:
    names = Names([".git", ".pre-commit-config.yaml", "sitecustomize.py"])
    for short in ("GIT~1", "git~12", "PRE-CO~1.YAM", "SITECU~1.PY", "GI7D29~1"):
        assert fold(short) in names
    for other in ("gut~1", "sitecu~1.txt", "site~1.py", "git1"):
        assert fold(other) not in names


def test_the_operator_may_let_a_listed_file_be_read() -> None:
    guard = ReadGuard(("tests/certs/*.pem",))
    assert not guard.withholds("tests/certs/server.pem")
    assert guard.withholds("certs/server.pem")


@pytest.mark.parametrize(
    "path",
    [
        "src/environment.py",
        "keys.py",
        ".env.example",
        "docs/secrets.md",
        "credentials.py",
        "id_rsa.pub",
        "config/app.json",
    ],
)
def test_ordinary_names_are_no_secrets(path: str) -> None:
    assert not is_secret(path)
