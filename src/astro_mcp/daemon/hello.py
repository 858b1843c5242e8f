"""A shim's hello, read as hostile, and the session that it makes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from astro_mcp.config import Settings
from astro_mcp.core.authority import HARMLESS, Grant, Kind, Principal, Session
from astro_mcp.errors import Conflict, InvalidInput
from astro_mcp.faces.mcp.peer import PROFILES, Peer
from astro_mcp.nearest import nearest
from astro_mcp.observe.printable import printable

Text = Annotated[str, StringConstraints(max_length=4096)]
ALWAYS: Final = "artifacts"
"""The toolset that every session has: without it the rest of a result that was cut is out of reach."""


class Hello(BaseModel):
    """What a shim says before the protocol's first byte. Fields that a newer shim adds are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)
    version: Text = ""
    prefix: Text = ""
    pid: int = 0
    cwd: Text = ""
    roots: tuple[Text, ...] = Field((), max_length=64)
    toolsets: tuple[Text, ...] = Field((), max_length=64)
    read_only: bool = False
    profile: Text = ""
    environment: dict[str, Text] = Field(default_factory=dict, max_length=256)
    network: dict[str, Text] = Field(default_factory=dict, max_length=256)
    kind: Literal["stdio", "cli"] = "stdio"
    gives: bool = False
    control: Literal["", "status", "stop"] = ""


def parse(line: bytes) -> Hello:
    """Raises `InvalidInput`."""
    try:
        return Hello.model_validate(json.loads(line))
    except (ValueError, RecursionError) as error:
        where = error.errors()[0]["loc"] if isinstance(error, ValidationError) else ()
        raise InvalidInput(f"this is no hello: {'.'.join(map(str, where)) or 'not JSON'}") from None


@dataclass(frozen=True, slots=True)
class Terms:
    """What every session of a process is bound to: settings, refused folders, agents, and the process's user,
    environment and network."""

    settings: Settings
    refused: tuple[Path, ...]
    agents: Sequence[str]
    uid: int
    environment: Mapping[str, str]
    network: Mapping[str, str]

    def peer(self, hello: Hello) -> Peer:
        """The session that `hello` may have. Blocks on the file system. Raises `Conflict` where the host's settings
        are others than the daemon's, `InvalidInput` for a toolset or profile that does not exist."""
        self._same_environment(hello)
        _known("profile", hello.profile, list(PROFILES))
        for name in hello.toolsets:
            _known("toolset", name, list(self.agents))
        roots, refused = self._roots(hello)
        toolsets = {*hello.toolsets, ALWAYS} if hello.toolsets else None
        grant = Grant(roots).narrowed(effects=HARMLESS if hello.read_only else None, toolsets=toolsets)
        session = Session(Principal(f"uid:{self.uid}", Kind(hello.kind)), grant, refused=refused)
        return Peer(session, hello.profile, (*refused, *self._other_network(hello)))

    def _roots(self, hello: Hello) -> tuple[tuple[Path, ...], tuple[str, ...]]:
        from astro_mcp.workspace.roots import usable_roots  # noqa: PLC0415 - the first session needs it, the start does not

        asked = [Path(root) for root in hello.roots or (hello.cwd,) if root]
        return usable_roots(asked, self.settings.roots.ceiling, self.refused)

    def _same_environment(self, hello: Hello) -> None:
        if differing := _differing(self.environment, hello.environment):
            raise Conflict(
                f"this host's {differing} differs from the running daemon's",
                "settings are the daemon's, for all hosts: put them into config.toml, or `astro-mcp daemon stop` first",
            )

    def _other_network(self, hello: Hello) -> tuple[str, ...]:
        differing = _differing(self.network, hello.network)
        told = f"this host's {differing} differs from the running daemon's, which is used for all hosts"
        return (f"{told}: `astro-mcp daemon stop`, and the next host's is taken",) if differing else ()


def _differing(ours: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    """Names of what differs, for people."""
    names = sorted(name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name))
    return printable(", ".join(names[:5]))[:300]


def _known(what: str, name: str, names: Sequence[str]) -> None:
    if name and name not in names:
        near = nearest(name, names)
        hint = f"did you mean {near}? " if near else ""
        raise InvalidInput(f"no {what} is named {name[:60]!r}", f"{hint}there are: {', '.join(names)}")
