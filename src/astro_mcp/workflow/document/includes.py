"""The workflows that a document's steps run: its own, or templates. All are found and kept with it before it runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from astro_mcp.errors import Problem
from astro_mcp.nearest import nearest
from astro_mcp.workflow.document.bounds import MOST
from astro_mcp.workflow.document.model import RESCUE, Document, StepSpec


def every(steps: list[StepSpec] | None) -> Iterator[StepSpec]:
    """The steps and all those inside of them, without those of the workflows that they run."""
    for step in steps or ():
        yield step
        yield from every(step.do)
        yield from every(step.on_failure)


def steps_of(document: Document) -> Iterator[StepSpec]:
    """Every step that is written in the document itself."""
    yield from every(document.steps)
    yield from every(document.on_failure)


def placed(document: Document, where: str) -> Iterator[tuple[str, StepSpec]]:
    """The same with each one's path."""
    waiting = [(f"{where}steps", document.steps), (f"{where}{RESCUE}", document.on_failure or [])]
    while waiting:
        path, steps = waiting.pop(0)
        for place, step in enumerate(steps):
            yield f"{path}[{place}]", step
            waiting += [(f"{path}[{place}].do", step.do or []), (f"{path}[{place}].{RESCUE}", step.on_failure or [])]


def whole(document: Document, templates: Mapping[str, Document]) -> tuple[Document, list[Problem]]:
    """The document with each workflow that it runs among its `workflows`, and what is wrong with these: one that does
    not exist, is of another version, or runs itself."""
    found = dict(document.workflows)
    problems = [
        Problem(
            f"workflows.{name}.workflows", "a workflow in a document has none of its own", "write it beside this one"
        )
        for name, one in document.workflows.items()
        if one.workflows
    ]
    waiting = [("", document), *((f"workflows.{name}.", one) for name, one in document.workflows.items())]
    while waiting:
        where, one = waiting.pop()
        for path, step in placed(one, where):
            if step.workflow is None:
                continue
            if step.uses not in found and step.uses in templates:
                found[step.uses] = templates[step.uses]
                waiting.append((f"workflows.{step.uses}.", templates[step.uses]))
            if len(problems) <= MOST and (problem := _wrong(step, f"{path}.workflow", found, templates)):
                problems.append(problem)
    if not problems and (ring := _ring(document, found)):
        problems.append(Problem("steps", f"a workflow runs itself: {' → '.join(ring)}", "repeat: {max: n, until: …}"))
    return document.model_copy(update={"workflows": found}), problems


def _wrong(
    step: StepSpec, path: str, found: Mapping[str, Document], templates: Mapping[str, Document]
) -> Problem | None:
    name, _, version = (step.workflow or "").partition("@")
    if name not in found:
        known = sorted({*found, *templates})
        near = nearest(name, known)
        return Problem(
            path,
            f"there is no workflow {name}; there are: {', '.join(known) or 'none'}",
            f"workflow: {near}" if near else "",
        )
    if version and version != found[name].version:
        has = found[name].version
        return Problem(
            path, f"{name} is there in version {has or 'none'}", f"workflow: {name}" + (f"@{has}" if has else "")
        )
    if found[name].delay is not None:
        return Problem(path, f"{name} has a delay, which is for a run and not for a step", "leave its `delay` out")
    return None


def _ring(document: Document, found: Mapping[str, Document]) -> list[str]:
    """The names of workflows that run one another in a ring, the first one repeated at the end; or nothing."""
    runs = {name: sorted({step.uses for step in steps_of(one) if step.workflow}) for name, one in found.items()}
    done: set[str] = set()
    for start in sorted({step.uses for step in steps_of(document) if step.workflow}):
        trail = [start]
        stack = [iter(runs[start])]
        while stack:
            name = next((name for name in stack[-1] if name not in done), None)
            if name is None:
                stack.pop()
                done.add(trail.pop())
            elif name in trail:
                return [*trail[trail.index(name) :], name]
            else:
                trail.append(name)
                stack.append(iter(runs[name]))
    return []


def levels(document: Document) -> int:
    """How deep workflows run one another; the document itself is 1. Of a document without rings."""
    depth: dict[str, int] = {}

    def of(one: Document) -> int:
        used = {step.uses for step in steps_of(one) if step.workflow}
        for name in used:
            if name not in depth:
                depth[name] = of(document.workflows[name])
        return 1 + max((depth[name] for name in used), default=0)

    return of(document)


def size(document: Document) -> int:
    """Steps in all, those of a workflow once for each step that runs it. Of a document without rings."""
    sizes: dict[str, int] = {}

    def of(one: Document) -> int:
        count = 0
        for step in steps_of(one):
            count += 1
            if step.workflow is not None:
                if step.uses not in sizes:
                    sizes[step.uses] = of(document.workflows[step.uses])
                count += sizes[step.uses]
        return count

    return of(document)
