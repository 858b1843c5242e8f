-- Whose a change set is beyond its run: the idempotency key of the call that made it. A call that is made again after a
-- crash finds it by that, and does nothing twice.
ALTER TABLE undo ADD COLUMN call_key TEXT;
CREATE UNIQUE INDEX undo_by_call ON undo (tenant, scope, call_key) WHERE call_key IS NOT NULL;

-- The commits that calls were about to make: `sha` was noted before anything pointed to it.
CREATE TABLE made_commit (
    tenant   TEXT NOT NULL,
    scope    TEXT NOT NULL,
    call_key TEXT NOT NULL,
    sha      TEXT NOT NULL,
    created  REAL NOT NULL,
    PRIMARY KEY (tenant, scope, call_key)
) STRICT, WITHOUT ROWID;
