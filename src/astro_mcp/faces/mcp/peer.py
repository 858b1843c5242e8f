"""The other end of a connection, and what it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from astro_mcp.core.authority import Session
from astro_mcp.core.tool import Tool

CODING_SETS: Final = frozenset({"code", "tests", "lint", "knowledge", "workflow", "artifacts"})
CODING_HOSTS: Final = ("claude-code", "cursor", "visual-studio-code", "vscode", "codex", "gemini-cli")


@dataclass(frozen=True, slots=True)
class Profile:
    """What a host is shown: agents (empty: all), which of a result's two forms it is given, and whether tools/list
    describes the structured one. Those schemas are a third of the list, which every host pays for in its model's
    context; `astro://tools/{name}` has them too.

    A host that prefers structured content falls back to text where there is none, so text alone reaches every one.
    """

    name: str
    agents: frozenset[str] = frozenset()
    text: bool = True
    structured: bool = True
    schemas: bool = False


FULL: Final = Profile("full")
PROFILES: Final = {
    profile.name: profile
    for profile in (
        FULL,
        Profile("coding", CODING_SETS, structured=False),
        Profile("text", structured=False),
        Profile("structured", text=False, schemas=True),
    )
}


@dataclass(frozen=True, slots=True)
class Peer:
    """One connection's session, the profile that it named, and notices of what it asked for and did not get."""

    session: Session
    profile: str = ""
    notices: tuple[str, ...] = ()

    def shown(self, client: str) -> Profile:
        """The profile by name, else by the client's name."""
        if self.profile:
            return PROFILES.get(self.profile, FULL)
        name = client.lower().replace(" ", "-")
        return PROFILES["coding"] if name.startswith(CODING_HOSTS) else FULL

    def sees(self, tool: Tool, profile: Profile) -> bool:
        """Whether tools/list names `tool`. Named toolsets go before the profile's; what this session's grant can
        never allow is left out."""
        grant = self.session.grant
        agents = grant.toolsets or profile.agents
        wanted = not agents or tool.agent in agents
        return wanted and tool.always | tool.declaration.least <= grant.effects
