"""The tool `model_answer`. It stands in a registry of its own: no host and no document calls it, and each call of it
passes the same policies as all others."""

from __future__ import annotations

import json
from typing import Any, ClassVar, Final

from pydantic import Field

from astro_mcp.core.agent import Agent
from astro_mcp.core.authority import Effect, Label
from astro_mcp.core.call import Context
from astro_mcp.core.flow import Leaving, Sort
from astro_mcp.core.model import Input, Output
from astro_mcp.core.tool import later, tool
from astro_mcp.errors import ProviderFailed
from astro_mcp.net.client import Fetched, GuardedClient
from astro_mcp.run_settings import ModelSettings

ANSWER_BYTES: Final = 2_000_000
SHOWN: Final = 300


class Prompt(Input):
    """What is said to the model: what it is to do, and what about."""

    system: str = Field(description="What it is to do.")
    user: str = Field(max_length=400_000, description="What about; data of strangers among it.")


class Answered(Output):
    """What it said."""

    content: str

    def text(self) -> str:
        return self.content


class ModelAgent(Agent):
    """Asks one endpoint by OpenAI's "Create chat completion"."""

    name: ClassVar[str] = "model"
    title: ClassVar[str] = "Model"

    def __init__(self, client: GuardedClient, settings: ModelSettings) -> None:
        self._client = client
        self._settings = settings

    @tool(title="Ask the model", effects={Effect.NETWORK}, timeout=660, labels={Label.UNTRUSTED}, leaves=later)
    async def model_answer(self, args: Prompt, ctx: Context) -> Answered:
        """Use to have an ask of a run answered by the model that the operator configured."""
        settings = self._settings
        ctx.let_out(Leaving(Sort.DATA, settings.base_url, (f"{args.system}\n{args.user}",)))
        body = {
            "model": settings.name,
            "messages": [{"role": "system", "content": args.system}, {"role": "user", "content": args.user}],
            "max_tokens": settings.max_tokens,
            "response_format": {"type": "json_object"},
        }
        headers = {"content-type": "application/json"}
        if settings.key:
            headers["authorization"] = f"Bearer {settings.key}"
        found = await self._client.post(
            f"{settings.base_url.rstrip('/')}/chat/completions",
            json.dumps(body).encode(),
            headers=headers,
            max_bytes=ANSWER_BYTES,
            timeout=settings.timeout_seconds,
            allow_private=settings.allow_private,
        )
        return Answered(content=_content(found))


def _content(found: Fetched) -> str:
    """The words of the first choice; raises `ProviderFailed`."""
    if found.status != 200:
        said = found.body[:SHOWN].decode("utf-8", "replace")
        passes = found.status == 429 or found.status >= 500
        reason = f"the model's endpoint answered {found.status}: {said}"
        raise ProviderFailed(reason, "look at [model] in config.toml", retryable=passes)
    try:
        body: Any = json.loads(found.body)
        content = body["choices"][0]["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        raise ProviderFailed("the model's endpoint gave no chat completion") from None
    if not isinstance(content, str):
        raise ProviderFailed("the model said nothing")
    return content
