-- A run: its document, its frozen authority, and the head of its state (all but the steps).
CREATE TABLE workflow_run (
    tenant    TEXT NOT NULL,
    scope     TEXT NOT NULL,
    run_id    TEXT NOT NULL UNIQUE,
    name      TEXT NOT NULL,
    status    TEXT NOT NULL,
    spec      TEXT NOT NULL,
    authority TEXT NOT NULL,
    labels    TEXT NOT NULL,
    head      TEXT NOT NULL,
    events    INTEGER NOT NULL,
    version   INTEGER NOT NULL,
    created   REAL NOT NULL,
    updated   REAL NOT NULL,
    PRIMARY KEY (tenant, scope, run_id)
) STRICT;
CREATE INDEX workflow_run_by_scope ON workflow_run (tenant, scope, created);
CREATE INDEX workflow_run_unfinished ON workflow_run (created)
    WHERE status NOT IN ('succeeded', 'failed', 'cancelled');

-- A step or an instance. `body` is its state without output and items; a large output is an artifact's sha256.
CREATE TABLE workflow_step (
    tenant     TEXT NOT NULL,
    scope      TEXT NOT NULL,
    run_id     TEXT NOT NULL,
    path       TEXT NOT NULL,
    status     TEXT NOT NULL,
    body       TEXT NOT NULL,
    items      TEXT,
    output     TEXT,
    output_ref TEXT,
    PRIMARY KEY (tenant, scope, run_id, path),
    FOREIGN KEY (tenant, scope, run_id) REFERENCES workflow_run (tenant, scope, run_id) ON DELETE CASCADE
) STRICT;

-- The journal: what happened, in order. Outputs stand with their steps, once.
CREATE TABLE workflow_event (
    tenant TEXT NOT NULL,
    scope  TEXT NOT NULL,
    run_id TEXT NOT NULL,
    seq    INTEGER NOT NULL,
    at     REAL NOT NULL,
    kind   TEXT NOT NULL,
    path   TEXT NOT NULL,
    body   TEXT NOT NULL,
    PRIMARY KEY (tenant, scope, run_id, seq),
    FOREIGN KEY (tenant, scope, run_id) REFERENCES workflow_run (tenant, scope, run_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- What holds, always, held by the store too.
CREATE TRIGGER workflow_run_end_is_final BEFORE UPDATE OF status ON workflow_run
WHEN OLD.status IN ('succeeded', 'failed', 'cancelled') AND NEW.status IS NOT OLD.status
BEGIN SELECT RAISE(ABORT, 'a run that ended has ended'); END;

CREATE TRIGGER workflow_step_end_is_final BEFORE UPDATE ON workflow_step
WHEN OLD.status IN ('succeeded', 'failed', 'skipped', 'cancelled') AND
    (NEW.status IS NOT OLD.status OR NEW.output IS NOT OLD.output OR NEW.output_ref IS NOT OLD.output_ref)
BEGIN SELECT RAISE(ABORT, 'a step that ended has ended'); END;

CREATE TRIGGER workflow_event_is_append_only BEFORE UPDATE ON workflow_event
BEGIN SELECT RAISE(ABORT, 'the journal is append only'); END;
