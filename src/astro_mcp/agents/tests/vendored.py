"""Go modules and crates come along in the project or not at all: nothing fetches them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from astro_mcp.errors import InvalidInput, Unsupported
from astro_mcp.observe.printable import printable
from astro_mcp.sandbox.job import SandboxFile
from astro_mcp.sandbox.packages.tables import table
from astro_mcp.workspace.toml import toml

TOLD: Final = 5
REQUIRED: Final = re.compile(r"^[ \t]*(?:require\s+)?([^\s()/.]++\.[^\s()]++)\s+v\d", re.MULTILINE)
ELSEWHERE: Final = re.compile(r"^[ \t]*(?:replace\s+)?(\S+)(?:\s+v\S+)?\s+=>\s+\.{1,2}/", re.MULTILINE)
DEPENDENCIES: Final = ("dependencies", "dev-dependencies", "build-dependencies")
Files = Mapping[str, SandboxFile]


def check_go(files: Files) -> None:
    """Raises `Unsupported` where go.mod requires modules that don't lie in `vendor/`, or in the project."""
    if "vendor/modules.txt" in files:
        return
    text = re.sub(r"//.*", "", files["go.mod"].data.decode("utf-8", "replace")) if "go.mod" in files else ""
    required = text.partition("\nreplace")[0] if "\nreplace" in text else text
    missing = set(REQUIRED.findall(required)) - set(ELSEWHERE.findall(text))
    _refuse("Go modules", missing, "go mod vendor")


def check_cargo(files: Files) -> None:
    """Raises `Unsupported` where the lock, or a Cargo.toml, names crates that lie neither in the project nor in a
    folder that `.cargo/config.toml` names instead of the registry; `InvalidInput` where one of these is no TOML."""
    if any(table(_read(files, f".cargo/{name}").get("source")) for name in ("config.toml", "config")):
        return
    if "Cargo.lock" in files:
        packages = _read(files, "Cargo.lock").get("package")
        entries = [table(entry) for entry in packages] if isinstance(packages, list) else []
        missing = {str(entry.get("name")) for entry in entries if "source" in entry}
    else:
        manifests = [path for path in files if path == "Cargo.toml" or path.endswith("/Cargo.toml")]
        missing = {name for path in manifests for name in _named(_read(files, path))}
    _refuse("crates", missing, "cargo vendor")


def _named(manifest: Mapping[str, Any]) -> Iterator[str]:
    targets = [table(target) for target in table(manifest.get("target")).values()]
    for holder in (manifest, table(manifest.get("workspace")), *targets):
        for key in DEPENDENCIES:
            for name, wanted in table(holder.get(key)).items():
                if "path" not in table(wanted) and not table(wanted).get("workspace"):
                    yield name


def _read(files: Files, path: str) -> dict[str, Any]:
    if path not in files:
        return {}
    try:
        return toml(files[path].data.decode("utf-8"))
    except ValueError as error:
        raise InvalidInput(f"{path} is no TOML: {printable(str(error), 200)}") from None


def _refuse(what: str, missing: set[str], command: str) -> None:
    if missing:
        listed = ", ".join(sorted(printable(name, 80) for name in missing)[:TOLD])
        more = f" and {len(missing) - TOLD} more" if len(missing) > TOLD else ""
        raise Unsupported(
            f"the project needs {what} that are not in it, and none are fetched: {listed}{more}",
            f"{command} puts them into the project; commit or keep the folder, and run the tests again",
        )
