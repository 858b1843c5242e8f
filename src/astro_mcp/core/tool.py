"""What a tool is: an async method with a model in and a model out, and a declaration of what it does to the world."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Awaitable, Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from astro_mcp.core.authority import HARMLESS, Effect, Label
from astro_mcp.core.bounds import small
from astro_mcp.core.call import Context
from astro_mcp.core.flow import Leaving
from astro_mcp.core.model import Input, Output
from astro_mcp.errors import InvalidInput, Problem
from astro_mcp.nearest import nearest

Method = Callable[[Any, Any, Context], Awaitable[Output]]
_SCALARS: Final = (int, float, type(None))
PROBLEMS: Final = 20
"""Problems that one refusal tells, and unknown arguments that are looked at one by one."""
Leaves = Callable[[Any], Iterable[Leaving]]
NAME: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)+\Z")


@dataclass(frozen=True, slots=True)
class Declaration:
    """What `@tool` hangs on a method: a tool that has no agent yet.

    effects      the most that a call can do; `effects_of` may tell less from the arguments, but never less than `least`
    idempotent   a second call with the same arguments changes nothing more
    pure         the same arguments give the same result
    on_copy      works on a copy (the sandbox): after a crash it may run again
    takes_key    finds what a call with its idempotency key did in this data folder, and does it once: after a crash it
                 may be asked again
    timeout      seconds, the longest a call may take
    labels       what every result of it carries
    needs_root   answers `no_root` in a session without a workspace
    frees        tells from the arguments that a call only ends others, and so waits for no place beside them
    leaves       tells from the arguments what leaves this machine; `later` where the tool itself says so, by
                 `Context.let_out`, and `nothing` where nothing does
    gives        URLs of a result that its reader may fetch
    details      documentation and examples beyond the description, for `astro://tools/{name}`
    """

    name: str
    title: str
    description: str
    details: str
    input: type[Input]
    output: type[Output]
    effects: frozenset[Effect]
    effects_of: Callable[[Any], frozenset[Effect]] | None
    least: frozenset[Effect]
    idempotent: bool
    pure: bool
    on_copy: bool
    takes_key: bool
    timeout: float
    labels: frozenset[Label]
    needs_root: bool
    frees: Callable[[Any], bool] | None
    leaves: Leaves | None
    gives: Callable[[Any], Iterable[str]] | None
    method: Method


@dataclass(frozen=True, slots=True)
class Tool:
    """A declaration bound to the agent that carries it out. `always` is what every call of the agent does, whatever its
    arguments are."""

    agent: str
    declaration: Declaration
    run: Callable[[Any, Context], Awaitable[Output]]
    always: frozenset[Effect] = frozenset()

    @property
    def name(self) -> str:
        return self.declaration.name

    @property
    def read_only(self) -> bool:
        return self.declaration.effects <= HARMLESS

    @property
    def repeatable(self) -> bool:
        """Whether a step that was in flight at a crash may simply run again: not what may have reached somebody."""
        d = self.declaration
        return self.read_only or d.idempotent or (d.on_copy and Effect.NETWORK not in self.always)

    @property
    def repeatable_here(self) -> bool:
        """The same where it is asked again over the same data folder, with the same idempotency key."""
        return self.repeatable or (self.declaration.takes_key and Effect.NETWORK not in self.always)

    def parse(self, arguments: Any, *, little: bool = False) -> Input:
        """The arguments as the tool's model; raises `InvalidInput` with the problems and their corrections. `little`
        says that they are known to be `small`."""
        model = self.declaration.input
        if len(arguments) > PROBLEMS and len(arguments) > len(model.model_fields) + PROBLEMS:
            raise InvalidInput(f"{self.name} takes {len(model.model_fields)} arguments; {len(arguments)} were given")
        if not (little or small(arguments)) and not _whole_text(arguments):
            raise InvalidInput(f"{self.name} was given text with half a character in it (a lone surrogate)")
        try:
            return model.model_validate(arguments)
        except ValidationError as error:
            raise invalid_input(error, self.declaration.input, self.name) from None

    def frees(self, arguments: Input) -> bool:
        """Whether this very call only ends others."""
        return self.declaration.frees is not None and self.declaration.frees(arguments)

    def effects(self, arguments: Input) -> frozenset[Effect]:
        """What this very call does: never more than is declared."""
        declared = self.declaration.effects
        computed = self.declaration.effects_of
        return declared if computed is None else (computed(arguments) | self.always) & declared


def later(args: Any) -> Iterable[Leaving]:
    """For `leaves`: what leaves is known within the call, and passes `Context.let_out` before it does."""
    return ()


def nothing(args: Any) -> Iterable[Leaving]:
    """For `leaves`: nothing leaves by the call itself."""
    return ()


def _whole_text(arguments: Any) -> bool:
    """Whether all text can be written as UTF-8: no file name, pipe or database takes what can't."""
    waiting = [arguments]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            try:
                value.isascii() or value.encode()
            except UnicodeEncodeError:
                return False
        elif isinstance(value, _SCALARS):  # before what a look into the ABCs would cost
            continue
        elif isinstance(value, Mapping):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple):
            waiting += value
    return True


def invalid_input(error: ValidationError, model: type[Input], what: str) -> InvalidInput:
    """A pydantic failure as our own error: at most 20 problems, near names for unknown arguments, no echo of values."""
    problems = []
    names = [field.alias or name for name, field in model.model_fields.items()]
    for item in error.errors(include_input=False, include_url=False)[:PROBLEMS]:
        path = ".".join(str(part) for part in item["loc"])[:100] or "arguments"
        suggestion = ""
        if item["type"] == "extra_forbidden":
            suggestion = nearest(str(item["loc"][-1]), names) or ""
            reason = "unknown argument"
        else:
            reason = item["msg"]
        problems.append(Problem(path, reason, suggestion))
    first = problems[0]
    more = error.error_count() - len(problems)
    hint = f"{what} takes: {', '.join(names)}" + (f" ({more} more problems)" if more > 0 else "")
    return InvalidInput(f"{first.path}: {first.reason}", hint, problems=tuple(problems))


def tool(
    *,
    title: str,
    effects: set[Effect],
    effects_of: Callable[[Any], frozenset[Effect]] | None = None,
    least: Set[Effect] = frozenset(),
    idempotent: bool = False,
    pure: bool = False,
    on_copy: bool = False,
    takes_key: bool = False,
    timeout: float = 60.0,
    labels: set[Label] | None = None,
    needs_root: bool = False,
    frees: Callable[[Any], bool] | None = None,
    leaves: Leaves | None = None,
    gives: Callable[[Any], Iterable[str]] | None = None,
) -> Callable[[Callable[..., Awaitable[Output]]], Callable[..., Awaitable[Output]]]:
    """Declare the async method `name(self, args: SomeInput, ctx: Context) -> SomeOutput` to be a tool.

    The docstring's first paragraph is what hosts read (when to use it, under 400 characters); the rest is the tool's
    documentation. Raises TypeError at import where the declaration is not whole.
    """

    def declare(method: Callable[..., Awaitable[Output]]) -> Callable[..., Awaitable[Output]]:
        hints = typing.get_type_hints(method)
        parameters = list(inspect.signature(method).parameters)
        description, _, details = inspect.cleandoc(method.__doc__ or "").partition("\n\n")
        name = method.__name__
        description = " ".join(description.split())
        if not NAME.match(name) or len(name) >= 40:
            raise TypeError(f"{name}: a tool's name is snake_case with a domain prefix, under 40 characters")
        if not description or len(description) > 400:
            raise TypeError(f"{name}: the description is missing or over 400 characters")
        if len(parameters) != 3 or not inspect.iscoroutinefunction(method):
            raise TypeError(f"{name}: a tool is an async method of (self, args, ctx)")
        if (Effect.NETWORK in effects) != (leaves is not None):
            raise TypeError(
                f"{name}: a tool with the effect network says what leaves, and no other does (see core.flow)"
            )
        declaration = Declaration(
            name=name,
            title=title,
            description=description,
            details=details,
            input=hints[parameters[1]],
            output=hints["return"],
            effects=frozenset(effects),
            effects_of=effects_of,
            least=frozenset(least if effects_of else effects),
            idempotent=idempotent,
            pure=pure,
            on_copy=on_copy,
            takes_key=takes_key,
            timeout=timeout,
            labels=frozenset(labels or ()),
            needs_root=needs_root,
            frees=frees,
            leaves=leaves,
            gives=gives,
            method=method,
        )
        setattr(method, "__tool__", declaration)  # noqa: B010 - a function has no such attribute for the type checker
        return method

    return declare
