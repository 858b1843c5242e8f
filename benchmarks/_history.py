"""A store that is long in use: copies of a finished run, with its steps, its events and its audit records."""

from __future__ import annotations

import json
from functools import partial
from typing import Final

from astro_mcp.core.ids import new_id
from astro_mcp.store.connection import Transaction
from benchmarks._ours import Ours

CHUNK: Final = 10_000
SCOPES: Final = 100
STEPS: Final = 3
TABLES: Final = ("workflow_run", "workflow_given", "workflow_step", "workflow_event", "audit")
CHANGED: Final = {
    "run_id": "copy.value",
    "scope": f"printf('%032x', copy.key / {CHUNK // SCOPES})",
    "head": "replace(head, :run_id, copy.value)",
    "call_id": "'call_' || substr(copy.value, 5, 28) || printf('%04x', seq % 65536)",
}


async def fill(used: Ours, count: int) -> None:
    """Carry out one run, and copy all that is stored of it `count` times, spread over 100 scopes."""
    await used.run("chain", STEPS)
    await used.database.write(lambda tx: None)  # the last records of reads are written behind them
    scope = used.session.scope
    [run_id] = [run.run_id for run in await used.scheduler.recent(scope)]
    for first in range(0, count, CHUNK):
        ids = json.dumps([new_id("run") for _ in range(min(CHUNK, count - first))])
        given = {"tenant": scope.tenant, "scope": scope.key, "run_id": run_id, "ids": ids}
        for table in TABLES:
            await used.database.write(partial(_copy, table=table, given=given))


def _copy(tx: Transaction, *, table: str, given: dict[str, str]) -> None:
    """Whatever columns the table has; a record of the audit gets a number of its own."""
    names = [row["name"] for row in tx.rows(f"SELECT name FROM pragma_table_info('{table}')")]
    columns = [name for name in names if (table, name) != ("audit", "seq")]
    tx.execute(
        f"INSERT INTO {table} ({', '.join(columns)})"
        f" SELECT {', '.join(CHANGED.get(name, name) for name in columns)}"
        f" FROM (SELECT key, value FROM json_each(:ids)) AS copy CROSS JOIN {table}"
        " WHERE tenant = :tenant AND scope = :scope AND run_id = :run_id ORDER BY copy.key",
        given,
    )
