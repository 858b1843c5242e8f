-- name: create
INSERT INTO workflow_run
    (run_id, tenant, scope, name, status, spec, authority, labels, head, events, version, created, updated, driver)
VALUES (:run_id, :tenant, :scope, :name, :status, '', :authority, :labels, :head, 0, :version, :now, :now, :driver);

-- name: give
INSERT INTO workflow_given (tenant, scope, run_id, spec, inputs) VALUES (:tenant, :scope, :run_id, :spec, :inputs);

-- name: advance
-- The driver and the count of events are the guard: a second writer, or one that missed an event, changes nothing.
UPDATE workflow_run
SET status = :status, labels = :labels, head = :head, events = :after, updated = :now, version = :version
WHERE tenant = :tenant AND scope = :scope AND run_id = :run_id AND events = :before AND driver = :driver;

-- name: fail
-- The end of a run that can't go on, written without reading what is there: the head may be what is broken.
UPDATE workflow_run
SET status = 'failed', events = :before + 1, updated = :now,
    head = CASE json_valid(head)
        WHEN 1 THEN json_set(head, '$.status', 'failed', '$.error', json(:error), '$.ended', :now)
        ELSE json_object('run_id', run_id, 'inputs', json('{}'), 'created', created, 'parallel', 1,
            'status', 'failed', 'error', json(:error), 'ended', :now)
    END
WHERE tenant = :tenant AND scope = :scope AND run_id = :run_id AND events = :before AND driver = :driver
    AND status NOT IN ('succeeded', 'failed', 'cancelled');

-- name: fail_calls
-- The calls in flight, which stand in the head: each gets its row. What is damaged of them is passed over.
INSERT INTO workflow_step (tenant, scope, run_id, path, status, body)
SELECT tenant, scope, run_id, call.key, 'running', json(call.value)
FROM workflow_run, json_each(head, '$.in_flight') AS call
WHERE tenant = :tenant AND scope = :scope AND run_id = :run_id AND typeof(call.key) = 'text' AND call.type = 'object'
ON CONFLICT (tenant, scope, run_id, path) DO UPDATE SET body = excluded.body
WHERE status NOT IN ('succeeded', 'failed', 'skipped', 'cancelled');

-- name: fail_head
UPDATE workflow_run SET head = json_remove(head, '$.in_flight')
WHERE tenant = :tenant AND scope = :scope AND run_id = :run_id;

-- name: fail_steps
UPDATE workflow_step SET status = 'cancelled'
WHERE tenant = :tenant AND scope = :scope AND run_id = :run_id AND status NOT IN ('succeeded', 'failed', 'skipped', 'cancelled');

-- name: event
INSERT INTO workflow_event (tenant, scope, run_id, seq, at, kind, path, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: step
INSERT INTO workflow_step (tenant, scope, run_id, path, status, body, items, output, output_ref)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (tenant, scope, run_id, path) DO UPDATE SET
    status = excluded.status,
    body = excluded.body,
    items = COALESCE(items, excluded.items),
    output = COALESCE(output, excluded.output),
    output_ref = COALESCE(output_ref, excluded.output_ref);

-- name: run
SELECT * FROM workflow_run WHERE tenant = :tenant AND scope = :scope AND run_id = :run_id;

-- name: given
SELECT spec, inputs FROM workflow_given WHERE tenant = :tenant AND scope = :scope AND run_id = :run_id;

-- name: steps
SELECT path, status, body, items, output, output_ref FROM workflow_step
WHERE tenant = :tenant AND scope = :scope AND run_id = :run_id;

-- name: unfinished
-- For recovery alone: of every scope.
SELECT tenant, scope, run_id, events FROM workflow_run WHERE status NOT IN ('succeeded', 'failed', 'cancelled') ORDER BY created;

-- name: take
UPDATE workflow_run SET driver = :driver
WHERE tenant = :tenant AND scope = :scope AND run_id = :run_id AND status NOT IN ('succeeded', 'failed', 'cancelled');

-- name: take_given
-- A run of before has in its own row what it was given. Its next head is written without.
INSERT INTO workflow_given (tenant, scope, run_id, spec, inputs)
SELECT tenant, scope, run_id, spec, json_extract(head, '$.inputs') FROM workflow_run
WHERE tenant = :tenant AND scope = :scope AND run_id = :run_id AND json_valid(head)
    AND json_type(head, '$.inputs') = 'object'
ON CONFLICT (tenant, scope, run_id) DO NOTHING;

-- name: refs
SELECT path, output_ref FROM workflow_step
WHERE tenant = :tenant AND scope = :scope AND run_id = :run_id AND output_ref IS NOT NULL;

-- name: ended
-- For retention alone: of every scope.
SELECT tenant, scope, run_id FROM workflow_run
WHERE status IN ('succeeded', 'failed', 'cancelled') AND updated < ? ORDER BY updated LIMIT ?;

-- name: forget
DELETE FROM workflow_run WHERE tenant = :tenant AND scope = :scope AND run_id = :run_id
    AND status IN ('succeeded', 'failed', 'cancelled');

-- name: recent
SELECT run_id, name, status, created, updated FROM workflow_run
WHERE tenant = ? AND scope = ? AND run_id LIKE ? ESCAPE '\' ORDER BY created DESC LIMIT ?;

-- name: events
SELECT seq, at, kind, path, body FROM workflow_event
WHERE tenant = :tenant AND scope = :scope AND run_id = :run_id AND seq > :after ORDER BY seq;
