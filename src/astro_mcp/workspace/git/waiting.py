"""Git processes that wait: one answers many questions about objects, where a process each would cost more than they do.

A question is lines of text, and a last line that no one can guess: git says it back when the answer is over. So an
answer ends where git ended it, whatever a repository holds.
"""

from __future__ import annotations

import secrets
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import anyio

from astro_mcp.workspace.git.child import OUTPUT, SECONDS, Child, Ran, too_slow
from astro_mcp.workspace.git.patches import OPTIONS

AGE: Final = 60.0
"""Seconds after which a process is replaced: it has read attributes of the working tree once, at its first need."""
SOON: Final = 0.05
"""Seconds within which most answers are there: until then nobody listens to what git says of errors."""
SPARE: Final = 2
"""Processes of one kind that wait in one repository."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a process is asked: git's arguments, and what git adds to a line that names no object."""

    arguments: tuple[str, ...]
    echo: bytes


_DIFF: Final = ("diff-tree", "--stdin", "-r", *OPTIONS, "-z")
CHECK: Final = Kind(("cat-file", "--batch-check"), b" missing\n")
"""A line is the name of an object; the answer is `sha kind size`, or `name missing`."""
CONTENTS: Final = Kind(("cat-file", "--batch"), b" missing\n")
"""The same, and the object's bytes and a line feed after that line."""
COUNTS: Final = Kind((*_DIFF, "--raw", "--numstat"), b"\n")
"""A line is two trees; the answer is that line again, and `git diff --raw --numstat -z` of them."""
PATCHES: Final = Kind((*_DIFF, "--raw", "--patch"), b"\n")
"""The same without the counts, then a NUL and the patch, where there are any."""
LOGGED: Final = Kind(
    (
        *("diff-tree", "--stdin", "-r", *OPTIONS, "--root", "--always", "--diff-merges=first-parent", "--shortstat"),
        "--format=%H%x00%P%x00%T%x00%aN%x00%aI%x00%s%x00",
    ),
    b"\n",
)
"""A line is a commit; the answer is its facts, each ended by a NUL, and the size of its change. Of what is no commit
nothing is said. Names are those of `.mailmap`, as everywhere in git."""
TOLD: Final = Kind(
    (
        *(*_DIFF, "--raw", "--patch", "--root", "--always", "--cc", "--combined-all-paths"),
        "--format=%P%x00%aN <%aE>%x00%aI%x00%B%x00",
    ),
    b"\n",
)
"""A line is a commit; the answer is its parents, author, date and message, each ended by a NUL, one NUL more, and what
`PATCHES` says of it and its parent; of a merge the same in git's combined form."""


class Follower(Protocol):
    """Looks at an answer while git still says it."""

    def begin(self) -> None:
        """A git is asked: what came of one before is void."""

    async def more(self, said: bytearray) -> None:
        """The answer so far, which is not over, and may end within git's last line. It grows once this returned, and
        git goes on beside it; where it was cancelled it is told again, with more."""


class Waiting:
    """One process, that one caller talks to at a time. After anything that was raised it can only be ended."""

    def __init__(self, child: Child, echo: bytes) -> None:
        self._child = child
        self._echo = echo
        self.began = self.used = time.monotonic()

    async def ask(self, lines: Sequence[str], limit: int, seconds: float, follower: Follower | None = None) -> Ran:
        """The answer to `lines`, of which none holds a line feed. A process that says more than `limit` bytes is
        ended, and one that ended by itself tells its exit code. Raises `TimedOut`."""
        if follower is not None:
            follower.begin()
        mark = f"zz{secrets.token_hex(12)}"
        request = "\n".join([*lines, mark, ""]).encode("utf-8", "surrogateescape")
        end = mark.encode() + self._echo
        try:
            with anyio.fail_after(seconds):
                ran = await self._exchange(request, end, limit, follower)
        except TimeoutError:
            raise too_slow(seconds) from None
        self.used = time.monotonic()
        return ran

    async def close(self) -> None:
        await self._child.close()

    async def _exchange(self, request: bytes, end: bytes, limit: int, follower: Follower | None) -> Ran:
        said, errors = bytearray(), bytearray()
        left = self._child.offer(memoryview(request))
        over, code = False, 0
        if not left:
            with anyio.move_on_after(SOON):
                over = await self._hear(said, end, limit, follower)
        if not over:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._child.errors, errors)
                tasks.start_soon(self._child.send, left)
                over = await self._hear(said, end, limit, follower)
                if over:
                    tasks.cancel_scope.cancel()
                else:
                    code = await self._child.wait() or 128
        if len(said) > limit + len(end):
            return Ran(0, bytes(memoryview(said)[:limit]), "", cut=True)
        if over:
            return Ran(0, bytes(memoryview(said)[: -len(end)]), "")
        return Ran(code, bytes(said), errors.decode("utf-8", "replace"))

    async def _hear(self, said: bytearray, end: bytes, limit: int, follower: Follower | None) -> bool:
        """Until the answer is over, or too long; False where the process ended before."""
        while not said.endswith(end) and len(said) <= limit + len(end):
            if follower is not None:
                await follower.more(said)
            chunk = await self._child.receive()
            if not chunk:
                return False
            said += chunk
        return True


class Pool:
    """The processes of one private GIT_DIR; `start` makes one. `close` ends all of them."""

    def __init__(self, start: Callable[[Kind], Awaitable[Child]]) -> None:
        self._start = start
        self._idle: defaultdict[Kind, list[Waiting]] = defaultdict(list)
        self._closed = False

    async def ask(
        self,
        kind: Kind,
        lines: Sequence[str],
        limit: int = OUTPUT,
        seconds: float = SECONDS,
        follower: Follower | None = None,
    ) -> Ran:
        """The answer of a process of that kind: of one that waits, else of a new one. One that waited and then ended
        without an answer is no answer: its end may have been another's doing, and a new one is asked."""
        while self._idle[kind]:
            ran = await self._ask(kind, self._idle[kind].pop(), lines, limit, seconds, follower)
            if not ran.code:
                return ran
        return await self._ask(kind, Waiting(await self._start(kind), kind.echo), lines, limit, seconds, follower)

    async def _ask(
        self, kind: Kind, one: Waiting, lines: Sequence[str], limit: int, seconds: float, follower: Follower | None
    ) -> Ran:
        reusable = False
        try:
            ran = await one.ask(lines, limit, seconds, follower)
            reusable = ran.code == 0 and not ran.cut and not self._closed
            reusable = reusable and len(self._idle[kind]) < SPARE and one.used - one.began < AGE
        finally:
            if reusable:
                self._idle[kind].append(one)
            else:
                await one.close()
        return ran

    async def end_since(self, moment: float) -> None:
        """End those that were asked nothing after `moment` (of `time.monotonic`)."""
        for kind, idle in list(self._idle.items()):
            self._idle[kind] = [one for one in idle if one.used > moment]
            for one in idle:
                if one.used <= moment:
                    await one.close()

    async def close(self) -> None:
        self._closed = True
        with anyio.CancelScope(shield=True):
            await self.end_since(time.monotonic() + 1)
