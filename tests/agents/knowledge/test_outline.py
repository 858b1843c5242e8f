"""Code is cut by the definitions that its grammar knows, in a child that no file can hurt for long."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from astro_mcp.agents.knowledge import sources
from astro_mcp.agents.knowledge.chunks import Chunk, document_chunks, ending
from astro_mcp.agents.knowledge.outline import grammars, parser
from astro_mcp.agents.knowledge.outline.parser import Outline, Parser
from astro_mcp.agents.knowledge.outline.protocol import ASKED
from astro_mcp.agents.knowledge.passages import CHARACTERS, OVERLAP

BODY = "\n".join(f"        step{number}(value, {number});" for number in range(14))
JAVA = (
    "package a;\n\n/** Sends. */\npublic class Sender {\n    private int tries;\n"
    + "".join(
        f"\n    // Part {number}.\n    @Override\n    public void send{number}(int value) {{\n{BODY}\n    }}\n"
        for number in range(4)
    )
    + "}\n"
)
CALLS = "".join(f"    step{number}(value, {number});\n" for number in range(12))
LANGUAGES = {
    "a.c": ("/* Ends it. */\nstatic int\nclose_it(int value)\n{\n" + CALLS + "}\n", "close_it(int value)"),
    "a.cpp": ("template <class T>\nclass Held {\n" + CALLS.replace("step", "void step") + "};\n", "class Held"),
    "a.cs": (
        "class A {\n  public int Sum(int value) {\n" + CALLS + CALLS * 3 + "  }\n}\n",
        "class A > public int Sum(int value)",
    ),
    "a.go": ("// Run runs.\nfunc (c *Context) Run() {\n" + CALLS + "}\n", "func (c *Context) Run()"),
    "a.js": ("module.exports.run = function (value) {\n" + CALLS + "}\n", "module.exports.run = function (value)"),
    "a.tsx": ("@Part()\nexport class View {\n  show = () => {\n" + CALLS + "  }\n}\n", "export class View"),
    "a.ts": ("export interface Shape {\n" + "  side: number\n" * 30 + "}\n", "export interface Shape"),
    "a.php": ("<?php\nfinal class Sender {\n function send($a) {\n" + CALLS + " }\n}\n", "final class Sender"),
    "a.rb": ("module Sender\n  def self.send(a)\n" + "    step(a)\n" * 30 + "  end\nend\n", "module Sender"),
    "a.rs": ("#[derive(Debug)]\n/// Sends.\nimpl Send for A {\n fn send() {\n" + CALLS + " }\n}\n", "impl Send for A"),
    "a.sh": ("# Sends.\nsend() {\n" + "    step one two\n" * 20 + "}\n", "send()"),
    "a.py": ("@held\nasync def send(a):\n" + "    step(a)\n" * 30, "async def send(a)"),
}


@pytest.fixture(scope="module")
def parsing() -> Iterator[Parser]:
    made = Parser()
    yield made
    made.close()


def outline(parsing: Parser, source: str, text: str) -> Outline:
    number = grammars.grammar_of(ending(source))
    assert number is not None
    return next(parsing.outlines([(number, text)]))


def cut(parsing: Parser, source: str, text: str) -> list[Chunk]:
    found = outline(parsing, source, text)
    assert found.marks is not None
    return document_chunks(text, source, found.marks)


@pytest.mark.parametrize("source", LANGUAGES)
def test_a_definition_of_each_language_is_a_passage_under_its_own_line(parsing: Parser, source: str) -> None:
    text, title = LANGUAGES[source]
    chunks = cut(parsing, source, f"{text}\n")
    assert title in [chunk.title for chunk in chunks]


def test_a_class_is_cut_at_its_methods_which_keep_what_stands_above_them(parsing: Parser) -> None:
    chunks = cut(parsing, "Sender.java", JAVA)
    methods = [chunk for chunk in chunks if "> public void send" in chunk.title]
    assert [chunk.title for chunk in methods] == [
        f"public class Sender > public void send{number}(int value)" for number in range(4)
    ]
    for number, chunk in enumerate(methods):
        assert f"    // Part {number}.\n    @Override" in chunk.text
    assert methods[-1].text.endswith("}\n}")
    lines = JAVA.split("\n")
    assert all(chunk.text.split("\n")[0] == lines[chunk.start_line - 1] for chunk in chunks)
    assert all(chunk.text.split("\n")[-1] == lines[chunk.end_line - 1] for chunk in chunks)


def test_lines_and_text_are_right_where_characters_are_longer_than_a_byte(parsing: Parser) -> None:
    text = 'TEXT = "ä€😀\u2028"\n' * 20 + "".join(
        f'def f{n}(a):\n    """{"ü😀 " * 60}"""\n    return {n}\n\n' for n in range(5)
    )
    chunks = cut(parsing, "a.py", text)
    assert [chunk.title for chunk in chunks][-5:] == [f"def f{n}(a)" for n in range(5)]
    assert all(chunk.text.startswith("def f") for chunk in chunks[-5:])


def test_every_line_is_in_a_passage_whatever_the_marks_say() -> None:
    wild = [
        (0, 5, 2**32 - 1),
        (3, 2, 0),
        (10, 10**9, 7),
        (12, 30, 500),
        (20, 400, 1),
        *((n, 2**31, n) for n in range(90)),
    ]
    for marks in (wild, [], [(0, 2**32 - 1, 0)] * 300):
        chunks = document_chunks(JAVA, "a.java", marks)
        covered = {line for chunk in chunks for line in range(chunk.start_line, chunk.end_line + 1)}
        assert {number for number, line in enumerate(JAVA.split("\n"), 1) if line.strip()} <= covered
        assert max(len(chunk.text) for chunk in chunks) <= CHARACTERS + OVERLAP
        assert "".join("".join(chunk.text for chunk in chunks).split()).count("send0(intvalue)") >= 1


def test_what_the_grammar_does_not_understand_is_left_to_the_lines(parsing: Parser) -> None:
    assert outline(parsing, "a.java", "\0" * 5000) == Outline(None, settled=True)


def test_hostile_text_is_outlined_or_left_to_the_lines_and_the_next_file_is_read(parsing: Parser) -> None:
    number = grammars.grammar_of("py") or 0
    texts = ["(" * 100_000, "\u2028a" * 50_000, "x" * 200_000, "lambda:" * 20_000, LANGUAGES["a.py"][0]]
    found = list(parsing.outlines([(number, text) for text in texts]))
    assert len(found) == 5
    assert found[-1].marks
    for text, one in zip(texts, found, strict=True):
        assert document_chunks(text, "a.py", one.marks)


def test_a_declarator_of_too_many_parts_costs_no_other_file_its_outline(parsing: Parser) -> None:
    deep = "template<class T> " * 1500 + "void f(){}\n" + "int x;\n" * 400
    asked = [(grammars.grammar_of("h") or 0, deep), (grammars.grammar_of("py") or 0, LANGUAGES["a.py"][0])]
    first, second = parsing.outlines(asked)
    assert first == Outline(None, settled=True)
    assert second.marks
    assert list(parsing.outlines(asked[1:])) == [second]


@pytest.mark.parametrize(("how", "settled"), [(signal.SIGSEGV, True), (signal.SIGPROF, True), (signal.SIGKILL, False)])
def test_a_child_that_ends_costs_one_file(monkeypatch: pytest.MonkeyPatch, how: signal.Signals, settled: bool) -> None:
    begin = subprocess.Popen
    started: list[Any] = []

    def starting(*given: Any, **named: Any) -> Any:
        started.append(begin(*given, **named))
        if len(started) == 1:
            os.kill(started[0].pid, how)
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", starting)
    made = Parser()
    try:
        text = LANGUAGES["a.py"][0]
        found = list(made.outlines([(grammars.grammar_of("py") or 0, text)] * 3))
    finally:
        made.close()
    assert (found[0].marks, found[0].settled) == (None, settled)
    assert found[1].marks
    assert found[2].marks
    assert len(started) == 2
    assert all(one.returncode is not None for one in started)


def test_a_file_that_takes_too_much_time_ends_its_child() -> None:
    code = (
        "from astro_mcp.agents.knowledge.outline import child\nchild._answer = lambda *_: [0 for _ in iter(int, 1)]\n"
    )
    code += "child.SECONDS = 0.1\nchild.main()"
    command = [sys.executable, "-I", "-c", code]
    done = subprocess.run(command, input=ASKED.pack(0, 1) + b"x", capture_output=True, timeout=30, check=False)
    assert -done.returncode in parser.OWN_DOING


async def test_what_was_cut_by_lines_is_cut_anew_when_the_grammar_is_there(
    house: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "project"
    root.mkdir()
    (root / "Sender.java").write_text(JAVA)
    async with house(tmp_path / "data", root) as desk:
        with monkeypatch.context() as without:
            without.setattr(sources, "grammar_of", lambda _: None)
            first = await desk.value("kb_index")
            same = await desk.value("kb_index")
        anew = await desk.value("kb_index")
        again = await desk.value("kb_index")
        titles = {hit.title for hit in await desk.search("send2")}
    assert (first.added, same.unchanged, anew.updated, again.unchanged) == (1, 1, 1, 1)
    assert "public class Sender > public void send2(int value)" in titles
