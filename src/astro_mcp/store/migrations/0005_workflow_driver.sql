-- Who advances a run: an id of the process that took it up last. An earlier one that lives on can write nothing any more.
ALTER TABLE workflow_run ADD COLUMN driver TEXT NOT NULL DEFAULT '';

-- What retention looks for: runs that ended, oldest first.
CREATE INDEX workflow_run_ended ON workflow_run (updated)
    WHERE status IN ('succeeded', 'failed', 'cancelled');
