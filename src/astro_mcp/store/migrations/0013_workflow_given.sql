-- What a run was given: its document and its inputs. They never change, and may be large: the row of the run, which every
-- advance writes anew, has no part of them any more. Runs of before keep both in that row.
CREATE TABLE workflow_given (
    tenant TEXT NOT NULL,
    scope  TEXT NOT NULL,
    run_id TEXT NOT NULL,
    spec   TEXT NOT NULL,
    inputs TEXT NOT NULL,
    PRIMARY KEY (tenant, scope, run_id),
    FOREIGN KEY (tenant, scope, run_id) REFERENCES workflow_run (tenant, scope, run_id) ON DELETE CASCADE
) STRICT;

CREATE TRIGGER workflow_given_is_final BEFORE UPDATE ON workflow_given
BEGIN SELECT RAISE(ABORT, 'what a run was given stays as it is'); END;
