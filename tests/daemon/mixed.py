"""Hosts that call everything at once on a few files, and write down what they were told."""

from __future__ import annotations

import hashlib
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from .chains import NEVER, NOTHING, Step
from .home import Home, Host

PATHS = ("a.txt", *(f"{folder}{name}.txt" for folder in ("", "sub/") for name in "bcdefgh"))
CALLS = ("read", "read", "write", "write", "edit", "move", "delete", "create", "undo", "list", "search", "commit")
Moves = tuple[tuple[str, str, str], ...]
"""What a change does: path, digest before, digest after."""


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class World:
    """What all hosts know together."""

    contents: dict[str, str] = field(default_factory=dict)
    latest: dict[str, str] = field(default_factory=lambda: dict.fromkeys(PATHS, NOTHING))
    steps: dict[str, list[Step]] = field(default_factory=lambda: {path: [] for path in PATHS})
    undoable: dict[str, Moves] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    strange: list[Any] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def text(self) -> str:
        """A content that nobody has written yet: long, so that half of it would be seen."""
        name = uuid.uuid4().hex
        return self.keep(f"id {name}\n" + f"body {name}\n" * 300)

    def keep(self, text: str) -> str:
        self.contents[digest(text)] = text
        return text

    def note(self, moves: Moves, began: float, ended: float, *, sure: bool = True) -> None:
        for path, before, after in moves:
            self.steps[path].append(Step(before, after, began, ended, sure))
            if sure:
                self.latest[path] = after


@dataclass(frozen=True)
class Asked:
    """A call on its way, and what it does if it succeeds."""

    kind: str
    path: str
    moves: Moves
    began: float


class Caller(threading.Thread):
    """A host that makes `total` calls, `at_once` of them on their way at any time, or until nobody answers."""

    def __init__(self, at: Home, world: World, at_once: int, total: int, seed: int) -> None:
        super().__init__(daemon=True)
        self._at = at
        self._world = world
        self._at_once = at_once
        self._total = total
        self._chance = random.Random(seed)
        self._waiting: dict[int, Asked] = {}
        self.broken: BaseException | None = None

    def run(self) -> None:
        try:
            host = self._at.host()
            if host.begin() is not None:
                self._talk(host)
        except BaseException as error:  # noqa: BLE001 - seen by the test, which joins this thread
            self.broken = error

    def _talk(self, host: Host) -> None:
        with suppress(BrokenPipeError, ConnectionError):
            for number in range(1, self._total + 1):
                tool, arguments, self._waiting[number] = self._choose()
                host.start(tool, arguments, number)
                if len(self._waiting) >= self._at_once and not self._hear(host):
                    break
            while self._waiting and self._hear(host):
                pass
        with self._world.lock:
            for asked in self._waiting.values():  # done or not; and what a crash interrupted is taken back
                back = tuple((path, after, before) for path, before, after in asked.moves)
                for moves in (asked.moves, back):
                    self._world.note(moves, asked.began, NEVER, sure=False)

    def _hear(self, host: Host) -> bool:
        """Take one answer; false where none comes any more."""
        answer = host.answer()
        while answer is not None and "id" not in answer:
            answer = host.answer()
        if answer is None:
            return False
        self._take(self._waiting.pop(answer["id"]), answer["result"])
        return True

    def _choose(self) -> tuple[str, dict[str, Any], Asked]:
        world, kind, path = self._world, self._chance.choice(CALLS), self._chance.choice(PATHS)
        with world.lock:
            seen = world.latest[path]
            if kind in ("write", "edit", "move", "delete") and seen == NOTHING:
                kind = "create"
            if kind == "undo" and not world.undoable:
                kind = "read"
            tool, arguments, moves = self._call(kind, path, seen)
        return tool, arguments, Asked(kind, path, moves, time.monotonic())

    def _call(self, kind: str, path: str, seen: str) -> tuple[str, dict[str, Any], Moves]:
        world = self._world
        if kind == "write":
            text = world.text()
            return "fs_write", {"path": path, "if_match": seen, "content": text}, ((path, seen, digest(text)),)
        if kind == "create":
            text = world.text()
            given = {"path": path, "create_only": True, "content": text}
            return "fs_write", given, ((path, NOTHING, digest(text)),)
        if kind == "edit":
            old, new = world.contents[seen].split("\n", 1)[0], f"id {uuid.uuid4().hex}"
            after = digest(world.keep(world.contents[seen].replace(old, new)))
            return (
                "fs_edit",
                {"if_match": seen, "edits": [{"path": path, "old": old, "new": new}]},
                ((path, seen, after),),
            )
        if kind == "move":
            to = self._chance.choice([other for other in PATHS if other != path])
            moves = ((path, seen, NOTHING), (to, NOTHING, seen))
            return "fs_move", {"path": path, "to": to, "if_match": seen}, moves
        if kind == "delete":
            return "fs_delete", {"path": path, "if_match": seen}, ((path, seen, NOTHING),)
        if kind == "undo":
            undo_id = self._chance.choice(list(world.undoable))
            back = tuple((path, after, before) for path, before, after in world.undoable[undo_id])
            return "fs_undo", {"undo_id": undo_id}, back
        others: dict[str, tuple[str, dict[str, Any]]] = {
            "read": ("fs_read", {"path": path}),
            "list": ("fs_list", {"path": "."}),
            "search": ("fs_search", {"pattern": "id ", "path": "."}),
            "commit": ("git_commit", {"paths": [path], "message": "one of many"}),
        }
        return *others[kind], ()

    def _take(self, asked: Asked, result: dict[str, Any]) -> None:
        ended, body, world = time.monotonic(), result["structuredContent"], self._world
        with world.lock:
            if result["isError"]:
                code = body["error"]["code"]
                world.outcomes[f"{asked.kind} {code}"] += 1
                if code not in ("conflict", "not_found", "busy", "rate_limited", "invalid_input"):
                    world.strange.append((asked.kind, body))
                if asked.kind == "read" and code == "not_found":
                    world.note(((asked.path, NOTHING, NOTHING),), asked.began, ended)
                return
            world.outcomes[f"{asked.kind} ok"] += 1
            world.note(asked.moves, asked.began, ended)
            if body.get("undo_id"):
                world.undoable[body["undo_id"]] = asked.moves
            if asked.kind == "read":
                world.note(((asked.path, body["sha256"], body["sha256"]),), asked.began, ended)
                if body["text"] != world.contents.get(body["sha256"]):
                    world.strange.append(("torn read", body["path"], body["text"][:80], len(body["text"])))
            elif asked.kind in ("list", "search"):
                self._check_seen(asked.kind, body["items"])

    def _check_seen(self, kind: str, items: Iterable[dict[str, Any]]) -> None:
        for item in items:
            if item["path"] not in (*PATHS, "sub") or (kind == "search" and len(item["text"]) != len("id ") + 32):
                self._world.strange.append((kind, item))


class Onlooker(threading.Thread):
    """Somebody else who reads the files all the time, past the server: an editor, a build."""

    def __init__(self, at: Home, world: World) -> None:
        super().__init__(daemon=True)
        self._at = at
        self._world = world
        self.over = threading.Event()
        self.whole = 0

    def run(self) -> None:
        while not self.over.wait(0.001):
            for path in PATHS:
                with suppress(FileNotFoundError):
                    sha256 = hashlib.sha256((self._at.project / path).read_bytes()).hexdigest()
                    if sha256 in self._world.contents:
                        self.whole += 1
                    else:
                        self._world.strange.append(("torn file", path))
