"""The languages of `code_run`: what the pack's manifests say, by name and alias."""

from __future__ import annotations

from collections.abc import Iterable

from astro_mcp.agents.code.model import CodeInput
from astro_mcp.errors import InvalidInput, Problem, Unsupported
from astro_mcp.nearest import nearest
from astro_mcp.packs import Language


class Languages:
    """Case and blanks around a name aside. Raises `InvalidInput` where two manifests claim one name."""

    def __init__(self, manifests: Iterable[Language]) -> None:
        self._by_name: dict[str, Language] = {}
        self._names: list[str] = []
        for language in manifests:
            self._names.append(language.name)
            for name in (language.name, *language.aliases):
                if name in self._by_name:
                    raise InvalidInput(
                        f"{language.name} and {self._by_name[name].name} are both called {name}",
                        "take the name out of one of the manifests below tools/languages/",
                    )
                self._by_name[name] = language

    def named(self, name: str) -> Language:
        """Raises `InvalidInput` where there is none, with the nearest name and all others."""
        wanted = name.strip().lower()
        if wanted in self._by_name:
            return self._by_name[wanted]
        near = nearest(wanted, list(self._by_name)) or ""
        reason = f"there is no language {name[:40]!r}"
        told = f"did you mean {near}? " if near else ""
        problem = Problem("language", reason, near)
        raise InvalidInput(reason, f"{told}there are: {', '.join(self._names)}", problems=(problem,))

    def of(self, args: CodeInput) -> Language:
        """The language that `args` name. Raises what `named` does, and `Unsupported` where they ask it for what it has
        not: packages, or what Python alone has."""
        found = self.named(args.language)
        if (args.packages or args.project) and not found.packages:
            some = [name for name in self._names if self._by_name[name].packages]
            told = f", but for {', '.join(some)}" if some else ""
            raise Unsupported(f"no packages are installed for {found.name}{told}", "leave packages and project out")
        if not found.script:
            _refuse(args, found.name)
        return found


def _refuse(args: CodeInput, name: str) -> None:
    if args.session:
        raise Unsupported(f"sessions are Python's alone: {name} has no interpreter to keep", "leave session out")
    if args.input is not None:
        raise Unsupported(f"{name} gets no parsed input", "pass the text as stdin, and read standard input")
