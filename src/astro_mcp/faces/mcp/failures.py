"""Errors in MCP's words: as a tool's result, or as an error of the protocol. Both are bounded like any result."""

from __future__ import annotations

from typing import Final

from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, ErrorData, TextContent

from astro_mcp.errors import CODES, AstroError
from astro_mcp.faces.mcp.budget import BYTES
from astro_mcp.faces.mcp.peer import Profile
from astro_mcp.faces.mcp.shape import Shape
from astro_mcp.faces.mcp.trim import trim

NOTE: Final = "[cut to fit]"


def failed(error: AstroError, profile: Profile) -> CallToolResult:
    """An error that the model can act on: the same in both forms. Text is always there: an error that is not read is
    repeated."""
    shape = _shape(error, structured=profile.structured)
    text = TextContent(text=shape.text or "")
    return CallToolResult(content=[text], structured_content=shape.structured, is_error=True)


def error_data(error: AstroError) -> ErrorData:
    """The body of a JSON-RPC error, by the table of codes."""
    shape = _shape(error, structured=True)
    return ErrorData(code=CODES[error.code].jsonrpc, message=shape.text or "", data=shape.structured)


def protocol_error(error: AstroError) -> MCPError:
    """An error where MCP has no result that could carry it."""
    return MCPError.from_error_data(error_data(error))


def _shape(error: AstroError, *, structured: bool) -> Shape:
    shape = Shape.weighed(error.text(), {"error": error.as_dict()} if structured else None)
    return shape if shape.size <= BYTES else trim(shape, BYTES, NOTE)
