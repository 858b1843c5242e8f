"""Whose a row is stands in the row and leads its key: a statement that forgot to ask finds nothing by accident."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from astro_mcp.agents.knowledge import statements
from astro_mcp.store.connection import Transaction
from astro_mcp.store.database import Database
from astro_mcp.workflow.drivers.sqlite.journal import queries

OWNERS = ["tenant", "scope"]
OF_EVERY_SCOPE = {"unfinished": "recovery takes up the runs of every scope"}
BY_FOUND_ROWS = {
    # By ids that a statement with tenant and scope has found, or for the index as a whole, which holds every scope.
    "UNPLACED", "WORK", "PLACED", "GONE", "FORGET_GONE", "UNPLACE_ALL", "FORGET_ALL_GONE", "FINGERPRINT", "TOUCHED",
    "PLACED_COUNT", "WORDS_EXIST", "MAKE_WORDS", "ADD_WORDS", "DROP_WORDS",
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


@pytest.mark.parametrize("name", sorted(set(queries()) - set(OF_EVERY_SCOPE)))
def test_every_statement_on_runs_names_their_owner(name: str) -> None:
    statement = queries()[name]
    assert re.search(r"\btenant\b", statement)
    assert re.search(r"\bscope\b", statement)


KNOWLEDGE = {name: text for name, text in vars(statements).items() if name.isupper() and isinstance(text, str)}


@pytest.mark.parametrize("name", sorted(set(KNOWLEDGE) - BY_FOUND_ROWS))
def test_every_statement_on_knowledge_names_its_owner(name: str) -> None:
    assert re.search(r"tenant\b.*\bscope\b", KNOWLEDGE[name], re.DOTALL)
