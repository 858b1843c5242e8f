"""Prompts: Markdown files with TOML between `+++` lines, published as what hosts show as slash commands."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    GetPromptRequestParams,
    GetPromptResult,
    ListPromptsResult,
    PaginatedRequestParams,
    Prompt,
    PromptArgument,
    PromptMessage,
    TextContent,
)
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from astro_mcp.core.registry import Registry
from astro_mcp.errors import InvalidInput
from astro_mcp.faces.mcp.connection import Ctx
from astro_mcp.faces.mcp.shape import sound
from astro_mcp.nearest import nearest

FENCE: Final = "+++\n"
ARGUMENT_MAX: Final = 20_000


class Argument(BaseModel):
    """One argument: required unless it has a default; `complete` is who knows values, as `Registry.completer` takes
    it."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)
    description: str
    default: str | None = None
    complete: str = ""


class Head(BaseModel):
    """A prompt file's front matter. It is listed where every tool that it speaks of is there."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)
    title: str
    description: str
    tools: tuple[str, ...] = ()
    arguments: dict[str, Argument] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PromptFile:
    """One prompt: its name is the file's."""

    name: str
    head: Head
    body: str

    def render(self, given: Mapping[str, str]) -> str:
        """The body with each `{{argument}}` put in once: what an argument holds is not looked at again."""
        values = {name: given.get(name) or argument.default for name, argument in self.head.arguments.items()}
        missing = [name for name, value in values.items() if value is None]
        unknown = [name for name in given if name not in values]
        if missing or unknown:
            what = f"missing argument {missing[0]}" if missing else f"unknown argument {unknown[0][:60]}"
            raise MCPError(INVALID_PARAMS, f"{self.name}: {what}; it takes: {', '.join(values) or 'nothing'}")
        return re.sub(r"\{\{(\w+)\}\}", lambda found: str(values.get(found[1], found[0]))[:ARGUMENT_MAX], self.body)


class Prompts:
    """Answers prompts/list and prompts/get."""

    def __init__(self, folder: Path, registry: Registry) -> None:
        self._files = {file.name: file for file in map(read_prompt, sorted(folder.glob("*.md")))}
        self._registry = registry

    async def list(self, ctx: Ctx, params: PaginatedRequestParams | None) -> ListPromptsResult:
        """The prompts that today's tools can carry out."""
        return ListPromptsResult(prompts=[_described(file) for file in self._usable().values()])

    async def get(self, ctx: Ctx, params: GetPromptRequestParams) -> GetPromptResult:
        """One prompt as the user's message."""
        usable = self._usable()
        file = usable.get(params.name)
        if file is None:
            near = nearest(params.name, list(usable))
            hint = f"; did you mean {near}?" if near else ""
            raise MCPError(INVALID_PARAMS, f"no prompt is named {sound(params.name)[:60]!r}{hint}")
        text = TextContent(text=sound(file.render(params.arguments or {})))
        return GetPromptResult(description=file.head.description, messages=[PromptMessage(role="user", content=text)])

    def completed_by(self, name: str, argument: str) -> str:
        """Who knows values for this argument, as `Registry.completer` takes it; empty where nobody does."""
        file = self._usable().get(name)
        found = file.head.arguments.get(argument) if file else None
        return found.complete if found else ""

    def _usable(self) -> dict[str, PromptFile]:
        known = self._registry.tools
        return {name: file for name, file in self._files.items() if all(tool in known for tool in file.head.tools)}


def read_prompt(path: Path) -> PromptFile:
    """The file's prompt; raises `InvalidInput` that names the file."""
    text = path.read_text(encoding="utf-8")
    head, fence, body = text.removeprefix(FENCE).partition(FENCE)
    if not text.startswith(FENCE) or not fence:
        raise InvalidInput(f"{path}: a prompt starts with TOML between two +++ lines")
    try:
        values: dict[str, Any] = tomllib.loads(head)
        return PromptFile(path.stem, Head.model_validate(values), body.strip())
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise InvalidInput(f"{path}: {error}") from None


def _described(file: PromptFile) -> Prompt:
    arguments = [
        PromptArgument(name=name, description=argument.description, required=argument.default is None)
        for name, argument in file.head.arguments.items()
    ]
    return Prompt(name=file.name, title=file.head.title, description=file.head.description, arguments=arguments or None)
