-- Runs of a project's tests; the project is its folder's path. `results` is what became of each test, as compressed
-- JSON: {id: [status, seconds]}. One row and one write a run, however many tests there are.
CREATE TABLE test_run (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant  TEXT NOT NULL,
    scope   TEXT NOT NULL,
    project TEXT NOT NULL,
    at      REAL NOT NULL,
    results BLOB NOT NULL
) STRICT;
CREATE INDEX test_run_by_project ON test_run (tenant, scope, project, seq);

-- What each test touched when lines were last counted, as compressed JSON; one row a project.
CREATE TABLE test_touched (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant  TEXT NOT NULL,
    scope   TEXT NOT NULL,
    project TEXT NOT NULL,
    body    BLOB NOT NULL,
    UNIQUE (tenant, scope, project)
) STRICT;
