BEGIN TRANSACTION;
CREATE TABLE artifact (
    tenant  TEXT NOT NULL,
    scope   TEXT NOT NULL,
    sha256  TEXT NOT NULL,
    bytes   INTEGER NOT NULL,
    mime    TEXT NOT NULL,
    name    TEXT NOT NULL,
    created REAL NOT NULL, labels TEXT NOT NULL DEFAULT 'private untrusted',
    PRIMARY KEY (tenant, scope, sha256)
) STRICT, WITHOUT ROWID;
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
, flow TEXT NOT NULL DEFAULT '') STRICT;
CREATE TABLE knowledge_chunk (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant     TEXT NOT NULL,
    scope      TEXT NOT NULL,
    collection TEXT NOT NULL,
    document   TEXT NOT NULL,
    ordinal    INTEGER NOT NULL,
    start_line INTEGER NOT NULL,
    end_line   INTEGER NOT NULL,
    title      TEXT NOT NULL,
    context    TEXT NOT NULL,
    text       TEXT NOT NULL,
    sha256     TEXT NOT NULL,
    placed     INTEGER NOT NULL DEFAULT 0,
    FOREIGN KEY (tenant, scope, document) REFERENCES knowledge_document (tenant, scope, id)
) STRICT;
CREATE TABLE knowledge_document (
    tenant     TEXT NOT NULL,
    scope      TEXT NOT NULL,
    id         TEXT NOT NULL,
    collection TEXT NOT NULL,
    source     TEXT NOT NULL,
    kind       TEXT NOT NULL CHECK (kind IN ('note', 'document', 'code', 'run')),
    title      TEXT NOT NULL,
    tags       TEXT NOT NULL,
    labels     TEXT NOT NULL,
    sha256     TEXT NOT NULL,
    created    REAL NOT NULL,
    updated    REAL NOT NULL,
    PRIMARY KEY (tenant, scope, id),
    UNIQUE (tenant, scope, collection, source)
) STRICT;
CREATE TABLE knowledge_forgotten (
    tenant     TEXT NOT NULL,
    scope      TEXT NOT NULL,
    undo_id    TEXT NOT NULL,
    collection TEXT NOT NULL,
    source     TEXT NOT NULL,
    body       TEXT NOT NULL,
    at         REAL NOT NULL,
    back       INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, scope, undo_id, collection, source)
) STRICT, WITHOUT ROWID;
CREATE TABLE knowledge_gone (
    chunk      INTEGER PRIMARY KEY,
    tenant     TEXT NOT NULL,
    scope      TEXT NOT NULL,
    collection TEXT NOT NULL
) STRICT;
CREATE TABLE knowledge_vector (
    tenant TEXT NOT NULL,
    scope  TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    model  TEXT NOT NULL,
    vector BLOB NOT NULL,
    PRIMARY KEY (tenant, scope, sha256, model)
) STRICT;
CREATE TABLE knowledge_version (
    tenant   TEXT NOT NULL,
    scope    TEXT NOT NULL,
    document TEXT NOT NULL,
    version  INTEGER NOT NULL,
    title    TEXT NOT NULL,
    tags     TEXT NOT NULL,
    labels   TEXT NOT NULL,
    text     TEXT NOT NULL,
    at       REAL NOT NULL,
    PRIMARY KEY (tenant, scope, document, version)
) STRICT, WITHOUT ROWID;
CREATE TABLE made_commit (
    tenant   TEXT NOT NULL,
    scope    TEXT NOT NULL,
    call_key TEXT NOT NULL,
    sha      TEXT NOT NULL,
    created  REAL NOT NULL,
    PRIMARY KEY (tenant, scope, call_key)
) STRICT, WITHOUT ROWID;
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
CREATE TABLE test_run (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant  TEXT NOT NULL,
    scope   TEXT NOT NULL,
    project TEXT NOT NULL,
    at      REAL NOT NULL,
    results BLOB NOT NULL
) STRICT;
CREATE TABLE test_touched (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant  TEXT NOT NULL,
    scope   TEXT NOT NULL,
    project TEXT NOT NULL,
    body    BLOB NOT NULL,
    UNIQUE (tenant, scope, project)
) STRICT;
CREATE TABLE undo (
    seq       INTEGER PRIMARY KEY,
    tenant    TEXT NOT NULL,
    scope     TEXT NOT NULL,
    id        TEXT NOT NULL,
    run_id    TEXT,
    created   REAL NOT NULL,
    state     TEXT NOT NULL CHECK (state IN ('pending', 'done')),
    is_undo   INTEGER NOT NULL,
    undone_by TEXT, call_key TEXT,
    UNIQUE (tenant, scope, id)
) STRICT;
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
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227032667eb09cc2675015bf1eb7',1,1.79587410802115464208e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227032667eb09cc2675015bf1eb7',2,1.79587410811085295674e+09,'recovered','','{"slots":8,"repeatable":["toy_add","toy_flaky","toy_hold","toy_list","toy_say","workflow_check","workflow_status"]}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227032667eb09cc2675015bf1eb7',3,1.79587410811085295674e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a22270332872a38ea2f701454fae52',1,1.79587410821956610677e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a22270332872a38ea2f701454fae52',2,1.79587410826094102857e+09,'finished','a','{"slots":8,"attempt":1}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a22270336e73cfa576aa81e46d7beb',1,1.79587410827325844771e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a22270336e73cfa576aa81e46d7beb',2,1.7958741082762391567e+09,'finished','a','{"slots":8,"attempt":1,"error":{"code":"provider_failed","message":"not yet","hint":"","retryable":true}}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a22270337a7e69b45fe4db57ee4220',1,1.79587410828526139253e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a22270337a7e69b45fe4db57ee4220',2,1.79587410922615480423e+09,'cancelled','','{"slots":6}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a22270346277fd81b48feb3a839bc1',1,1.79587410851657700537e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a22270346277fd81b48feb3a839bc1',2,1.79587410867025589942e+09,'made','','{"slots":8,"tree":"/tmp/astro-mcp-stored/.astro-mcp/runs/run_01a22270346277fd81b48feb3a839bc1","branch":"astro/run_01a22270346277fd81b48feb3a839bc1","base":"489e7a291a76b57229867349b3aa76e8b81d55c0"}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a22270346277fd81b48feb3a839bc1',3,1.79587410867517948149e+09,'finished','a','{"slots":8,"attempt":1}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a22270346277fd81b48feb3a839bc1',4,1.79587410877307891848e+09,'closed','','{"slots":8,"branch":"","sha":"","left":""}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a222703573761cab8912fd17733076',1,1.79587410880333566668e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a22270358a7f769756871d6a21cb86',1,1.79587410881235837937e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a22270358a7f769756871d6a21cb86',2,1.79587410881834959978e+09,'finished','a','{"slots":8,"attempt":1,"error":{"code":"provider_failed","message":"not yet","hint":"","retryable":true}}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a22270359a7797ba21c0a220ac2609',1,1.79587410884315037723e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227035b17273bc213ee90f65e53e',1,1.79587410885083031651e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227035b87e77a1f946ccd2bcd173',1,1.79587410887011218068e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227035b87e77a1f946ccd2bcd173',2,1.79587410888788032528e+09,'finished','each.0.say','{"slots":8,"attempt":1}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227036ae7b95908af79e0b615e55',1,1.79587410910883069035e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227036ae7b95908af79e0b615e55',2,1.79587410914553546902e+09,'finished','again.0.add','{"slots":8,"attempt":1}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227036e8706e85a205dde0a4ced7',1,1.79587410917918896676e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227036e8706e85a205dde0a4ced7',2,1.79587410918537926677e+09,'finished','inside.say','{"slots":8,"attempt":1}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a22270370473d9b5f7c65439e71f58',1,1.79587410919157791132e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227037177ed88c99a065478ffa11',1,1.79587410921054553983e+09,'began','','{"slots":7}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227037227d3d8e623ee05d7228b4',1,1795874109.22069,'began','','{"slots":6}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227037227d3d8e623ee05d7228b4',2,1.79587410924226307867e+09,'paused','','{"slots":6}');
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
    updated   REAL NOT NULL, driver TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (tenant, scope, run_id)
) STRICT;
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227032667eb09cc2675015bf1eb7','lost','waiting','{"name": "lost", "steps": [{"id": "effect", "tool": "toy_hold_write", "with": {"text": "lost"}}]}','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a2227032667eb09cc2675015bf1eb7","inputs":{},"created":1795874108.0063696,"parallel":4,"priority":"normal","unattended":false,"status":"waiting","paused":false,"calls":1,"running":0,"positions":2,"after":null,"deadline":null,"outputs":{},"error":null,"ended":null,"worktree":null}',3,2,1.79587410800636959077e+09,1.79587410811085295674e+09,'fca0f1ee9b094a899d93c5f765e8b56a');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a22270332872a38ea2f701454fae52','succeeded','succeeded','{"name": "succeeded", "steps": [{"id": "a", "tool": "toy_add", "with": {"number": 1}}], "outputs": {"n": "${{ steps.a.number }}"}}','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a22270332872a38ea2f701454fae52","inputs":{},"created":1795874108.2006183,"parallel":4,"priority":"normal","unattended":false,"status":"succeeded","paused":false,"calls":1,"running":0,"positions":2,"after":null,"deadline":null,"outputs":{"n":2},"error":null,"ended":1795874108.260941,"worktree":null}',2,2,1.79587410820061826703e+09,1.79587410826094102857e+09,'fca0f1ee9b094a899d93c5f765e8b56a');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a22270336e73cfa576aa81e46d7beb','failed','failed','{"name": "failed", "steps": [{"id": "a", "tool": "toy_flaky"}, {"id": "b", "needs": ["a"], "tool": "toy_say"}]}','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a22270336e73cfa576aa81e46d7beb","inputs":{},"created":1795874108.270156,"parallel":4,"priority":"normal","unattended":false,"status":"failed","paused":false,"calls":1,"running":0,"positions":3,"after":null,"deadline":null,"outputs":{},"error":{"code":"provider_failed","message":"a: not yet","hint":"","retryable":true},"ended":1795874108.2762392,"worktree":null}',2,2,1.79587410827015590665e+09,1.7958741082762391567e+09,'fca0f1ee9b094a899d93c5f765e8b56a');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a22270337a7e69b45fe4db57ee4220','cancelled','cancelled','{"name": "cancelled", "steps": [{"id": "q", "ask": "well?"}]}','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a22270337a7e69b45fe4db57ee4220","inputs":{},"created":1795874108.2828777,"parallel":4,"priority":"normal","unattended":false,"status":"cancelled","paused":false,"calls":0,"running":0,"positions":2,"after":null,"deadline":null,"outputs":{},"error":null,"ended":1795874109.2261548,"worktree":null}',2,2,1.79587410828287768367e+09,1.79587410922615480423e+09,'fca0f1ee9b094a899d93c5f765e8b56a');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a22270346277fd81b48feb3a839bc1','tree','succeeded','{"name": "tree", "workspace": "worktree", "steps": [{"id": "a", "tool": "toy_say", "with": {"text": "t"}}]}','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','["private","untrusted"]','{"run_id":"run_01a22270346277fd81b48feb3a839bc1","inputs":{},"created":1795874108.5149238,"parallel":4,"priority":"normal","unattended":false,"status":"succeeded","paused":false,"calls":1,"running":0,"positions":2,"after":null,"deadline":null,"outputs":{},"error":null,"ended":1795874108.773079,"worktree":{"phase":"closed","path":"/tmp/astro-mcp-stored/.astro-mcp/runs/run_01a22270346277fd81b48feb3a839bc1","branch":"","base":"489e7a291a76b57229867349b3aa76e8b81d55c0","sha":"","left":""}}',4,2,1.79587410851492381095e+09,1.79587410877307891848e+09,'fca0f1ee9b094a899d93c5f765e8b56a');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a222703573761cab8912fd17733076','queued','queued','{"name": "queued", "delay": "1h", "steps": [{"id": "a", "tool": "toy_say", "with": {"text": "queued"}}]}','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a222703573761cab8912fd17733076","inputs":{},"created":1795874108.7872376,"parallel":4,"priority":"normal","unattended":false,"status":"queued","paused":false,"calls":0,"running":0,"positions":0,"after":1795877708.7872376,"deadline":null,"outputs":{},"error":null,"ended":null,"worktree":null}',1,2,1.79587410878723764424e+09,1.79587410880333566668e+09,'fca0f1ee9b094a899d93c5f765e8b56a');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a22270358a7f769756871d6a21cb86','retry','running','{"name": "retry", "steps": [{"id": "a", "tool": "toy_flaky", "retry": {"max_attempts": 3, "initial_interval": "1h", "max_interval": "1h"}}]}','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a22270358a7f769756871d6a21cb86","inputs":{},"created":1795874108.810809,"parallel":4,"priority":"normal","unattended":false,"status":"running","paused":false,"calls":1,"running":0,"positions":2,"after":null,"deadline":null,"outputs":{},"error":null,"ended":null,"worktree":null}',2,2,1.79587410881080889704e+09,1.79587410881834959978e+09,'fca0f1ee9b094a899d93c5f765e8b56a');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a22270359a7797ba21c0a220ac2609','ask','waiting','{"name": "ask", "inputs": {"who": {"type": "string", "default": "you"}}, "steps": [{"id": "a", "ask": "well, ${{ inputs.who }}?"}], "outputs": {"a": "${{ steps.a.answer }}"}}','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a22270359a7797ba21c0a220ac2609","inputs":{"who":"you"},"created":1795874108.8268936,"parallel":4,"priority":"normal","unattended":false,"status":"waiting","paused":false,"calls":0,"running":0,"positions":2,"after":null,"deadline":null,"outputs":{},"error":null,"ended":null,"worktree":null}',1,2,1.79587410882689356809e+09,1.79587410884315037723e+09,'fca0f1ee9b094a899d93c5f765e8b56a');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227035b17273bc213ee90f65e53e','gate','waiting','{"name": "gate", "steps": [{"id": "g", "approve": {"message": "go?", "level": "model"}}, {"id": "b", "needs": ["g"], "tool": "toy_say", "with": {"text": "gate"}}]}','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a2227035b17273bc213ee90f65e53e","inputs":{},"created":1795874108.8495612,"parallel":4,"priority":"normal","unattended":false,"status":"waiting","paused":false,"calls":0,"running":0,"positions":3,"after":null,"deadline":null,"outputs":{},"error":null,"ended":null,"worktree":null}',1,2,1.7958741088495612145e+09,1.79587410885083031651e+09,'fca0f1ee9b094a899d93c5f765e8b56a');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227035b87e77a1f946ccd2bcd173','foreach','waiting','{"name": "foreach", "steps": [{"id": "each", "foreach": ["a", "b", "c"], "max_parallel": 1, "do": [{"id": "say", "tool": "toy_say", "with": {"text": "${{ item }}"}}, {"id": "q", "needs": ["say"], "ask": "${{ item }}?"}]}]}','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a2227035b87e77a1f946ccd2bcd173","inputs":{},"created":1795874108.8569105,"parallel":4,"priority":"normal","unattended":false,"status":"waiting","paused":false,"calls":1,"running":0,"positions":5,"after":null,"deadline":null,"outputs":{},"error":null,"ended":null,"worktree":null}',2,2,1.79587410885691046722e+09,1.79587410888788032528e+09,'fca0f1ee9b094a899d93c5f765e8b56a');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227036ae7b95908af79e0b615e55','repeat','waiting','{"name": "repeat", "steps": [{"id": "again", "repeat": {"max": 3, "until": "steps.q.answer == ''stop''"}, "do": [{"id": "add", "tool": "toy_add", "with": {"number": 1}}, {"id": "q", "needs": ["add"], "ask": "more?"}]}]}','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a2227036ae7b95908af79e0b615e55","inputs":{},"created":1795874109.102751,"parallel":4,"priority":"normal","unattended":false,"status":"waiting","paused":false,"calls":1,"running":0,"positions":5,"after":null,"deadline":null,"outputs":{},"error":null,"ended":null,"worktree":null}',2,2,1.79587410910275101661e+09,1.79587410914553546902e+09,'fca0f1ee9b094a899d93c5f765e8b56a');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227036e8706e85a205dde0a4ced7','sub','waiting','{"name": "sub", "steps": [{"id": "inside", "workflow": "inner", "with": {"text": "deep"}}], "workflows": {"inner": {"inputs": {"text": {"type": "string"}}, "steps": [{"id": "say", "tool": "toy_say", "with": {"text": "${{ inputs.text }}"}}, {"id": "q", "needs": ["say"], "ask": "out?"}]}}}','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a2227036e8706e85a205dde0a4ced7","inputs":{},"created":1795874109.1608398,"parallel":4,"priority":"normal","unattended":false,"status":"waiting","paused":false,"calls":1,"running":0,"positions":4,"after":null,"deadline":null,"outputs":{},"error":null,"ended":null,"worktree":null}',2,2,1.79587410916083979606e+09,1.79587410918537926677e+09,'fca0f1ee9b094a899d93c5f765e8b56a');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a22270370473d9b5f7c65439e71f58','running','running','{"name": "running", "timeout": "5h", "steps": [{"id": "hold", "tool": "toy_hold", "with": {"text": "running"}}, {"id": "after", "needs": ["hold"], "tool": "toy_say", "with": {"text": "after"}}]}','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a22270370473d9b5f7c65439e71f58","inputs":{},"created":1795874109.188457,"parallel":4,"priority":"high","unattended":false,"status":"running","paused":false,"calls":1,"running":1,"positions":3,"after":null,"deadline":1795892109.191578,"outputs":{},"error":null,"ended":null,"worktree":null,"in_flight":{"hold":{"position":1,"attempt":1,"started":1795874109.191578}}}',1,2,1.79587410918845701221e+09,1.79587410919157791132e+09,'fca0f1ee9b094a899d93c5f765e8b56a');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227037177ed88c99a065478ffa11','effect','running','{"name": "effect", "steps": [{"id": "effect", "tool": "toy_hold_write", "with": {"text": "effect"}}]}','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a2227037177ed88c99a065478ffa11","inputs":{},"created":1795874109.208044,"parallel":4,"priority":"normal","unattended":false,"status":"running","paused":false,"calls":1,"running":1,"positions":2,"after":null,"deadline":null,"outputs":{},"error":null,"ended":null,"worktree":null,"in_flight":{"effect":{"position":1,"attempt":1,"started":1795874109.2105455}}}',1,2,1.7958741092080440521e+09,1.79587410921054553983e+09,'fca0f1ee9b094a899d93c5f765e8b56a');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227037227d3d8e623ee05d7228b4','paused','paused','{"name": "paused", "steps": [{"id": "q", "ask": "well?"}, {"id": "a", "needs": ["q"], "tool": "toy_say", "with": {"text": "paused"}}]}','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a2227037227d3d8e623ee05d7228b4","inputs":{},"created":1795874109.2188864,"parallel":4,"priority":"normal","unattended":false,"status":"paused","paused":true,"calls":0,"running":0,"positions":3,"after":null,"deadline":null,"outputs":{},"error":null,"ended":null,"worktree":null}',2,2,1.79587410921888637541e+09,1.79587410924226307867e+09,'fca0f1ee9b094a899d93c5f765e8b56a');
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
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227032667eb09cc2675015bf1eb7','','running','{"position":0,"open":1,"started":1795874108.0211546}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227032667eb09cc2675015bf1eb7','effect','lost','{"position":1,"attempt":1,"error":{"code":"lost","message":"The process died during this step; whether its effect happened is not known.","hint":"look whether its effect happened, then workflow_control retry or cancel, or workflow_answer","retryable":false},"started":1795874108.0211546}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a22270332872a38ea2f701454fae52','','succeeded','{"position":0,"started":1795874108.219566,"ended":1795874108.260941}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a22270332872a38ea2f701454fae52','a','succeeded','{"position":1,"attempt":1,"started":1795874108.219566,"ended":1795874108.260941}',NULL,'{"text_":"","number":2}',NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a22270336e73cfa576aa81e46d7beb','','failed','{"position":0,"error":{"code":"provider_failed","message":"a: not yet","hint":"","retryable":true},"failed":1,"blame":true,"started":1795874108.2732584,"ended":1795874108.2762392}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a22270336e73cfa576aa81e46d7beb','b','skipped','{"position":2,"blame":true,"ended":1795874108.2762392}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a22270336e73cfa576aa81e46d7beb','a','failed','{"position":1,"attempt":1,"error":{"code":"provider_failed","message":"not yet","hint":"","retryable":true},"blame":true,"started":1795874108.2732584,"ended":1795874108.2762392}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a22270337a7e69b45fe4db57ee4220','','cancelled','{"position":0,"open":1,"blame":true,"started":1795874108.2852614,"ended":1795874109.2261548}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a22270337a7e69b45fe4db57ee4220','q','cancelled','{"position":1,"request":{"kind":"ask","text":"well?","with":{},"answer":{},"digest":"d31b7a3c385ec39048e431b77ed281223017638133c59fe8fa901efaef353a07"},"blame":true,"started":1795874108.2852614,"ended":1795874109.2261548}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a22270346277fd81b48feb3a839bc1','','succeeded','{"position":0,"started":1795874108.516577,"ended":1795874108.6751795}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a22270346277fd81b48feb3a839bc1','a','succeeded','{"position":1,"attempt":1,"started":1795874108.670256,"ended":1795874108.6751795}',NULL,'{"text_":"t","number":1}',NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a22270358a7f769756871d6a21cb86','','running','{"position":0,"open":1,"started":1795874108.8123584}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a22270358a7f769756871d6a21cb86','a','ready','{"position":1,"attempt":1,"wake":1795876709.9070814,"error":{"code":"provider_failed","message":"not yet","hint":"","retryable":true},"started":1795874108.8123584}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a22270359a7797ba21c0a220ac2609','','running','{"position":0,"open":1,"started":1795874108.8431504}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a22270359a7797ba21c0a220ac2609','a','waiting','{"position":1,"request":{"kind":"ask","text":"well, you?","with":{},"answer":{},"digest":"25571661f30d325e40cf5f0dc4a6ebb28b3f82663e762fbcb8efe87e80d5bf82"},"started":1795874108.8431504}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227035b17273bc213ee90f65e53e','','running','{"position":0,"open":2,"started":1795874108.8508303}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227035b17273bc213ee90f65e53e','b','pending','{"position":2,"waits":1}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227035b17273bc213ee90f65e53e','g','waiting','{"position":1,"request":{"kind":"approve","text":"go?","level":"model","then":["b"],"digest":"7466eaf5359b1e7dc4761cfae6cb8c13786b343acfdf1f7b8022e4fab67a48ae"},"started":1795874108.8508303}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227035b87e77a1f946ccd2bcd173','','running','{"position":0,"open":1,"started":1795874108.8701122}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227035b87e77a1f946ccd2bcd173','each','running','{"position":1,"opened":1,"open":1,"started":1795874108.8701122}','["a","b","c"]',NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227035b87e77a1f946ccd2bcd173','each.0','running','{"position":2,"open":1,"started":1795874108.8701122}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227035b87e77a1f946ccd2bcd173','each.0.q','waiting','{"position":4,"request":{"kind":"ask","text":"a?","with":{},"answer":{},"digest":"f7243812394955d261cfb8400de09530f9b75da202c226892724046a39bc2c78"},"started":1795874108.8878803}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227035b87e77a1f946ccd2bcd173','each.0.say','succeeded','{"position":3,"attempt":1,"started":1795874108.8701122,"ended":1795874108.8878803}',NULL,'{"text_":"a","number":1}',NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227036ae7b95908af79e0b615e55','','running','{"position":0,"open":1,"started":1795874109.1088307}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227036ae7b95908af79e0b615e55','again','running','{"position":1,"opened":1,"open":1,"started":1795874109.1088307}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227036ae7b95908af79e0b615e55','again.0','running','{"position":2,"open":1,"started":1795874109.1088307}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227036ae7b95908af79e0b615e55','again.0.q','waiting','{"position":4,"request":{"kind":"ask","text":"more?","with":{},"answer":{},"digest":"ba4b8302ded115f3d05fae86379bc126a90f53adf4efdad09a9cfb9a5d175da7"},"started":1795874109.1455355}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227036ae7b95908af79e0b615e55','again.0.add','succeeded','{"position":3,"attempt":1,"started":1795874109.1088307,"ended":1795874109.1455355}',NULL,'{"text_":"","number":2}',NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227036e8706e85a205dde0a4ced7','','running','{"position":0,"open":1,"started":1795874109.179189}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227036e8706e85a205dde0a4ced7','inside','running','{"position":1,"open":1,"started":1795874109.179189}','{"text":"deep"}',NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227036e8706e85a205dde0a4ced7','inside.q','waiting','{"position":3,"request":{"kind":"ask","text":"out?","with":{},"answer":{},"digest":"080e961c3e34ba6fa87f2bf5a61c59b0c2315bf36ca72fd80577528fdbcbc5da"},"started":1795874109.1853793}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227036e8706e85a205dde0a4ced7','inside.say','succeeded','{"position":2,"attempt":1,"started":1795874109.179189,"ended":1795874109.1853793}',NULL,'{"text_":"deep","number":4}',NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a22270370473d9b5f7c65439e71f58','','running','{"position":0,"open":2,"started":1795874109.191578}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a22270370473d9b5f7c65439e71f58','after','pending','{"position":2,"waits":1}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227037177ed88c99a065478ffa11','','running','{"position":0,"open":1,"started":1795874109.2105455}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227037227d3d8e623ee05d7228b4','','running','{"position":0,"open":2,"started":1795874109.22069}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227037227d3d8e623ee05d7228b4','a','pending','{"position":2,"waits":1}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2227037227d3d8e623ee05d7228b4','q','waiting','{"position":1,"request":{"kind":"ask","text":"well?","with":{},"answer":{},"digest":"f7f3683bfba16182e4a0fd8b598ceaeaceabe54e45d647eab3eaefb6bdd0851b"},"started":1795874109.22069}',NULL,NULL,NULL);
CREATE INDEX audit_by_scope ON audit (tenant, scope, at);
CREATE TRIGGER audit_is_append_only_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit trail is append only'); END;
CREATE INDEX undo_by_run ON undo (tenant, scope, run_id) WHERE run_id IS NOT NULL;
CREATE INDEX undo_pending ON undo (state) WHERE state = 'pending';
CREATE INDEX knowledge_gone_by_scope ON knowledge_gone (tenant, scope);
CREATE INDEX workflow_run_by_scope ON workflow_run (tenant, scope, created);
CREATE INDEX workflow_run_unfinished ON workflow_run (created)
    WHERE status NOT IN ('succeeded', 'failed', 'cancelled');
CREATE TRIGGER workflow_run_end_is_final BEFORE UPDATE OF status ON workflow_run
WHEN OLD.status IN ('succeeded', 'failed', 'cancelled') AND NEW.status IS NOT OLD.status
BEGIN SELECT RAISE(ABORT, 'a run that ended has ended'); END;
CREATE TRIGGER workflow_step_end_is_final BEFORE UPDATE ON workflow_step
WHEN OLD.status IN ('succeeded', 'failed', 'skipped', 'cancelled') AND
    (NEW.status IS NOT OLD.status OR NEW.output IS NOT OLD.output OR NEW.output_ref IS NOT OLD.output_ref)
BEGIN SELECT RAISE(ABORT, 'a step that ended has ended'); END;
CREATE TRIGGER workflow_event_is_append_only BEFORE UPDATE ON workflow_event
BEGIN SELECT RAISE(ABORT, 'the journal is append only'); END;
CREATE INDEX workflow_run_ended ON workflow_run (updated)
    WHERE status IN ('succeeded', 'failed', 'cancelled');
CREATE INDEX test_run_by_project ON test_run (tenant, scope, project, seq);
CREATE INDEX knowledge_document_by_age ON knowledge_document (tenant, scope, updated);
CREATE INDEX knowledge_chunk_by_document ON knowledge_chunk (tenant, scope, document, ordinal);
CREATE INDEX knowledge_chunk_by_collection ON knowledge_chunk (tenant, scope, collection, placed);
CREATE INDEX knowledge_chunk_by_content ON knowledge_chunk (tenant, scope, sha256);
CREATE INDEX knowledge_chunk_pending ON knowledge_chunk (id) WHERE placed = 0;
CREATE TRIGGER knowledge_chunk_goes AFTER DELETE ON knowledge_chunk
BEGIN
    INSERT INTO knowledge_gone VALUES (old.id, old.tenant, old.scope, old.collection);
END;
CREATE INDEX knowledge_forgotten_by_source ON knowledge_forgotten (tenant, scope, collection, source);
CREATE INDEX knowledge_forgotten_by_age ON knowledge_forgotten (tenant, scope, at);
CREATE UNIQUE INDEX undo_by_call ON undo (tenant, scope, call_key) WHERE call_key IS NOT NULL;
DELETE FROM "sqlite_sequence";
COMMIT;
PRAGMA user_version = 12;
