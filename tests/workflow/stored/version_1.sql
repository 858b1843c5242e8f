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
    undone_by TEXT,
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
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb1ca78a480a25652c4ee087a',1,1.79585520071588182443e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb1ca78a480a25652c4ee087a',2,1.7958552007428989411e+09,'recovered','','{"slots":8,"repeatable":["toy_add","toy_flaky","toy_hold","toy_list","toy_say","workflow_check","workflow_status"]}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb1ca78a480a25652c4ee087a',3,1.7958552007428989411e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb1f17d27bdab6a345b09b955',1,1.79585520075430822364e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb1f17d27bdab6a345b09b955',2,1.79585520075606036183e+09,'finished','a','{"slots":8,"attempt":1}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb1f8704bbb795902b2202f8a',1,1.79585520076141881944e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb1f8704bbb795902b2202f8a',2,1.79585520076298880576e+09,'finished','a','{"slots":8,"attempt":1,"error":{"code":"provider_failed","message":"not yet","hint":"","retryable":true}}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb20074719c2bd1b05d340497',1,1.79585520076898264886e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb20074719c2bd1b05d340497',2,1.79585520099157953258e+09,'cancelled','','{"slots":6}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb22f7621936122edb0ecebdd',1,1.79585520081696438788e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb22f7621936122edb0ecebdd',2,1.79585520084477663041e+09,'made','','{"slots":8,"tree":"/tmp/astro-mcp-stored/.astro-mcp/runs/run_01a2214fb22f7621936122edb0ecebdd","branch":"astro/run_01a2214fb22f7621936122edb0ecebdd","base":"6bb18db8c59a7c399800ae6f7ce40f97f8070f7c"}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb22f7621936122edb0ecebdd',3,1.79585520084649062156e+09,'finished','a','{"slots":8,"attempt":1}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb22f7621936122edb0ecebdd',4,1.7958552008653552532e+09,'closed','','{"slots":8,"branch":"","sha":"","left":""}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb26578b38a9b49098d701bfb',1,1.79585520087090134621e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb26a758f89222a45a26fc6ac',1,1.79585520087497377394e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb26a758f89222a45a26fc6ac',2,1.79585520087744116785e+09,'finished','a','{"slots":8,"attempt":1,"error":{"code":"provider_failed","message":"not yet","hint":"","retryable":true}}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb26f754e8e35e5c85c256850',1,1.7958552008804709912e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2737a8cbeeeda2f8dbca42e',1,1.79585520088479757313e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2787bb6a5480baafe045740',1,1.79585520088923263548e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2787bb6a5480baafe045740',2,1.79585520089189267164e+09,'finished','each.0.say','{"slots":8,"attempt":1}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2c776dba430b0a79bc43ea0',1,1.79585520096826577185e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2c776dba430b0a79bc43ea0',2,1.79585520097083115574e+09,'finished','again.0.add','{"slots":8,"attempt":1}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2cd78739b664f1ced06aa31',1,1.79585520097400522234e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2cd78739b664f1ced06aa31',2,1.79585520097649312025e+09,'finished','inside.say','{"slots":8,"attempt":1}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2d2781eb40885fae5ff3ebd',1,1.79585520097981786728e+09,'began','','{"slots":8}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2d7752ab4207c53903aa261',1,1.79585520098404502866e+09,'began','','{"slots":7}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2db7aa2b596c7b7cf6d66ba',1,1.79585520098875522617e+09,'began','','{"slots":6}');
INSERT INTO "workflow_event" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2db7aa2b596c7b7cf6d66ba',2,1.79585520099609947204e+09,'paused','','{"slots":6}');
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
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb1ca78a480a25652c4ee087a','lost','waiting','{"name": "lost", "steps": [{"id": "effect", "tool": "toy_hold_write", "with": {"text": "lost"}}]}','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a2214fb1ca78a480a25652c4ee087a","inputs":{},"created":1795855200.714454,"parallel":4,"priority":"normal","unattended":false,"status":"waiting","paused":false,"calls":1,"running":0,"positions":2,"after":null,"deadline":null,"outputs":{},"error":null,"ended":null,"worktree":null}',3,1,1.79585520071445393563e+09,1.7958552007428989411e+09,'d0756fab3a34477cbfd92b551ce0af36');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb1f17d27bdab6a345b09b955','succeeded','succeeded','{"name": "succeeded", "steps": [{"id": "a", "tool": "toy_add", "with": {"number": 1}}], "outputs": {"n": "${{ steps.a.number }}"}}','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a2214fb1f17d27bdab6a345b09b955","inputs":{},"created":1795855200.7531664,"parallel":4,"priority":"normal","unattended":false,"status":"succeeded","paused":false,"calls":1,"running":0,"positions":2,"after":null,"deadline":null,"outputs":{"n":2},"error":null,"ended":1795855200.7560604,"worktree":null}',2,1,1.79585520075316643715e+09,1.79585520075606036183e+09,'d0756fab3a34477cbfd92b551ce0af36');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb1f8704bbb795902b2202f8a','failed','failed','{"name": "failed", "steps": [{"id": "a", "tool": "toy_flaky"}, {"id": "b", "needs": ["a"], "tool": "toy_say"}]}','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a2214fb1f8704bbb795902b2202f8a","inputs":{},"created":1795855200.7604518,"parallel":4,"priority":"normal","unattended":false,"status":"failed","paused":false,"calls":1,"running":0,"positions":3,"after":null,"deadline":null,"outputs":{},"error":{"code":"provider_failed","message":"a: not yet","hint":"","retryable":true},"ended":1795855200.7629888,"worktree":null}',2,1,1.79585520076045179367e+09,1.79585520076298880576e+09,'d0756fab3a34477cbfd92b551ce0af36');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb20074719c2bd1b05d340497','cancelled','cancelled','{"name": "cancelled", "steps": [{"id": "q", "ask": "well?"}]}','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a2214fb20074719c2bd1b05d340497","inputs":{},"created":1795855200.768008,"parallel":4,"priority":"normal","unattended":false,"status":"cancelled","paused":false,"calls":0,"running":0,"positions":2,"after":null,"deadline":null,"outputs":{},"error":null,"ended":1795855200.9915795,"worktree":null}',2,1,1.79585520076800799369e+09,1.79585520099157953258e+09,'d0756fab3a34477cbfd92b551ce0af36');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb22f7621936122edb0ecebdd','tree','succeeded','{"name": "tree", "workspace": "worktree", "steps": [{"id": "a", "tool": "toy_say", "with": {"text": "t"}}]}','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','["private","untrusted"]','{"run_id":"run_01a2214fb22f7621936122edb0ecebdd","inputs":{},"created":1795855200.815818,"parallel":4,"priority":"normal","unattended":false,"status":"succeeded","paused":false,"calls":1,"running":0,"positions":2,"after":null,"deadline":null,"outputs":{},"error":null,"ended":1795855200.8653553,"worktree":{"phase":"closed","path":"/tmp/astro-mcp-stored/.astro-mcp/runs/run_01a2214fb22f7621936122edb0ecebdd","branch":"","base":"6bb18db8c59a7c399800ae6f7ce40f97f8070f7c","sha":"","left":""}}',4,1,1.79585520081581807134e+09,1.7958552008653552532e+09,'d0756fab3a34477cbfd92b551ce0af36');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb26578b38a9b49098d701bfb','queued','queued','{"name": "queued", "delay": "1h", "steps": [{"id": "a", "tool": "toy_say", "with": {"text": "queued"}}]}','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a2214fb26578b38a9b49098d701bfb","inputs":{},"created":1795855200.869974,"parallel":4,"priority":"normal","unattended":false,"status":"queued","paused":false,"calls":0,"running":0,"positions":0,"after":1795858800.869974,"deadline":null,"outputs":{},"error":null,"ended":null,"worktree":null}',1,1,1.79585520086997389799e+09,1.79585520087090134621e+09,'d0756fab3a34477cbfd92b551ce0af36');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb26a758f89222a45a26fc6ac','retry','running','{"name": "retry", "steps": [{"id": "a", "tool": "toy_flaky", "retry": {"max_attempts": 3, "initial_interval": "1h", "max_interval": "1h"}}]}','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a2214fb26a758f89222a45a26fc6ac","inputs":{},"created":1795855200.874101,"parallel":4,"priority":"normal","unattended":false,"status":"running","paused":false,"calls":1,"running":0,"positions":2,"after":null,"deadline":null,"outputs":{},"error":null,"ended":null,"worktree":null}',2,1,1.79585520087410092354e+09,1.79585520087744116785e+09,'d0756fab3a34477cbfd92b551ce0af36');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb26f754e8e35e5c85c256850','ask','waiting','{"name": "ask", "inputs": {"who": {"type": "string", "default": "you"}}, "steps": [{"id": "a", "ask": "well, ${{ inputs.who }}?"}], "outputs": {"a": "${{ steps.a.answer }}"}}','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a2214fb26f754e8e35e5c85c256850","inputs":{"who":"you"},"created":1795855200.8792133,"parallel":4,"priority":"normal","unattended":false,"status":"waiting","paused":false,"calls":0,"running":0,"positions":2,"after":null,"deadline":null,"outputs":{},"error":null,"ended":null,"worktree":null}',1,1,1.79585520087921333316e+09,1.7958552008804709912e+09,'d0756fab3a34477cbfd92b551ce0af36');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2737a8cbeeeda2f8dbca42e','gate','waiting','{"name": "gate", "steps": [{"id": "g", "approve": {"message": "go?", "level": "model"}}, {"id": "b", "needs": ["g"], "tool": "toy_say", "with": {"text": "gate"}}]}','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a2214fb2737a8cbeeeda2f8dbca42e","inputs":{},"created":1795855200.883912,"parallel":4,"priority":"normal","unattended":false,"status":"waiting","paused":false,"calls":0,"running":0,"positions":3,"after":null,"deadline":null,"outputs":{},"error":null,"ended":null,"worktree":null}',1,1,1.79585520088391208644e+09,1.79585520088479757313e+09,'d0756fab3a34477cbfd92b551ce0af36');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2787bb6a5480baafe045740','foreach','waiting','{"name": "foreach", "steps": [{"id": "each", "foreach": ["a", "b", "c"], "max_parallel": 1, "do": [{"id": "say", "tool": "toy_say", "with": {"text": "${{ item }}"}}, {"id": "q", "needs": ["say"], "ask": "${{ item }}?"}]}]}','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a2214fb2787bb6a5480baafe045740","inputs":{},"created":1795855200.88843,"parallel":4,"priority":"normal","unattended":false,"status":"waiting","paused":false,"calls":1,"running":0,"positions":5,"after":null,"deadline":null,"outputs":{},"error":null,"ended":null,"worktree":null}',2,1,1795855200.88843,1.79585520089189267164e+09,'d0756fab3a34477cbfd92b551ce0af36');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2c776dba430b0a79bc43ea0','repeat','waiting','{"name": "repeat", "steps": [{"id": "again", "repeat": {"max": 3, "until": "steps.q.answer == ''stop''"}, "do": [{"id": "add", "tool": "toy_add", "with": {"number": 1}}, {"id": "q", "needs": ["add"], "ask": "more?"}]}]}','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a2214fb2c776dba430b0a79bc43ea0","inputs":{},"created":1795855200.9670234,"parallel":4,"priority":"normal","unattended":false,"status":"waiting","paused":false,"calls":1,"running":0,"positions":5,"after":null,"deadline":null,"outputs":{},"error":null,"ended":null,"worktree":null}',2,1,1.79585520096702337265e+09,1.79585520097083115574e+09,'d0756fab3a34477cbfd92b551ce0af36');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2cd78739b664f1ced06aa31','sub','waiting','{"name": "sub", "steps": [{"id": "inside", "workflow": "inner", "with": {"text": "deep"}}], "workflows": {"inner": {"inputs": {"text": {"type": "string"}}, "steps": [{"id": "say", "tool": "toy_say", "with": {"text": "${{ inputs.text }}"}}, {"id": "q", "needs": ["say"], "ask": "out?"}]}}}','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a2214fb2cd78739b664f1ced06aa31","inputs":{},"created":1795855200.973026,"parallel":4,"priority":"normal","unattended":false,"status":"waiting","paused":false,"calls":1,"running":0,"positions":4,"after":null,"deadline":null,"outputs":{},"error":null,"ended":null,"worktree":null}',2,1,1.79585520097302603717e+09,1.79585520097649312025e+09,'d0756fab3a34477cbfd92b551ce0af36');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2d2781eb40885fae5ff3ebd','running','running','{"name": "running", "timeout": "5h", "steps": [{"id": "hold", "tool": "toy_hold", "with": {"text": "running"}}, {"id": "after", "needs": ["hold"], "tool": "toy_say", "with": {"text": "after"}}]}','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a2214fb2d2781eb40885fae5ff3ebd","inputs":{},"created":1795855200.9785752,"parallel":4,"priority":"high","unattended":false,"status":"running","paused":false,"calls":1,"running":1,"positions":3,"after":null,"deadline":1795873200.9798179,"outputs":{},"error":null,"ended":null,"worktree":null}',1,1,1.79585520097857522965e+09,1.79585520097981786728e+09,'d0756fab3a34477cbfd92b551ce0af36');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2d7752ab4207c53903aa261','effect','running','{"name": "effect", "steps": [{"id": "effect", "tool": "toy_hold_write", "with": {"text": "effect"}}]}','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a2214fb2d7752ab4207c53903aa261","inputs":{},"created":1795855200.9831915,"parallel":4,"priority":"normal","unattended":false,"status":"running","paused":false,"calls":1,"running":1,"positions":2,"after":null,"deadline":null,"outputs":{},"error":null,"ended":null,"worktree":null}',1,1,1.79585520098319149015e+09,1.79585520098404502866e+09,'d0756fab3a34477cbfd92b551ce0af36');
INSERT INTO "workflow_run" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2db7aa2b596c7b7cf6d66ba','paused','paused','{"name": "paused", "steps": [{"id": "q", "ask": "well?"}, {"id": "a", "needs": ["q"], "tool": "toy_say", "with": {"text": "paused"}}]}','{"principal": {"id": "me", "kind": "stdio", "tenant": "local"}, "roots": ["/tmp/astro-mcp-stored"], "effects": ["destroy", "execute", "network", "read", "write"], "labels": []}','[]','{"run_id":"run_01a2214fb2db7aa2b596c7b7cf6d66ba","inputs":{},"created":1795855200.9875536,"parallel":4,"priority":"normal","unattended":false,"status":"paused","paused":true,"calls":0,"running":0,"positions":3,"after":null,"deadline":null,"outputs":{},"error":null,"ended":null,"worktree":null}',2,1,1.79585520098755359644e+09,1.79585520099609947204e+09,'d0756fab3a34477cbfd92b551ce0af36');
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
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb1ca78a480a25652c4ee087a','','running','{"position":0,"open":1,"started":1795855200.7158818}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb1ca78a480a25652c4ee087a','effect','lost','{"position":1,"attempt":1,"error":{"code":"lost","message":"The process died during this step; whether its effect happened is not known.","hint":"look whether its effect happened, then workflow_control retry or cancel, or workflow_answer","retryable":false},"started":1795855200.7158818}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb1f17d27bdab6a345b09b955','','succeeded','{"position":0,"started":1795855200.7543082,"ended":1795855200.7560604}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb1f17d27bdab6a345b09b955','a','succeeded','{"position":1,"attempt":1,"started":1795855200.7543082,"ended":1795855200.7560604}',NULL,'{"text_":"","number":2}',NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb1f8704bbb795902b2202f8a','','failed','{"position":0,"error":{"code":"provider_failed","message":"a: not yet","hint":"","retryable":true},"failed":1,"blame":true,"started":1795855200.7614188,"ended":1795855200.7629888}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb1f8704bbb795902b2202f8a','a','failed','{"position":1,"attempt":1,"error":{"code":"provider_failed","message":"not yet","hint":"","retryable":true},"blame":true,"started":1795855200.7614188,"ended":1795855200.7629888}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb1f8704bbb795902b2202f8a','b','skipped','{"position":2,"blame":true,"ended":1795855200.7629888}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb20074719c2bd1b05d340497','','cancelled','{"position":0,"open":1,"blame":true,"started":1795855200.7689826,"ended":1795855200.9915795}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb20074719c2bd1b05d340497','q','cancelled','{"position":1,"request":{"kind":"ask","text":"well?","with":{},"answer":{},"digest":"6dbfbf8a67b7dce53b2372437d6615928b2d3c0692ebcefec6eaf4d58011d027"},"blame":true,"started":1795855200.7689826,"ended":1795855200.9915795}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb22f7621936122edb0ecebdd','','succeeded','{"position":0,"started":1795855200.8169644,"ended":1795855200.8464906}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb22f7621936122edb0ecebdd','a','succeeded','{"position":1,"attempt":1,"started":1795855200.8447766,"ended":1795855200.8464906}',NULL,'{"text_":"t","number":1}',NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb26a758f89222a45a26fc6ac','','running','{"position":0,"open":1,"started":1795855200.8749738}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb26a758f89222a45a26fc6ac','a','ready','{"position":1,"attempt":1,"wake":1795858232.908194,"error":{"code":"provider_failed","message":"not yet","hint":"","retryable":true},"started":1795855200.8749738}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb26f754e8e35e5c85c256850','','running','{"position":0,"open":1,"started":1795855200.880471}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb26f754e8e35e5c85c256850','a','waiting','{"position":1,"request":{"kind":"ask","text":"well, you?","with":{},"answer":{},"digest":"dfb31837608c603821362055efb3bf65c6c15a393421890e6d085a7ae0b50af2"},"started":1795855200.880471}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2737a8cbeeeda2f8dbca42e','','running','{"position":0,"open":2,"started":1795855200.8847976}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2737a8cbeeeda2f8dbca42e','b','pending','{"position":2,"waits":1}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2737a8cbeeeda2f8dbca42e','g','waiting','{"position":1,"request":{"kind":"approve","text":"go?","level":"model","then":["b"],"digest":"248f59a70a8e18145919d52b10cfaf4b525ba1effb480dcc45f2c8201c515733"},"started":1795855200.8847976}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2787bb6a5480baafe045740','','running','{"position":0,"open":1,"started":1795855200.8892326}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2787bb6a5480baafe045740','each','running','{"position":1,"opened":1,"open":1,"started":1795855200.8892326}','["a","b","c"]',NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2787bb6a5480baafe045740','each.0','running','{"position":2,"open":1,"started":1795855200.8892326}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2787bb6a5480baafe045740','each.0.q','waiting','{"position":4,"request":{"kind":"ask","text":"a?","with":{},"answer":{},"digest":"aa706d3c64774c336e5841f5e0c6f0da8b9084b9e066de004a69247942f30790"},"started":1795855200.8918927}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2787bb6a5480baafe045740','each.0.say','succeeded','{"position":3,"attempt":1,"started":1795855200.8892326,"ended":1795855200.8918927}',NULL,'{"text_":"a","number":1}',NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2c776dba430b0a79bc43ea0','','running','{"position":0,"open":1,"started":1795855200.9682658}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2c776dba430b0a79bc43ea0','again','running','{"position":1,"opened":1,"open":1,"started":1795855200.9682658}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2c776dba430b0a79bc43ea0','again.0','running','{"position":2,"open":1,"started":1795855200.9682658}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2c776dba430b0a79bc43ea0','again.0.add','succeeded','{"position":3,"attempt":1,"started":1795855200.9682658,"ended":1795855200.9708312}',NULL,'{"text_":"","number":2}',NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2c776dba430b0a79bc43ea0','again.0.q','waiting','{"position":4,"request":{"kind":"ask","text":"more?","with":{},"answer":{},"digest":"518d7db6a817879eed7eba840248b2474c619093b0688dc1d6f88591a77ec4ff"},"started":1795855200.9708312}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2cd78739b664f1ced06aa31','','running','{"position":0,"open":1,"started":1795855200.9740052}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2cd78739b664f1ced06aa31','inside','running','{"position":1,"open":1,"started":1795855200.9740052}','{"text":"deep"}',NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2cd78739b664f1ced06aa31','inside.q','waiting','{"position":3,"request":{"kind":"ask","text":"out?","with":{},"answer":{},"digest":"3d8b3c600eb2c56ef46a235d8ae0a91e887f7dbe2bb7b2d406406b0b6238f486"},"started":1795855200.9764931}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2cd78739b664f1ced06aa31','inside.say','succeeded','{"position":2,"attempt":1,"started":1795855200.9740052,"ended":1795855200.9764931}',NULL,'{"text_":"deep","number":4}',NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2d2781eb40885fae5ff3ebd','','running','{"position":0,"open":2,"started":1795855200.9798179}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2d2781eb40885fae5ff3ebd','after','pending','{"position":2,"waits":1}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2d2781eb40885fae5ff3ebd','hold','running','{"position":1,"attempt":1,"started":1795855200.9798179}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2d7752ab4207c53903aa261','','running','{"position":0,"open":1,"started":1795855200.984045}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2d7752ab4207c53903aa261','effect','running','{"position":1,"attempt":1,"started":1795855200.984045}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2db7aa2b596c7b7cf6d66ba','','running','{"position":0,"open":2,"started":1795855200.9887552}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2db7aa2b596c7b7cf6d66ba','a','pending','{"position":2,"waits":1}',NULL,NULL,NULL);
INSERT INTO "workflow_step" VALUES('local','e0e05120d7742e9177511217d15ff19c','run_01a2214fb2db7aa2b596c7b7cf6d66ba','q','waiting','{"position":1,"request":{"kind":"ask","text":"well?","with":{},"answer":{},"digest":"3568c2a40ab0d185e61d3e084912f01bd92aea838978618d4b08f92f9cd75ba5"},"started":1795855200.9887552}',NULL,NULL,NULL);
CREATE INDEX audit_by_call ON audit (call_id);
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
DELETE FROM "sqlite_sequence";
COMMIT;
PRAGMA user_version = 10;
