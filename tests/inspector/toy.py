"""A server with one tool whose schema some host would refuse, on stdio; without a word of ours in it."""

from __future__ import annotations

import json
import sys
from typing import Any

POINT = {"type": "object", "properties": {"x": {"type": "integer"}}}
SCHEMAS: dict[str, dict[str, Any]] = {
    "plain": {"type": "object", "properties": {"at": POINT}},
    "anything": {"type": "object", "properties": {"at": True}},
    "union": {"type": "object", "properties": {"at": {"type": ["string", "null"]}}},
}


def answer(method: str, params: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any] | None:
    if method == "initialize":
        about = {"name": "toy", "version": "1"}
        version = params["protocolVersion"]
        return {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": about}
    if method == "tools/list":
        return {"tools": [{"name": "draw", "description": "Draws a point.", "inputSchema": schema}]}
    return None


def main(name: str) -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        if "id" in asked:
            result = answer(asked["method"], asked.get("params", {}), SCHEMAS[name])
            error = {"error": {"code": -32601, "message": "no such method"}}
            print(
                json.dumps({"jsonrpc": "2.0", "id": asked["id"], **(error if result is None else {"result": result})})
            )
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
