"""What people call the language of a file: a question for code in it seldom finds that word within the code."""

from __future__ import annotations

from typing import Final

from astro_mcp.agents.knowledge.chunks import ending

_SPOKEN: Final = {
    "python": "py pyi",
    "javascript": "js jsx mjs cjs",
    "typescript": "ts tsx",
    "golang": "go",
    "rust": "rs",
    "cpp": "cc cpp hpp cxx",
    "csharp": "cs",
    "java": "java",
    "kotlin": "kt kts",
    "scala": "scala",
    "ruby": "rb",
    "php": "php",
    "swift": "swift",
    "lua": "lua",
    "perl": "pl pm",
    "julia": "jl",
    "elixir": "ex exs",
    "erlang": "erl",
    "haskell": "hs",
    "ocaml": "ml mli",
    "clojure": "clj",
    "dart": "dart",
    "groovy": "groovy",
    "bash": "sh bash",
    "powershell": "ps1",
    "sql": "sql",
    "protobuf": "proto",
    "terraform": "tf",
}
"""Without names that are everyday words (go) or a letter (c, r)."""
_NAMES: Final = {own: name for name, endings in _SPOKEN.items() for own in endings.split()}


def language(source: str) -> str:
    """The language of the code in the file `source`; "" where it has no name of its own."""
    return _NAMES.get(ending(source), "")
