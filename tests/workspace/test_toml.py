"""What a project wrote as TOML costs time and memory in proportion to its size, whatever it holds."""

from __future__ import annotations

import tomllib
from contextlib import suppress

import pytest
from tests.quickest import computed

from astro_mcp.workspace import toml as reader
from astro_mcp.workspace.toml import LEVELS, PARTS, TABLES, VALUES, WORD, toml

DEEP = ".".join("a" * (PARTS + 1))
STRINGS = [
    '"a.b = [{ #"',
    r'"\"\\"',
    "'\\'",
    '"""x"""""',
    '""""x""""',
    '""""""',
    '"""a""b\\"""c\n[[#"""',
    "'''a''b\n\"#'''''",
    "''",
    '"" # "',
    "[\n1.5, # ' it's\n'''\n''']",
    '{"a.b" = 1.5}',
]


@pytest.mark.parametrize("value", STRINGS)
def test_what_stands_in_strings_and_comments_is_no_key(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"[x.'y.z']\n# it's [a.b.c.d\r\nk = {value}\nl = 'x'\n"
    monkeypatch.setattr(reader, "TABLES", 4)
    assert toml(text) == tomllib.loads(text)


@pytest.mark.parametrize("value", STRINGS)
def test_a_key_of_many_parts_is_found_behind_every_kind_of_string(value: str) -> None:
    for text in (f"k = {value}\n{DEEP} = 1", f"k = [{value}\n, {{{DEEP} = 1}}, '''x''', \"x\"]"):
        with pytest.raises(ValueError, match="parts"):
            toml(text)


COSTLY = {
    "a key": (f"{DEEP} = 1", "parts"),
    "a header": (f"[{DEEP}]", "parts"),
    "a header of an array": (f"[[ {DEEP} ]]", "parts"),
    "blanks around dots": (DEEP.replace(".", " .\t") + " = 1", "parts"),
    "quoted parts": (DEEP.replace("a", "'a.b'") + " = 1", "parts"),
    "escaped parts": (DEEP.replace("a", r'"\""') + " = 1", "parts"),
    "an inline key": (f"x = {{{DEEP} = 1}}", "parts"),
    "100,000 parts": ("a" + ".a" * (TABLES + 1) + " = 1", "parts of keys"),
    "arrays in arrays": (f"x = {'[' * (LEVELS + 1)}{']' * (LEVELS + 1)}", "levels"),
    "tables in tables": (f"x = {'{a = ' * (LEVELS + 1)}1{'}' * (LEVELS + 1)}", "levels"),
    "many tables": (f"x = [{'[],' * TABLES}]", "tables"),
    "many lines": ("\n" * (VALUES + 1), "lines"),
    "many escapes": ('x = "' + r"\n" * VALUES + '"', "escapes"),
    "a long number": (f"x = {'1' * (WORD + 1)}", "characters"),
    "a large file": ("#" * (reader.LARGEST + 1), "8 MB"),
    "no TOML": ("= =", "line 1"),
}


@pytest.mark.parametrize(("text", "why"), COSTLY.values(), ids=COSTLY)
def test_what_would_cost_too_much_is_refused_before_it_is_parsed(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        toml(text)


def test_what_a_project_writes_is_far_from_every_bound() -> None:
    key = ".".join("a" * PARTS)
    assert toml(f"{key} = {'[' * LEVELS}{']' * LEVELS}\n")
    wheels = "    { url = 'https://x.org/y.whl', size = 1 },\n" * 20
    package = f"[[package]]\nname = 'x'\nwheels = [\n{wheels}]\n[package.metadata]\n"
    assert len(toml(package * 100)["package"]) == 100


@pytest.mark.parametrize("unit", ["a", " ", "a ", '"', "'", '"""\\', "'''", "a=", ".", "-.", "#", "\\", '""" ', "]"])
def test_the_bounds_are_found_in_linear_time(unit: str) -> None:
    def once() -> None:
        with suppress(ValueError):
            toml(unit * (200_000 // len(unit)))

    computed(2, once)
