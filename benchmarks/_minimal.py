"""The smallest server that the SDK's own documentation would write: the peer that every host knows."""

from __future__ import annotations

from pathlib import Path

from mcp.server import MCPServer

server = MCPServer("minimal")


@server.tool()
async def echo(text: str) -> str:
    """Say it again."""
    return text


@server.tool()
async def read(path: str) -> str:
    """Read a file, with no guard at all."""
    return Path(path).read_text()


if __name__ == "__main__":
    server.run()
