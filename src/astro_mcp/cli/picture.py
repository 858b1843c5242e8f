"""The picture of a document that is a file, and so at no address of the daemon's."""

from __future__ import annotations

from astro_mcp.cli.link import Failure, Link


def drawn(spec: str, link: Link, *, in_mermaid: bool) -> dict[str, str]:
    """What reading the picture's address would give: `mimeType` and `text`. The daemon checks the document first;
    raises `Failure` with every problem."""
    from astro_mcp.workflow.document.includes import steps_of, whole  # noqa: PLC0415 - this command alone pays for it
    from astro_mcp.workflow.document.plan import build  # noqa: PLC0415 - as above
    from astro_mcp.workflow.document.read import read  # noqa: PLC0415 - as above
    from astro_mcp.workflow.pictures.shown import MERMAID, SVG, as_mermaid, as_svg  # noqa: PLC0415 - as above

    checked = link.call("workflow_check", {"spec": spec})["structured"]
    if not checked["valid"]:
        problems = [{**one, "suggestion": one["corrected"]} for one in checked["problems"]]
        message = f"{problems[0]['path']}: {problems[0]['reason']}"
        error = {"code": "invalid_input", "message": message, "hint": "correct the problems below"}
        raise Failure({**error, "retryable": False, "problems": problems})
    document = read(spec)
    templates = {}
    waiting = [document, *document.workflows.values()]
    while waiting:
        for step in steps_of(waiting.pop()):
            if step.workflow and step.uses not in templates and step.uses not in document.workflows:
                templates[step.uses] = read(link.read(f"astro://workflows/{step.uses}")["text"])
                waiting.append(templates[step.uses])
    plan = build(whole(document, templates)[0])
    if in_mermaid:
        return {"mimeType": MERMAID, "text": as_mermaid(plan)}
    return {"mimeType": SVG, "text": as_svg(plan)}
