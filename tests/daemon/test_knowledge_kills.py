"""`kill -9` on the daemon while four clients index, remember and search, round after round: nothing acknowledged is
lost, no hit is wrong, and the index comes to equal the record.

The full form has 200 rounds in 40 parts, each with a data folder of its own; `-s` shows what each part saw.
`ASTRO_TEST_KILLS` sets the rounds of a part.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import threading
import time
from contextlib import closing, suppress
from typing import Any

import pytest
from tests.agents.knowledge.sameness import same_as_record

from .home import PATIENCE, Home, Host, alive, until

FEW, MANY, PARTS = 3, 5, 40
FILES = 4
"""Of an indexing client, each of three chunks."""


class Client(threading.Thread):
    """A host that works until it is told to end, and starts anew where nobody answers."""

    def __init__(self, at: Home, name: str, chance: random.Random) -> None:
        super().__init__(daemon=True)
        self.at = at
        self.name = name
        self.chance = chance
        self.begun: dict[str, set[str]] = {}
        """source → the texts that it may have: every one that was ever handed over."""
        self.acknowledged: dict[str, str] = {}
        """source → the text that was acknowledged last."""
        self.wrong: list[Any] = []
        self.hits = 0
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.is_set():
            with suppress(BrokenPipeError, ConnectionError):
                host = self.at.host()
                while host.begin() is not None and not self.ended.is_set() and self.work(host):
                    pass

    def work(self, host: Host) -> bool:
        """One thing after the other; false where nobody answers any more."""
        raise NotImplementedError

    def ask(self, host: Host, tool: str, arguments: dict[str, Any]) -> dict[str, Any] | None:
        answer = host.ask("tools/call", {"name": tool, "arguments": arguments})
        if answer is None:
            return None
        if "result" not in answer or answer["result"]["isError"]:
            self.wrong.append(answer)
            return None
        body: dict[str, Any] = answer["result"]["structuredContent"]
        return body


class Indexer(Client):
    """Changes a file of its own folder, and indexes the folder."""

    def work(self, host: Host) -> bool:
        for number in range(1_000_000):
            if self.ended.is_set():
                return False
            source = f"{self.name}/module_{self.chance.randrange(FILES)}.py"
            text = "".join(
                f"def task_{part}():\n    return '{self.name} {number} {self.chance.random()} {'word ' * 40}'\n\n\n"
                for part in range(3)
            )
            self.begun.setdefault(source, set()).add(text)
            (self.at.project / source).parent.mkdir(exist_ok=True)
            (self.at.project / source).write_text(text)
            found = self.ask(host, "kb_index", {"collection": self.name, "paths": [self.name]})
            if found is None:
                return False
            self.acknowledged[source] = text
        return True


class Searcher(Client):
    """Remembers a note, and asks for one that it was told of."""

    def work(self, host: Host) -> bool:
        while not self.ended.is_set():
            token = f"token{self.chance.randrange(10**9)}"
            text = f"The {token} is kept by {self.name}."
            self.begun.setdefault("", set()).add(text)
            noted = self.ask(host, "kb_remember", {"title": token, "text": text})
            if noted is None:
                return False
            self.acknowledged[noted["id"]] = text
            wanted = self.chance.choice(list(self.acknowledged))
            sought = self.acknowledged[wanted].split()[1]
            found = self.ask(host, "kb_search", {"query": sought, "k": 10})
            if found is None:
                return False
            self.hits += len(found["items"])
            if not found["items"] or found["items"][0]["text"] != self.acknowledged[wanted]:
                self.wrong.append((sought, found))
        return False


def rows(at: Home, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(at.folder / "astro.db", timeout=10)) as database:
        return database.execute(sql).fetchall()


def one_round(at: Home, clients: list[Client], chance: random.Random) -> None:
    """Load, a kill, and a look at the record that it left."""
    said = sum(len(client.acknowledged) for client in clients)
    for client in clients:
        client.start()
    until(lambda: sum(len(client.acknowledged) for client in clients) > said)
    time.sleep(chance.uniform(0.0, 2.0))
    pid = at.pid
    for client in clients:
        client.ended.set()
    os.kill(pid, signal.SIGKILL)
    until(lambda: not alive(pid))
    for client in clients:
        client.join(PATIENCE)
        assert not client.is_alive()
        assert not client.wrong, client.wrong[:1]
    at.end_hosts()


def holds(at: Home, begun: dict[str, set[str]], acknowledged: dict[str, str]) -> None:
    """Every document is whole and one that was handed over; every one that was acknowledged is there."""
    kept: dict[str, list[tuple[str, str]]] = {}
    for kind, source, document, text in rows(
        at,
        "SELECT d.kind, d.source, d.id, c.text FROM knowledge_document d JOIN knowledge_chunk c ON c.document = d.id"
        " ORDER BY d.id, c.ordinal",
    ):
        kept.setdefault(document if kind == "note" else source, []).append((kind, text))
    assert acknowledged.keys() <= kept.keys(), "an acknowledged row is never lost"
    for source, chunks in kept.items():
        whole = "\n\n\n".join(text for _, text in chunks).strip()
        allowed = begun[""] if chunks[0][0] == "note" else begun[source]
        assert whole in {text.strip() for text in allowed}, source


def rounds(at: Home, count: int, seed: int) -> None:
    chance = random.Random(seed)
    begun: dict[str, set[str]] = {"": set()}
    acknowledged: dict[str, str] = {}
    hits = 0
    for number in range(count):
        lots = [random.Random(f"{seed} {number} {client}") for client in range(4)]
        clients: list[Client] = [
            *(Indexer(at, f"work{client}", lots[client]) for client in (0, 1)),
            *(Searcher(at, f"desk{client}", lots[client]) for client in (2, 3)),
        ]
        for client in clients[2:]:
            client.acknowledged |= {key: text for key, text in acknowledged.items() if key.startswith("note")}
        one_round(at, clients, chance)
        for client in clients:
            acknowledged |= client.acknowledged
            hits += client.hits
            for source, texts in client.begun.items():
                begun.setdefault(source, set()).update(texts)
        holds(at, begun, acknowledged)
    recovered(at, acknowledged)
    same = same_as_record(at.folder)
    print(f"\n{count} kills: {len(acknowledged)} acknowledged, {hits} hits, {same} vectors in record and index")


def recovered(at: Home, acknowledged: dict[str, str]) -> None:
    """Until the index has caught up; then every note is found first by its words, and the daemon ends cleanly."""
    host = at.host()
    host.begin()
    for folder in ("work0", "work1"):
        host.call("kb_index", {"collection": folder, "paths": [folder]})

    def caught_up() -> bool:
        said = host.call("kb_search", {"query": "anything"})["structuredContent"]
        return not said.get("notice") and not rows(at, "SELECT 1 FROM knowledge_gone LIMIT 1")

    until(caught_up)
    for text in [text for key, text in acknowledged.items() if key.startswith("note")][:50]:
        said = host.call("kb_search", {"query": text.split()[1]})["structuredContent"]
        assert said["items"][0]["text"] == text
    pid = at.pid
    host.end()
    os.kill(pid, signal.SIGTERM)
    until(lambda: not alive(pid))
    assert (at.folder / "knowledge" / "index.seal.json").exists()


@pytest.fixture
def at(at: Home) -> Home:
    at.environment["ASTRO_MCP_SANDBOX__ENGINE"] = "none"
    return at


@pytest.mark.full
def test_knowledge_outlives_some_kills_of_the_daemon(at: Home) -> None:
    rounds(at, int(os.environ.get("ASTRO_TEST_KILLS", FEW)), 1)


@pytest.mark.full
@pytest.mark.parametrize("part", range(PARTS))
def test_knowledge_outlives_200_kills_of_the_daemon(at: Home, part: int) -> None:
    rounds(at, int(os.environ.get("ASTRO_TEST_KILLS", MANY)), part)
