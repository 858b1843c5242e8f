"""Whose a row is stands in the row and leads its key: a statement that forgot to ask finds nothing by accident."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import astro_mcp
from astro_mcp.store.connection import Transaction
from astro_mcp.store.database import Database
from astro_mcp.workflow.drivers.sqlite.journal import queries

SRC = Path(astro_mcp.__file__).parent
JOURNAL = SRC / "workflow" / "drivers" / "sqlite" / "journal.sql"
OWNERS = ["tenant", "scope"]
SQL = re.compile(r"\s*(?:WITH|SELECT|INSERT|UPDATE|DELETE|REPLACE)\s")
OWNED = re.compile(
    r"\s*INSERT .*\btenant, scope\b|.*\btenant = (?:\?|:tenant) AND (?:\w\.)?scope = (?:\?|:scope)(?!\w)", re.DOTALL
)
OF_EVERY_SCOPE = {
    "journal.sql unfinished": "recovery takes up the runs of every scope",
    "journal.sql ended": "retention forgets runs of every scope, each by its own key",
    "workspace.journal._PENDING": "recovery takes back what a crash interrupted in every scope",
    "store.audit._LAST": "the trail is the operator's, and no session's",
}
INDEX = "agents.knowledge.statements."
BY_FOUND_ROWS = {
    # By ids that a statement with tenant and scope has found, or for the index as a whole, which holds every scope.
    f"{INDEX}{name}"
    for name in (
        "UNPLACED", "WORK", "PLACED", "REFUSED", "GONE", "FORGET_GONE", "UNPLACE_ALL", "FORGET_ALL_GONE", "FINGERPRINT",
        "TOUCHED", "PLACED_COUNT", "WITHHOLD", "HAS_VECTORS", "LACKING", "LACKING_COUNT", "HAVING", "KEPT", "HOLDING",
        "DROP_MODELS", "WORDS_EXIST", "ADD_WORDS", "WORDS_SIZE", "WORDS_WITH",
        "WORDS_SINCE", "WORDS_THERE", "WORD_SCORES", "TERM_PLACES",
        # Of a database in memory that holds one word at a time, and no row of anybody's.
        "SCRATCH_WORD", "SCRATCH_TERMS", "EMPTY_SCRATCH",
    )
}  # fmt: skip


async def test_every_table_has_tenant_and_scope_and_an_index_that_they_lead(tmp_path: Path) -> None:
    def tables(tx: Transaction) -> dict[str, tuple[dict[str, int], list[list[str]]]]:
        names = [row["name"] for row in tx.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {}
        for name in names:
            if name.startswith("sqlite_"):
                continue
            columns = {row["name"]: row["notnull"] for row in tx.rows(f"PRAGMA table_info({name})")}
            indexes = [row["name"] for row in tx.rows(f"PRAGMA index_list({name})")]
            leads = [[row["name"] for row in tx.rows(f"PRAGMA index_info({index})")][:2] for index in indexes]
            found[name] = (columns, leads)
        return found

    async with Database.open(tmp_path / "astro.db") as database:
        found = await database.read(tables)
    assert len(found) >= 9
    for name, (columns, leads) in found.items():
        assert columns.get("tenant") == columns.get("scope") == 1, f"{name} has rows that belong to nobody"
        assert OWNERS in leads, f"{name} can't be looked up by its owner"


@cache
def statements() -> dict[str, str]:
    """Every statement of the source, by its module and name; one that has no name by module and line."""
    found = {f"journal.sql {name}": text for name, text in queries().items()}
    for path in sorted(SRC.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        if not SQL.search(source):
            continue
        module, tree = ".".join(path.relative_to(SRC).with_suffix("").parts), ast.parse(source)
        named = [text for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign) for text in texts(node)]
        found |= {f"{module}:{text.lineno}": str(text.value) for text in texts(tree) if text not in named}
        if named:
            found |= {f"{module}.{name}": text for name, text in strings(import_module(f"astro_mcp.{module}"))}
    return found


def texts(tree: ast.AST) -> list[ast.Constant]:
    constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return [node for node in constants if isinstance(node.value, str) and SQL.match(node.value)]


def strings(module: ModuleType) -> Iterator[tuple[str, str]]:
    """The statements that the module's names stand for; a tuple's by their number."""
    for name, value in vars(module).items():
        several = value if isinstance(value, tuple) else ()
        for key, text in [(name, value), *((f"{name}[{number}]", part) for number, part in enumerate(several))]:
            if isinstance(text, str) and SQL.match(text):
                yield key, text


def test_the_sweep_finds_the_statements_of_every_room_that_has_some() -> None:
    rooms = {name.rpartition(".")[0] for name in statements() if " " not in name}
    agents = {"agents.knowledge.statements", "agents.search.pages", "agents.tests.history"}
    assert rooms == {*agents, "store.artifacts", "store.audit", "workspace.git.made", "workspace.journal"}
    assert not [name for name in statements() if ":" in name], "each has a name of its own"
    assert len(statements()) > 40
    assert {path.parent.name for path in SRC.rglob("*.sql") if path != JOURNAL} == {"migrations"}


def test_every_statement_names_the_owner_of_its_rows_but_those_that_are_let_off() -> None:
    assert {name for name, text in statements().items() if not OWNED.match(text)} == {*OF_EVERY_SCOPE, *BY_FOUND_ROWS}


@pytest.mark.parametrize(
    "text",
    [
        "SELECT mime FROM artifact WHERE sha256 = ?",
        "SELECT tenant, scope FROM undo WHERE id = ?",
        "DELETE FROM undo WHERE tenant = ? AND id = ?",
        "UPDATE undo SET scope = ? WHERE tenant = ? AND id = ?",
        "INSERT INTO undo VALUES (?, ?, ?)",
    ],
)
def test_a_statement_that_leaves_the_owner_open_is_seen(text: str) -> None:
    assert SQL.match(text)
    assert not OWNED.match(text)
