-- Undo journal: one row a change set, one row an action in it, in the order in which they were carried out.
-- `pending` was begun and not acknowledged: after a crash it is rolled back. Contents are artifacts by sha256.
CREATE TABLE undo (
    seq       INTEGER PRIMARY KEY,
    tenant    TEXT NOT NULL,
    scope     TEXT NOT NULL,
    id        TEXT NOT NULL,
    run_id    TEXT,
    created   REAL NOT NULL,
    state     TEXT NOT NULL CHECK (state IN ('pending', 'done')),
    is_undo   INTEGER NOT NULL,
    undone_by TEXT,
    UNIQUE (tenant, scope, id)
) STRICT;
CREATE INDEX undo_by_run ON undo (tenant, scope, run_id) WHERE run_id IS NOT NULL;
CREATE INDEX undo_pending ON undo (state) WHERE state = 'pending';

-- States are written as `absent`, `file:MODE:SHA256`, `folder:MODE`, `link:TARGET`; a rename has its target in `moved_to`.
CREATE TABLE undo_action (
    tenant       TEXT NOT NULL,
    scope        TEXT NOT NULL,
    id           TEXT NOT NULL,
    position     INTEGER NOT NULL,
    root         TEXT NOT NULL,
    path         TEXT NOT NULL,
    moved_root   TEXT,
    moved_to     TEXT,
    before       TEXT NOT NULL,
    after        TEXT NOT NULL,
    PRIMARY KEY (tenant, scope, id, position)
) STRICT, WITHOUT ROWID;
