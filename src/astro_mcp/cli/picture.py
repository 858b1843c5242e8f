"""The picture of a document that is a file: the daemon checks it, and tells the address of its picture."""

from __future__ import annotations

from typing import Any

from astro_mcp.cli.link import Failure, Link


def drawn(spec: str, link: Link, kind: str) -> dict[str, Any]:
    """What reading the picture's address gives, `mimeType` and `text`; `kind` is `picture` or `mermaid`. Raises
    `Failure` with every problem of the document."""
    checked = link.call("workflow_check", {"spec": spec})["structured"]
    if not checked["valid"]:
        problems = [{**one, "suggestion": one["corrected"]} for one in checked["problems"]]
        message = f"{problems[0]['path']}: {problems[0]['reason']}"
        error = {"code": "invalid_input", "message": message, "hint": "correct the problems below"}
        raise Failure({**error, "retryable": False, "problems": problems})
    return link.read(f"{checked['picture'].rpartition('/')[0]}/{kind}")
