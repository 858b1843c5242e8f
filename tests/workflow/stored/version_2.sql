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
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bae117871a7300d8096d6bbdf',1,1.79587695771512770651e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bae117871a7300d8096d6bbdf',2,1.79587695776316833493e+09,'recovered','','{"slots":8,"repeatable":["toy_add","toy_flaky","toy_hold","toy_list","toy_say","workflow_check","workflow_status"]}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bae117871a7300d8096d6bbdf',3,1.79587695776316833493e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bae53718993f51f6280f1e190',1,1.79587695778058433534e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bae53718993f51f6280f1e190',2,1.79587695779468822484e+09,'finished','a','{"slots":8,"attempt":1}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bae7274ef8b35a2ed304bcc41',1,1.79587695781304574008e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bae7274ef8b35a2ed304bcc41',2,1.79587695781582474706e+09,'finished','a','{"slots":8,"attempt":1,"error":{"code":"provider_failed","message":"not yet","hint":"","retryable":true}}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bae817d26ad1d9e5e5e3bc75a',1,1.79587695782745647432e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bae817d26ad1d9e5e5e3bc75a',2,1.79587695833693766593e+09,'cancelled','','{"slots":6}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229baed07e8fa70e3bc0b4ee89d2',1,1.79587695790655016902e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229baed07e8fa70e3bc0b4ee89d2',2,1.79587695797041416168e+09,'made','','{"slots":8,"tree":"/tmp/astro-mcp-stored/.astro-mcp/runs/run_01a2229baed07e8fa70e3bc0b4ee89d2","branch":"astro/run_01a2229baed07e8fa70e3bc0b4ee89d2","base":"238e254c947af334321bb021a873e18fbfcace24"}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229baed07e8fa70e3bc0b4ee89d2',3,1.7958769579744265079e+09,'finished','a','{"slots":8,"attempt":1}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229baed07e8fa70e3bc0b4ee89d2',4,1.79587695806524777408e+09,'closed','','{"slots":8,"branch":"","sha":"","left":""}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229baf7b7a8aaf57fe59dfcb52a4',1,1.79587695807904171949e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229baf837265b48b141747d532ca',1,1.79587695808475112917e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229baf837265b48b141747d532ca',2,1.7958769580878129005e+09,'finished','a','{"slots":8,"attempt":1,"error":{"code":"provider_failed","message":"not yet","hint":"","retryable":true}}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229baf89707c97b491b549431e70',1,1.79587695809237599372e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229baf917068916273cce7f4dd00',1,1.79587695809837985042e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229baf99764b850c719fdbbc5ca6',1,1.79587695810748434067e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229baf99764b850c719fdbbc5ca6',2,1.79587695811516165735e+09,'finished','each.0.say','{"slots":8,"attempt":1}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bb04a7ce0b660a121955db2cf',1,1.79587695828417897225e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bb04a7ce0b660a121955db2cf',2,1.79587695829052639007e+09,'finished','again.0.add','{"slots":8,"attempt":1}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bb0567d0f863c4788d5d98788',1,1.79587695829833436014e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bb0567d0f863c4788d5d98788',2,1.79587695831059551243e+09,'finished','inside.say','{"slots":8,"attempt":1}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bb06e7bd59798d9616c531fcc',1,1.79587695832078456876e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bb0757eec81ce9c00b778c91a',1,1.79587695832692933084e+09,'began','','{"slots":7}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bb07b77f9a51cc4978ff419f1',1,1.79587695833310985568e+09,'began','','{"slots":6}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bb07b77f9a51cc4978ff419f1',2,1.79587695834294271473e+09,'paused','','{"slots":6}');
CREATE TABLE workflow_given (
    tenant TEXT NOT NULL,
    scope  TEXT NOT NULL,
    run_id TEXT NOT NULL,
    spec   TEXT NOT NULL,
    inputs TEXT NOT NULL,
    PRIMARY KEY (tenant, scope, run_id),
    FOREIGN KEY (tenant, scope, run_id) REFERENCES workflow_run (tenant, scope, run_id) ON DELETE CASCADE
) STRICT;
INSERT INTO "workflow_given" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bae117871a7300d8096d6bbdf','{"name": "lost", "steps": [{"id": "effect", "tool": "toy_hold_write", "with": {"text": "lost"}}]}','{}');
INSERT INTO "workflow_given" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bae53718993f51f6280f1e190','{"name": "succeeded", "steps": [{"id": "a", "tool": "toy_add", "with": {"number": 1}}], "outputs": {"n": "${{ steps.a.number }}"}}','{}');
INSERT INTO "workflow_given" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bae7274ef8b35a2ed304bcc41','{"name": "failed", "steps": [{"id": "a", "tool": "toy_flaky"}, {"id": "b", "needs": ["a"], "tool": "toy_say"}]}','{}');
INSERT INTO "workflow_given" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bae817d26ad1d9e5e5e3bc75a','{"name": "cancelled", "steps": [{"id": "q", "ask": "well?"}]}','{}');
INSERT INTO "workflow_given" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229baed07e8fa70e3bc0b4ee89d2','{"name": "tree", "workspace": "worktree", "steps": [{"id": "a", "tool": "toy_say", "with": {"text": "t"}}]}','{}');
INSERT INTO "workflow_given" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229baf7b7a8aaf57fe59dfcb52a4','{"name": "queued", "delay": "1h", "steps": [{"id": "a", "tool": "toy_say", "with": {"text": "queued"}}]}','{}');
INSERT INTO "workflow_given" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229baf837265b48b141747d532ca','{"name": "retry", "steps": [{"id": "a", "tool": "toy_flaky", "retry": {"max_attempts": 3, "initial_interval": "1h", "max_interval": "1h"}}]}','{}');
INSERT INTO "workflow_given" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229baf89707c97b491b549431e70','{"name": "ask", "inputs": {"who": {"type": "string", "default": "you"}}, "steps": [{"id": "a", "ask": "well, ${{ inputs.who }}?"}], "outputs": {"a": "${{ steps.a.answer }}"}}','{"who":"you"}');
INSERT INTO "workflow_given" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229baf917068916273cce7f4dd00','{"name": "gate", "steps": [{"id": "g", "approve": {"message": "go?", "level": "model"}}, {"id": "b", "needs": ["g"], "tool": "toy_say", "with": {"text": "gate"}}]}','{}');
INSERT INTO "workflow_given" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229baf99764b850c719fdbbc5ca6','{"name": "foreach", "steps": [{"id": "each", "foreach": ["a", "b", "c"], "max_parallel": 1, "do": [{"id": "say", "tool": "toy_say", "with": {"text": "${{ item }}"}}, {"id": "q", "needs": ["say"], "ask": "${{ item }}?"}]}]}','{}');
INSERT INTO "workflow_given" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bb04a7ce0b660a121955db2cf','{"name": "repeat", "steps": [{"id": "again", "repeat": {"max": 3, "until": "steps.q.answer == ''stop''"}, "do": [{"id": "add", "tool": "toy_add", "with": {"number": 1}}, {"id": "q", "needs": ["add"], "ask": "more?"}]}]}','{}');
INSERT INTO "workflow_given" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bb0567d0f863c4788d5d98788','{"name": "sub", "steps": [{"id": "inside", "workflow": "inner", "with": {"text": "deep"}}], "workflows": {"inner": {"inputs": {"text": {"type": "string"}}, "steps": [{"id": "say", "tool": "toy_say", "with": {"text": "${{ inputs.text }}"}}, {"id": "q", "needs": ["say"], "ask": "out?"}]}}}','{}');
INSERT INTO "workflow_given" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bb06e7bd59798d9616c531fcc','{"name": "running", "timeout": "5h", "steps": [{"id": "hold", "tool": "toy_hold", "with": {"text": "running"}}, {"id": "after", "needs": ["hold"], "tool": "toy_say", "with": {"text": "after"}}]}','{}');
INSERT INTO "workflow_given" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bb0757eec81ce9c00b778c91a','{"name": "effect", "steps": [{"id": "effect", "tool": "toy_hold_write", "with": {"text": "effect"}}]}','{}');
INSERT INTO "workflow_given" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bb07b77f9a51cc4978ff419f1','{"name": "paused", "steps": [{"id": "q", "ask": "well?"}, {"id": "a", "needs": ["q"], "tool": "toy_say", "with": {"text": "paused"}}]}','{}');
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
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bae117871a7300d8096d6bbdf','lost','waiting','','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a2229bae117871a7300d8096d6bbdf","created":1795876957.713018,"parallel":4,"priority":"normal","unattended":false,"status":"waiting","paused":false,"calls":1,"running":0,"positions":2,"after":null,"deadline":null,"outputs":{},"error":null,"ended":null,"worktree":null}',3,2,1.7958769577130179405e+09,1.79587695776316833493e+09,'3881af6ff3464f94b6ae9fc9ab1d6225');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bae53718993f51f6280f1e190','succeeded','succeeded','','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a2229bae53718993f51f6280f1e190","created":1795876957.7791822,"parallel":4,"priority":"normal","unattended":false,"status":"succeeded","paused":false,"calls":1,"running":0,"positions":2,"after":null,"deadline":null,"outputs":{"n":2},"error":null,"ended":1795876957.7946882,"worktree":null}',2,2,1.79587695777918219565e+09,1.79587695779468822484e+09,'3881af6ff3464f94b6ae9fc9ab1d6225');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bae7274ef8b35a2ed304bcc41','failed','failed','','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a2229bae7274ef8b35a2ed304bcc41","created":1795876957.8109517,"parallel":4,"priority":"normal","unattended":false,"status":"failed","paused":false,"calls":1,"running":0,"positions":3,"after":null,"deadline":null,"outputs":{},"error":{"code":"provider_failed","message":"a: not yet","hint":"","retryable":true},"ended":1795876957.8158247,"worktree":null}',2,2,1.79587695781095170975e+09,1.79587695781582474706e+09,'3881af6ff3464f94b6ae9fc9ab1d6225');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bae817d26ad1d9e5e5e3bc75a','cancelled','cancelled','','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a2229bae817d26ad1d9e5e5e3bc75a","created":1795876957.8251064,"parallel":4,"priority":"normal","unattended":false,"status":"cancelled","paused":false,"calls":0,"running":0,"positions":2,"after":null,"deadline":null,"outputs":{},"error":null,"ended":1795876958.3369377,"worktree":null}',2,2,1.79587695782510638241e+09,1.79587695833693766593e+09,'3881af6ff3464f94b6ae9fc9ab1d6225');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229baed07e8fa70e3bc0b4ee89d2','tree','succeeded','','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','["private","untrusted"]','{"run_id":"run_01a2229baed07e8fa70e3bc0b4ee89d2","created":1795876957.9048762,"parallel":4,"priority":"normal","unattended":false,"status":"succeeded","paused":false,"calls":1,"running":0,"positions":2,"after":null,"deadline":null,"outputs":{},"error":null,"ended":1795876958.0652478,"worktree":{"phase":"closed","path":"/tmp/astro-mcp-stored/.astro-mcp/runs/run_01a2229baed07e8fa70e3bc0b4ee89d2","branch":"","base":"238e254c947af334321bb021a873e18fbfcace24","sha":"","left":""}}',4,2,1.79587695790487623208e+09,1.79587695806524777408e+09,'3881af6ff3464f94b6ae9fc9ab1d6225');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229baf7b7a8aaf57fe59dfcb52a4','queued','queued','','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a2229baf7b7a8aaf57fe59dfcb52a4","created":1795876958.0757992,"parallel":4,"priority":"normal","unattended":false,"status":"queued","paused":false,"calls":0,"running":0,"positions":0,"after":1795880558.0757992,"deadline":null,"outputs":{},"error":null,"ended":null,"worktree":null}',1,2,1.79587695807579922672e+09,1.79587695807904171949e+09,'3881af6ff3464f94b6ae9fc9ab1d6225');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229baf837265b48b141747d532ca','retry','running','','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a2229baf837265b48b141747d532ca","created":1795876958.0835354,"parallel":4,"priority":"normal","unattended":false,"status":"running","paused":false,"calls":1,"running":0,"positions":2,"after":null,"deadline":null,"outputs":{},"error":null,"ended":null,"worktree":null}',2,2,1.79587695808353543279e+09,1.7958769580878129005e+09,'3881af6ff3464f94b6ae9fc9ab1d6225');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229baf89707c97b491b549431e70','ask','waiting','','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a2229baf89707c97b491b549431e70","created":1795876958.089914,"parallel":4,"priority":"normal","unattended":false,"status":"waiting","paused":false,"calls":0,"running":0,"positions":2,"after":null,"deadline":null,"outputs":{},"error":null,"ended":null,"worktree":null}',1,2,1.79587695808991408344e+09,1.79587695809237599372e+09,'3881af6ff3464f94b6ae9fc9ab1d6225');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229baf917068916273cce7f4dd00','gate','waiting','','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a2229baf917068916273cce7f4dd00","created":1795876958.0970798,"parallel":4,"priority":"normal","unattended":false,"status":"waiting","paused":false,"calls":0,"running":0,"positions":3,"after":null,"deadline":null,"outputs":{},"error":null,"ended":null,"worktree":null}',1,2,1.79587695809707975384e+09,1.79587695809837985042e+09,'3881af6ff3464f94b6ae9fc9ab1d6225');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229baf99764b850c719fdbbc5ca6','foreach','waiting','','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a2229baf99764b850c719fdbbc5ca6","created":1795876958.105068,"parallel":4,"priority":"normal","unattended":false,"status":"waiting","paused":false,"calls":1,"running":0,"positions":5,"after":null,"deadline":null,"outputs":{},"error":null,"ended":null,"worktree":null}',2,2,1.79587695810506796836e+09,1.79587695811516165735e+09,'3881af6ff3464f94b6ae9fc9ab1d6225');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bb04a7ce0b660a121955db2cf','repeat','waiting','','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a2229bb04a7ce0b660a121955db2cf","created":1795876958.2822359,"parallel":4,"priority":"normal","unattended":false,"status":"waiting","paused":false,"calls":1,"running":0,"positions":5,"after":null,"deadline":null,"outputs":{},"error":null,"ended":null,"worktree":null}',2,2,1.79587695828223586078e+09,1.79587695829052639007e+09,'3881af6ff3464f94b6ae9fc9ab1d6225');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bb0567d0f863c4788d5d98788','sub','waiting','','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a2229bb0567d0f863c4788d5d98788","created":1795876958.294457,"parallel":4,"priority":"normal","unattended":false,"status":"waiting","paused":false,"calls":1,"running":0,"positions":4,"after":null,"deadline":null,"outputs":{},"error":null,"ended":null,"worktree":null}',2,2,1.7958769582944569587e+09,1.79587695831059551243e+09,'3881af6ff3464f94b6ae9fc9ab1d6225');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bb06e7bd59798d9616c531fcc','running','running','','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a2229bb06e7bd59798d9616c531fcc","created":1795876958.318843,"parallel":4,"priority":"high","unattended":false,"status":"running","paused":false,"calls":1,"running":1,"positions":3,"after":null,"deadline":1795894958.3207846,"outputs":{},"error":null,"ended":null,"worktree":null,"in_flight":{"hold":{"position":1,"attempt":1,"started":1795876958.3207846}}}',1,2,1.79587695831884288787e+09,1.79587695832078456876e+09,'3881af6ff3464f94b6ae9fc9ab1d6225');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bb0757eec81ce9c00b778c91a','effect','running','','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a2229bb0757eec81ce9c00b778c91a","created":1795876958.3255165,"parallel":4,"priority":"normal","unattended":false,"status":"running","paused":false,"calls":1,"running":1,"positions":2,"after":null,"deadline":null,"outputs":{},"error":null,"ended":null,"worktree":null,"in_flight":{"effect":{"position":1,"attempt":1,"started":1795876958.3269293}}}',1,2,1.79587695832551646232e+09,1.79587695832692933084e+09,'3881af6ff3464f94b6ae9fc9ab1d6225');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bb07b77f9a51cc4978ff419f1','paused','paused','','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a2229bb07b77f9a51cc4978ff419f1","created":1795876958.3316686,"parallel":4,"priority":"normal","unattended":false,"status":"paused","paused":true,"calls":0,"running":0,"positions":3,"after":null,"deadline":null,"outputs":{},"error":null,"ended":null,"worktree":null}',2,2,1.79587695833166861533e+09,1.79587695834294271473e+09,'3881af6ff3464f94b6ae9fc9ab1d6225');
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
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bae117871a7300d8096d6bbdf','','running','{"position":0,"open":1,"started":1795876957.7151277}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bae117871a7300d8096d6bbdf','effect','lost','{"position":1,"attempt":1,"error":{"code":"lost","message":"The process died during this step; whether its effect happened is not known.","hint":"look whether its effect happened, then workflow_control retry or cancel, or workflow_answer","retryable":false},"started":1795876957.7151277}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bae53718993f51f6280f1e190','','succeeded','{"position":0,"started":1795876957.7805843,"ended":1795876957.7946882}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bae53718993f51f6280f1e190','a','succeeded','{"position":1,"attempt":1,"started":1795876957.7805843,"ended":1795876957.7946882}',NULL,'{"text_":"","number":2}',NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bae7274ef8b35a2ed304bcc41','','failed','{"position":0,"error":{"code":"provider_failed","message":"a: not yet","hint":"","retryable":true},"failed":1,"blame":true,"started":1795876957.8130457,"ended":1795876957.8158247}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bae7274ef8b35a2ed304bcc41','b','skipped','{"position":2,"blame":true,"ended":1795876957.8158247}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bae7274ef8b35a2ed304bcc41','a','failed','{"position":1,"attempt":1,"error":{"code":"provider_failed","message":"not yet","hint":"","retryable":true},"blame":true,"started":1795876957.8130457,"ended":1795876957.8158247}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bae817d26ad1d9e5e5e3bc75a','','cancelled','{"position":0,"open":1,"blame":true,"started":1795876957.8274565,"ended":1795876958.3369377}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bae817d26ad1d9e5e5e3bc75a','q','cancelled','{"position":1,"request":{"kind":"ask","text":"well?","with":{},"answer":{},"digest":"2381eb0cd6f5ce574fa0aa9fda1e0e90625cd2484b871e200c4304038ae3da62"},"blame":true,"started":1795876957.8274565,"ended":1795876958.3369377}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229baed07e8fa70e3bc0b4ee89d2','','succeeded','{"position":0,"started":1795876957.9065502,"ended":1795876957.9744265}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229baed07e8fa70e3bc0b4ee89d2','a','succeeded','{"position":1,"attempt":1,"started":1795876957.9704142,"ended":1795876957.9744265}',NULL,'{"text_":"t","number":1}',NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229baf837265b48b141747d532ca','','running','{"position":0,"open":1,"started":1795876958.0847511}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229baf837265b48b141747d532ca','a','ready','{"position":1,"attempt":1,"wake":1795880033.7961247,"error":{"code":"provider_failed","message":"not yet","hint":"","retryable":true},"started":1795876958.0847511}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229baf89707c97b491b549431e70','','running','{"position":0,"open":1,"started":1795876958.092376}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229baf89707c97b491b549431e70','a','waiting','{"position":1,"request":{"kind":"ask","text":"well, you?","with":{},"answer":{},"digest":"83931e9ddc81346f54e63368b67669adacd6e7376d2850a356b3e63907fa1c2b"},"started":1795876958.092376}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229baf917068916273cce7f4dd00','','running','{"position":0,"open":2,"started":1795876958.0983799}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229baf917068916273cce7f4dd00','b','pending','{"position":2,"waits":1}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229baf917068916273cce7f4dd00','g','waiting','{"position":1,"request":{"kind":"approve","text":"go?","level":"model","then":["b"],"digest":"6c192f8ac055a7835dfff7eae432e378d46f07c24ee16bfc2bd5f410351974bc"},"started":1795876958.0983799}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229baf99764b850c719fdbbc5ca6','','running','{"position":0,"open":1,"started":1795876958.1074843}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229baf99764b850c719fdbbc5ca6','each','running','{"position":1,"opened":1,"open":1,"started":1795876958.1074843}','["a","b","c"]',NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229baf99764b850c719fdbbc5ca6','each.0','running','{"position":2,"open":1,"started":1795876958.1074843}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229baf99764b850c719fdbbc5ca6','each.0.q','waiting','{"position":4,"request":{"kind":"ask","text":"a?","with":{},"answer":{},"digest":"8ac95bfca315a706380e39a15d3cfdc9b1e105375b174fdf562cca57fb3e0bf8"},"started":1795876958.1151617}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229baf99764b850c719fdbbc5ca6','each.0.say','succeeded','{"position":3,"attempt":1,"started":1795876958.1074843,"ended":1795876958.1151617}',NULL,'{"text_":"a","number":1}',NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bb04a7ce0b660a121955db2cf','','running','{"position":0,"open":1,"started":1795876958.284179}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bb04a7ce0b660a121955db2cf','again','running','{"position":1,"opened":1,"open":1,"started":1795876958.284179}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bb04a7ce0b660a121955db2cf','again.0','running','{"position":2,"open":1,"started":1795876958.284179}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bb04a7ce0b660a121955db2cf','again.0.q','waiting','{"position":4,"request":{"kind":"ask","text":"more?","with":{},"answer":{},"digest":"f100798116325c231f9424505dec8505f28536fde94faececb52cad9049b670f"},"started":1795876958.2905264}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bb04a7ce0b660a121955db2cf','again.0.add','succeeded','{"position":3,"attempt":1,"started":1795876958.284179,"ended":1795876958.2905264}',NULL,'{"text_":"","number":2}',NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bb0567d0f863c4788d5d98788','','running','{"position":0,"open":1,"started":1795876958.2983344}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bb0567d0f863c4788d5d98788','inside','running','{"position":1,"open":1,"started":1795876958.2983344}','{"text":"deep"}',NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bb0567d0f863c4788d5d98788','inside.q','waiting','{"position":3,"request":{"kind":"ask","text":"out?","with":{},"answer":{},"digest":"36f3c6412de97b3f00d0a4ecf66ff5e955d3e33bb74464bc852ce6e340e8a4c4"},"started":1795876958.3105955}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bb0567d0f863c4788d5d98788','inside.say','succeeded','{"position":2,"attempt":1,"started":1795876958.2983344,"ended":1795876958.3105955}',NULL,'{"text_":"deep","number":4}',NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bb06e7bd59798d9616c531fcc','','running','{"position":0,"open":2,"started":1795876958.3207846}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bb06e7bd59798d9616c531fcc','after','pending','{"position":2,"waits":1}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bb0757eec81ce9c00b778c91a','','running','{"position":0,"open":1,"started":1795876958.3269293}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bb07b77f9a51cc4978ff419f1','','running','{"position":0,"open":2,"started":1795876958.3331099}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bb07b77f9a51cc4978ff419f1','a','pending','{"position":2,"waits":1}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2229bb07b77f9a51cc4978ff419f1','q','waiting','{"position":1,"request":{"kind":"ask","text":"well?","with":{},"answer":{},"digest":"bb4d4cc0ca9404c743d3b879a6ae569b55be4e3e7bfa5a3c2ac99e9922ae0fb1"},"started":1795876958.3331099}',NULL,NULL,NULL);
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
CREATE TRIGGER workflow_given_is_final BEFORE UPDATE ON workflow_given
BEGIN SELECT RAISE(ABORT, 'what a run was given stays as it is'); END;
DELETE FROM "sqlite_sequence";
COMMIT;
PRAGMA user_version = 13;
