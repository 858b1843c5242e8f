-- Web pages that were fetched, each scope's own, by the address that was asked for; `headers` is JSON, `body` compressed.
CREATE TABLE page (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant  TEXT NOT NULL,
    scope   TEXT NOT NULL,
    url     TEXT NOT NULL,
    final   TEXT NOT NULL,
    headers TEXT NOT NULL,
    until   REAL NOT NULL,
    body    BLOB NOT NULL,
    UNIQUE (tenant, scope, url)
) STRICT;
