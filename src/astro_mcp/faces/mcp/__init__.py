"""The MCP face: both protocol eras on the SDK's low-level server."""
