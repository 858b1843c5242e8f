"""Lock files, by their names: which packages they pin, in which versions and with which hashes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from astro_mcp.errors import InvalidInput, TooLarge
from astro_mcp.observe.printable import printable
from astro_mcp.sandbox.packages.locks import pipenv, poetry, pylock, uv
from astro_mcp.sandbox.packages.locks.pins import ANEW, Pins
from astro_mcp.sandbox.packages.wanted import Wanted
from astro_mcp.workspace.toml import toml

LOCKS: Final = ("pylock.toml", "uv.lock", "poetry.lock", "Pipfile.lock")
"""The first that there is counts."""
LOCK_BYTES: Final = 8_000_000


def locked(name: str, files: Mapping[str, bytes], python: Mapping[str, str], *, tests: bool) -> Wanted:
    """What the lock file `name` of the project of `files` pins for the environment `python` (PEP 508); with `tests`,
    what these need too. Raises `InvalidInput` where it can't be read, and `TooLarge`."""
    if len(files[name]) > LOCK_BYTES:
        raise TooLarge(f"{name} is over {LOCK_BYTES // 1_000_000} MB")
    try:
        pins = Pins()
        _read(name, files, python, pins, tests=tests)
    except (InvalidInput, TooLarge):
        raise
    except Exception as error:  # noqa: BLE001 - hostile text in the hands of a parser: any of its errors is the file's
        raise InvalidInput(f"{name} can't be read: {printable(str(error), 200)}", ANEW) from None
    return pins.wanted


def _read(name: str, files: Mapping[str, bytes], python: Mapping[str, str], pins: Pins, *, tests: bool) -> None:
    text = files[name].decode()
    document: dict[str, Any] = json.loads(text) if name == "Pipfile.lock" else toml(text)
    if name == "pylock.toml":
        pylock.read(document, python, pins, tests=tests)
    elif name == "uv.lock":
        uv.read(document, python, pins, tests=tests)
    elif name == "Pipfile.lock":
        pipenv.read(document, python, pins, tests=tests)
    elif "pyproject.toml" in files:
        pyproject = toml(files["pyproject.toml"].decode())
        poetry.read(document, pyproject, python, pins, tests=tests)
    else:
        raise InvalidInput("poetry.lock does not say what the project needs: it has no pyproject.toml beside it")
