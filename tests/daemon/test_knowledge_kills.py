"""`kill -9` on the daemon while four clients index, remember and search, round after round: nothing acknowledged is
lost, no hit is wrong, no daemon ends by itself, and the index comes to equal the record.

The full form has 200 rounds in 40 parts, each with a data folder of its own; `-s` shows what each part saw.
`ASTRO_TEST_KILLS` sets the rounds of a part.
"""

from __future__ import annotations

import json
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
    """A host that works until it is told to end; that nobody answers before is a crash."""

    def __init__(self, at: Home, name: str, chance: random.Random) -> None:
        super().__init__(daemon=True)
        self.at = at
        self.name = name
        self.chance = chance
        self.begun: dict[str, list[str]] = {}
        """source → every text that was handed over, the first one first; of notes by "", since ids are given later."""
        self.acknowledged: dict[str, str] = {}
        """source → the text that was acknowledged last."""
        self.wrong: list[Any] = []
        self.hits: list[dict[str, Any]] = []
        self.ended = threading.Event()

    def run(self) -> None:
        with suppress(BrokenPipeError, ConnectionError):
            host = self.at.host()
            if host.begin() is not None:
                self.work(host)
        if not self.ended.is_set():
            self.wrong.append("nobody answers")

    def work(self, host: Host) -> None:
        """One thing after the other, until nobody answers any more."""
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

    def work(self, host: Host) -> None:
        number = 0
        while not self.ended.is_set():
            number += 1
            source = f"{self.name}/module_{self.chance.randrange(FILES)}.py"
            text = "".join(
                f"def task_{part}():\n    return '{self.name} {number} {self.chance.random()} {'word ' * 40}'\n\n\n"
                for part in range(3)
            )
            self.begun.setdefault(source, []).append(text)
            (self.at.project / source).parent.mkdir(exist_ok=True)
            (self.at.project / source).write_text(text)
            found = self.ask(host, "kb_index", {"collection": self.name, "paths": [self.name]})
            if found is None:
                return
            self.acknowledged[source] = text


class Searcher(Client):
    """Remembers a note, asks for one that it was told of by its words, and for code by what it means."""

    def work(self, host: Host) -> None:
        while not self.ended.is_set():
            token = f"token{self.chance.randrange(10**9)}"
            text = f"The {token} is kept by {self.name}."
            self.begun.setdefault("", []).append(text)
            noted = self.ask(host, "kb_remember", {"title": token, "text": text})
            if noted is None:
                return
            self.acknowledged[noted["id"]] = text
            wanted = self.chance.choice(list(self.acknowledged))
            sought = self.acknowledged[wanted].split()[1]
            found = self.ask(host, "kb_search", {"query": sought, "k": 10})
            meant = self.ask(host, "kb_search", {"query": "functions that give back a text", "k": 10})
            if found is None or meant is None:
                return
            self.hits += [*found["items"], *meant["items"]]
            if not found["items"] or found["items"][0]["text"] != self.acknowledged[wanted]:
                self.wrong.append((sought, found))


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


def holds(at: Home, begun: dict[str, list[str]], acknowledged: dict[str, str]) -> None:
    """Every document is whole, and not older than what was acknowledged; every one that was acknowledged is there, and
    is found by its words."""
    assert rows(at, "PRAGMA integrity_check") == [("ok",)]
    (words,) = rows(
        at, "SELECT name FROM sqlite_master WHERE sql LIKE '%USING fts5%' AND name LIKE 'knowledge_words_%'"
    )
    assert rows(at, f"SELECT rowid FROM {words[0]} ORDER BY rowid") == rows(
        at, "SELECT id FROM knowledge_chunk ORDER BY id"
    )
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
        if chunks[0][0] == "note":
            assert whole in begun[""]
            assert acknowledged.get(source, whole) == whole, source
        else:
            handed = begun[source]
            since = handed.index(acknowledged[source]) if source in acknowledged else 0
            assert whole in {text.strip() for text in handed[since:]}, source


def sound(hits: list[dict[str, Any]], begun: dict[str, list[str]]) -> None:
    """Every hit is a passage of its source, as it once was handed over."""
    for hit in hits:
        texts = begun.get(hit["source"], begun[""])
        assert any(hit["text"].strip() in text for text in texts), hit


def rounds(at: Home, count: int, seed: int) -> None:
    chance = random.Random(seed)
    begun: dict[str, list[str]] = {"": []}
    acknowledged: dict[str, str] = {}
    hits = of_code = 0
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
            for source, texts in client.begun.items():
                begun.setdefault(source, []).extend(texts)
        holds(at, begun, acknowledged)
        for client in clients:
            sound(client.hits, begun)
            hits += len(client.hits)
            of_code += sum(hit["source"] in begun for hit in client.hits)
    recovered(at, acknowledged)
    same = same_as_record(at.folder)
    print(f"\n{count} kills: {len(acknowledged)} acknowledged, {hits} hits, {of_code} of them code; ", end="")
    print(f"{same} vectors in record and index")


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
    seal = json.loads((at.folder / "knowledge" / "index.seal.json").read_text())
    assert "files" in seal, "sealed by a clean end"


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
