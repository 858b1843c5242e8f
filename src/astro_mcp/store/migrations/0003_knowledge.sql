-- What is known: notes, documents and code, one row each, and the chunks that a search finds. SQLite is the record; the
-- vector index is made from it. Word indexes (FTS5) are one table a scope, made with its first document, so that the
-- ranking of one scope tells nothing about the words of another.
CREATE TABLE knowledge_document (
    tenant     TEXT NOT NULL,
    scope      TEXT NOT NULL,
    id         TEXT NOT NULL,
    collection TEXT NOT NULL,
    source     TEXT NOT NULL,
    kind       TEXT NOT NULL CHECK (kind IN ('note', 'document', 'code')),
    title      TEXT NOT NULL,
    tags       TEXT NOT NULL,
    labels     TEXT NOT NULL,
    sha256     TEXT NOT NULL,
    created    REAL NOT NULL,
    updated    REAL NOT NULL,
    PRIMARY KEY (tenant, scope, id),
    UNIQUE (tenant, scope, collection, source)
) STRICT;

-- `sha256` is of the text that is embedded (context and text). `placed` is 1 once the vector stands in the index.
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
CREATE INDEX knowledge_chunk_by_document ON knowledge_chunk (tenant, scope, document, ordinal);
CREATE INDEX knowledge_chunk_by_collection ON knowledge_chunk (tenant, scope, collection, placed);
CREATE INDEX knowledge_chunk_by_content ON knowledge_chunk (tenant, scope, sha256);
CREATE INDEX knowledge_chunk_pending ON knowledge_chunk (id) WHERE placed = 0;

-- Float32, little endian. By scope too: whether a text was embedded before must not tell one scope about another.
CREATE TABLE knowledge_vector (
    tenant TEXT NOT NULL,
    scope  TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    model  TEXT NOT NULL,
    vector BLOB NOT NULL,
    PRIMARY KEY (tenant, scope, sha256, model)
) STRICT, WITHOUT ROWID;

-- Chunks that are gone from the record and may still stand in the index.
CREATE TABLE knowledge_gone (
    chunk      INTEGER PRIMARY KEY,
    tenant     TEXT NOT NULL,
    scope      TEXT NOT NULL,
    collection TEXT NOT NULL
) STRICT;
CREATE INDEX knowledge_gone_by_scope ON knowledge_gone (tenant, scope);

CREATE TRIGGER knowledge_chunk_goes AFTER DELETE ON knowledge_chunk
BEGIN
    INSERT INTO knowledge_gone VALUES (old.id, old.tenant, old.scope, old.collection);
END;
