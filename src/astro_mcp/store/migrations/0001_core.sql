-- Audit trail: append only. `digest` is keyed, so arguments can be compared and not read.
CREATE TABLE audit (
    seq         INTEGER PRIMARY KEY,
    at          REAL NOT NULL,
    phase       TEXT NOT NULL CHECK (phase IN ('intent', 'outcome', 'refusal')),
    call_id     TEXT NOT NULL,
    tenant      TEXT NOT NULL,
    scope       TEXT NOT NULL,
    principal   TEXT NOT NULL,
    kind        TEXT NOT NULL,
    tool        TEXT NOT NULL,
    digest      TEXT NOT NULL,
    effects     TEXT NOT NULL,
    code        TEXT NOT NULL,
    duration_ms REAL,
    run_id      TEXT,
    step        TEXT
) STRICT;
CREATE INDEX audit_by_call ON audit (call_id);
CREATE INDEX audit_by_scope ON audit (tenant, scope, at);

CREATE TRIGGER audit_is_append_only_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit trail is append only'); END;

-- Artifacts: bytes lie in files by sha256, below the tenant; a row says which scope may see them.
CREATE TABLE artifact (
    tenant  TEXT NOT NULL,
    scope   TEXT NOT NULL,
    sha256  TEXT NOT NULL,
    bytes   INTEGER NOT NULL,
    mime    TEXT NOT NULL,
    name    TEXT NOT NULL,
    created REAL NOT NULL,
    PRIMARY KEY (tenant, scope, sha256)
) STRICT, WITHOUT ROWID;
