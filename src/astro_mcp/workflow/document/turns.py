"""Values of the wrong shape, turned: each function gives the words that stand instead, or None where it is no slip."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from astro_mcp.nearest import nearest

Words = dict[str, Any]
All = Mapping[str, Any]
_TYPES: Final = {
    **dict.fromkeys(("string", "str", "text", "markdown", "path", "file", "url", "date"), "string"),
    **dict.fromkeys(("integer", "int", "long"), "integer"),
    **dict.fromkeys(("number", "float", "double"), "number"),
    **dict.fromkeys(("boolean", "bool"), "boolean"),
    **dict.fromkeys(("array", "list"), "array"),
    **dict.fromkeys(("object", "dict", "map", "json"), "object"),
}
_OF: Final = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
_PEOPLE: Final = {
    **dict.fromkeys(("human", "user", "person", "me", "owner"), "host"),
    **dict.fromkeys(("admin", "administrator", "ops"), "operator"),
    **dict.fromkeys(("agent", "assistant", "llm", "ai"), "model"),
}
_PLACES: Final = {
    **dict.fromkeys(("worktree", "gitworktree", "isolated", "branch", "copy", "sandbox"), "worktree"),
    **dict.fromkeys(("inplace", "root", "here", "current", "shared", "main", "none"), "in_place"),
}
_KIND: Final = frozenset(
    {
        *(
            "tool",
            "uses",
            "action",
            "call",
            "function",
            "tool_name",
            "use",
            "run",
            "script",
            "command",
            "ask",
            "prompt",
        ),
        *("question", "llm", "approve", "approval", "gate", "confirm", "do", "steps", "body", "block", "then", "tasks"),
        *("workflow", "template", "subworkflow", "sub_workflow", "call_workflow", "bash", "shell_command"),
    }
)
_TIME: Final = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s*(ms|milli|s|m|h|d)[a-z]*", re.IGNORECASE)
_ISO: Final = re.compile(r"P(?:T)?(\d{1,9})([SMHD])")


def slug(text: object) -> str:
    """An id out of any text, or nothing."""
    plain = re.sub(r"[^a-z0-9]+", "_", str(text)[:200].lower()).strip("_")[:40].strip("_")
    return plain if plain[:1].isalpha() else ""


def type_of(value: Any) -> str:
    """The type's name: of the word for one, or of a JSON schema; else nothing."""
    word = value.get("type") if isinstance(value, dict) else value
    return _TYPES.get(word.lower(), "") if isinstance(word, str) else ""


# Of a document.


def unwrapped(value: Any, _: All) -> Words | None:
    inside = isinstance(value, dict) and {"steps", "jobs", "tasks"} & set(value)
    return dict(value) if inside else {"steps": value} if isinstance(value, list) else None


def of_jobs(value: Any, _: All) -> Words | None:
    if isinstance(value, list):
        return {"steps": value}
    if not isinstance(value, dict) or not all(isinstance(job, dict) for job in value.values()):
        return None
    plain = len(value) == 1 and not {"strategy", "matrix", "foreach"} & set(next(iter(value.values())))
    if plain and isinstance(steps := next(iter(value.values())).get("steps"), list):
        return {"steps": steps}
    return {"steps": [{"id": slug(name), **job} for name, job in value.items()]}


def of_inputs(value: Any, _: All) -> Words | None:
    return {"inputs": value} if isinstance(value, dict | list) else None


def inputs(value: Any, _: All) -> Words | None:
    if isinstance(value, list):
        items = [{"name": one} if isinstance(one, str) else one for one in value]
        if not all(isinstance(one, dict) and "name" in one for one in items):
            return None
        specs = {str(one["name"]): {k: v for k, v in one.items() if k != "name"} for one in items}
        return {"inputs": {name: spec or {"type": "string"} for name, spec in specs.items()}}
    if not isinstance(value, dict) or all(isinstance(one, dict) for one in value.values()):
        return None
    return {"inputs": {name: _input(one) for name, one in value.items()}}


def _input(value: Any) -> Any:
    if isinstance(value, dict):
        return value
    if type_of(value):
        return {"type": type_of(value)}
    return {"type": _OF.get(type(value), "string"), "default": value}


def outputs(value: Any, _: All) -> Words | None:
    if isinstance(value, str):
        return {"outputs": {"result": value}}
    if isinstance(value, list) and all(isinstance(one, dict) and {"name", "value"} <= set(one) for one in value):
        return {"outputs": {str(one["name"]): one["value"] for one in value}}
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return {"outputs": {slug(one) or f"output_{n}": _reference(one) for n, one in enumerate(value, 1)}}
    return None


def _reference(text: str) -> str:
    return text if "{{" in text else f"${{{{ {text if text.startswith('steps.') else f'steps.{text}'} }}}}"


def calls(value: Any, _: All) -> Words | None:
    return {"budget": {"calls": value}} if isinstance(value, int) else None


def version(value: Any, _: All) -> Words | None:
    found = re.fullmatch(r"[vV]\.?(\d{1,6}(?:\.\d{1,6}){0,2})", value.strip()) if isinstance(value, str) else None
    return {"version": found[1]} if found else None


def workspace(value: Any, _: All) -> Words | None:
    """Also `{type: worktree}`, and `worktree: true` as it stands under a word of its own."""
    if isinstance(value, dict):
        value = value.get("type", value.get("kind", value.get("mode")))
    if isinstance(value, bool):
        return {"workspace": "worktree" if value else "in_place"}
    word = re.sub(r"[^a-z]", "", value[:40].lower()) if isinstance(value, str) else ""
    right = _PLACES.get(word) or nearest(word, ("worktree", "inplace"))
    return {"workspace": "in_place" if right == "inplace" else right} if right else None


# Of a step.


def named(value: Any, others: All) -> Words | None:
    """A name that is a tool's, or makes an id; else a title that nobody reads."""
    found = sort(value, others)
    return found or ({"id": slug(value)} if "id" not in others and slug(value) else {})


def sort(value: Any, others: All) -> Words | None:
    kindless = not _KIND & set(others)
    return {"tool": value} if kindless and isinstance(value, str) and re.fullmatch(r"[a-z]+(_[a-z]+)+", value) else {}


def program(value: Any, others: All) -> Words | None:
    code = "\n".join(map(str, value)) if isinstance(value, list) else value
    if not isinstance(code, str):
        return None
    language = "python" if str(others.get("shell", "")).startswith("python") else "shell"
    return {"tool": "code_run", "with": {"language": language, "paths": ["."], "code": code}}


def ask(value: Any, _: All) -> Words | None:
    if isinstance(value, str):
        return {"ask": value}
    if not isinstance(value, dict):
        return None
    text = next((v for k, v in value.items() if k in ("prompt", "question", "text", "message", "ask")), None)
    rest = {k: v for k, v in value.items() if k in ("with", "answer", "schema", "returns", "input", "inputs")}
    return {"ask": text, **rest} if isinstance(text, str) else None


def answer(value: Any, _: All) -> Words | None:
    if isinstance(value, str):
        return {"answer": {"answer": type_of(value)} if type_of(value) else {value: "string"}}
    if isinstance(value, list):
        return {"answer": {str(name): "string" for name in value}}
    if not isinstance(value, dict):
        return None
    fields = value["properties"] if isinstance(value.get("properties"), dict) else value
    right = {name: type_of(one) or "string" for name, one in fields.items()}
    return {"answer": right} if right != value else None


def approve(value: Any, _: All) -> Words | None:
    if isinstance(value, str):
        return {"approve": {"message": value}}
    return {"approve": {"message": "Go on?"}} if value is True else None


def level(value: Any, _: All) -> Words | None:
    right = _PEOPLE.get(str(value).lower())
    return {"level": right} if right else None


def workflow(value: Any, _: All) -> Words | None:
    if not isinstance(value, dict):
        return None
    name = value.get("name") or value.get("template") or value.get("id")
    given = next((v for k, v in value.items() if k in ("with", "inputs", "args", "input")), None)
    return {"workflow": name, **({"with": given} if given else {})} if isinstance(name, str) else None


def needs(value: Any, _: All) -> Words | None:
    if isinstance(value, str) and re.search(r"[\s,]", value.strip()):
        return {"needs": re.split(r"[\s,]+", value.strip())}
    return {"needs": list(value)} if isinstance(value, dict) else None


def unless(value: Any, _: All) -> Words | None:
    return {"if": f"!({_bare(value)})"} if isinstance(value, str) else None


def loop(value: Any, _: All) -> Words | None:
    if isinstance(value, dict) and isinstance(value.get("matrix"), dict):
        bound = {"max_parallel": value["max-parallel"]} if "max-parallel" in value else {}
        return {**(loop(value["matrix"], {}) or {}), **bound} or None
    if isinstance(value, dict) and {"until", "while"} & set(value):
        return {"repeat": value}
    if isinstance(value, dict):
        several = next((v for v in value.values() if isinstance(v, list)), None)
        named_so = next((v for k, v in value.items() if k in ("in", "items", "list", "over")), several)
        return {"foreach": named_so} if isinstance(named_so, str | list) else None
    return {"foreach": value} if isinstance(value, str | list) else None


def parallel(value: Any, _: All) -> Words | None:
    if isinstance(value, bool):
        return {}
    return {"max_parallel": value} if isinstance(value, int) else {"do": value} if isinstance(value, list) else None


def until(value: Any, _: All) -> Words | None:
    return {"repeat": {"max": 10, "until": value}} if isinstance(value, str) else None


def repeat(value: Any, _: All) -> Words | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return {"foreach": list(range(1, min(value, 100) + 1))}
    return {"repeat": {"max": 10, **value}} if isinstance(value, dict) and set(value) == {"until"} else None


def on_error(value: Any, _: All) -> Words | None:
    if value is True or str(value).lower() in ("continue", "ignore", "skip"):
        return {"continue-on-error": True}
    if value is False or str(value).lower() in ("fail", "stop", "abort"):
        return {}
    return {"on_failure": value if isinstance(value, list) else [value]} if isinstance(value, dict | list) else None


def listed(word: str) -> Callable[[Any, All], Words | None]:
    """Steps as one step, or as an object of ids and steps."""

    def turn(value: Any, _: All) -> Words | None:
        if not isinstance(value, dict):
            return None
        several = all(isinstance(one, dict) for one in value.values()) and not {"id", *_KIND} & set(value)
        return {word: [{"id": key, **one} for key, one in value.items()] if several else [value]}

    return turn


def retries(value: Any, _: All) -> Words | None:
    """Retries are one less than attempts."""
    if isinstance(value, dict):
        return {"retry": value}
    return attempts(value + 1, {}) if isinstance(value, int) and not isinstance(value, bool) else None


def attempts(value: Any, _: All) -> Words | None:
    counted = isinstance(value, int) and not isinstance(value, bool)
    return {"retry": {"max_attempts": max(1, min(20, value))}} if counted else {"retry": {}} if value is True else None


def retries_inside(value: Any, _: All) -> Words | None:
    return {"max_attempts": min(20, value + 1)} if isinstance(value, int) else None


def backoff(value: Any, _: All) -> Words | None:
    return {"backoff": 1 if value in ("fixed", "constant", "linear") else 2} if isinstance(value, str) else None


def seconds(value: Any, _: All) -> Words | None:
    return {"timeout": value}


def minutes(value: Any, _: All) -> Words | None:
    return {"timeout": f"{value}m"} if isinstance(value, int | float) else {"timeout": value}


def time(value: Any, _: All) -> Words | None:
    if not isinstance(value, str):
        return None
    found = _TIME.fullmatch(value.strip()) or _ISO.fullmatch(value.strip())
    right = f"{found[1]}{found[2].lower().replace('milli', 'ms')}" if found else value
    return {"timeout": right} if right != value.strip() else None


def arguments(value: Any, _: All) -> Words | None:
    try:
        found = json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return None
    if isinstance(found, list) and all(isinstance(one, dict) and {"name", "value"} <= set(one) for one in found):
        found = {str(one["name"]): one["value"] for one in found}
    return {"with": found} if isinstance(found, dict) and found is not value else None


# Of what stands inside of a step or an input.


def unless_until(value: Any, _: All) -> Words | None:
    return {"until": f"!({_bare(value)})"} if isinstance(value, str) else None


def required(value: Any, others: All) -> Words | None:
    """An input that may be left out has a default."""
    return {} if value is True or "default" in others else {"default": None}


def type_name(value: Any, _: All) -> Words | None:
    right = type_of(value)
    return {"type": right} if right and right != value else None


def _bare(text: str) -> str:
    return re.sub(r"^\s*\$?\{\{(.*)\}\}\s*$", r"\1", text, flags=re.DOTALL).strip()
