-- Runs are known too, so the kinds are four. SQLite can't change a CHECK: both tables are made again, chunks with their
-- numbers, which stand in the vector index and are never given twice.
DROP TRIGGER knowledge_chunk_goes;
DROP INDEX knowledge_chunk_by_document;
DROP INDEX knowledge_chunk_by_collection;
DROP INDEX knowledge_chunk_by_content;
DROP INDEX knowledge_chunk_pending;
ALTER TABLE knowledge_document RENAME TO knowledge_document_before;
ALTER TABLE knowledge_chunk RENAME TO knowledge_chunk_before;

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
INSERT INTO knowledge_document SELECT * FROM knowledge_document_before;
CREATE INDEX knowledge_document_by_age ON knowledge_document (tenant, scope, updated);

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
INSERT INTO knowledge_chunk SELECT * FROM knowledge_chunk_before;
DELETE FROM sqlite_sequence WHERE name = 'knowledge_chunk';
INSERT INTO sqlite_sequence (name, seq)
SELECT 'knowledge_chunk', seq FROM sqlite_sequence WHERE name = 'knowledge_chunk_before';
DROP TABLE knowledge_chunk_before;
DROP TABLE knowledge_document_before;
CREATE INDEX knowledge_chunk_by_document ON knowledge_chunk (tenant, scope, document, ordinal);
CREATE INDEX knowledge_chunk_by_collection ON knowledge_chunk (tenant, scope, collection, placed);
CREATE INDEX knowledge_chunk_by_content ON knowledge_chunk (tenant, scope, sha256);
CREATE INDEX knowledge_chunk_pending ON knowledge_chunk (id) WHERE placed = 0;
CREATE TRIGGER knowledge_chunk_goes AFTER DELETE ON knowledge_chunk
BEGIN
    INSERT INTO knowledge_gone VALUES (old.id, old.tenant, old.scope, old.collection);
END;

-- What a note said, whole, each time that it was changed; the newest is what stands in the chunks.
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
-- Notes of before were kept as chunks alone: a long one's overlap.
INSERT INTO knowledge_version
SELECT d.tenant, d.scope, d.id, 1, d.title, d.tags, d.labels, (
        SELECT group_concat(c.text, char(10)) FROM (
            SELECT text FROM knowledge_chunk
            WHERE tenant = d.tenant AND scope = d.scope AND document = d.id ORDER BY ordinal
        ) AS c
    ), d.updated
FROM knowledge_document AS d
WHERE d.kind = 'note' AND EXISTS (
    SELECT 1 FROM knowledge_chunk WHERE tenant = d.tenant AND scope = d.scope AND document = d.id);
-- A note is known by its title. Of two that had the same, one keeps the name that it had.
UPDATE OR IGNORE knowledge_document SET source = lower(title) WHERE kind = 'note';

-- What was forgotten, whole, until it is brought back or too old. `body` is JSON: a document, its chunks, its versions.
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
CREATE INDEX knowledge_forgotten_by_source ON knowledge_forgotten (tenant, scope, collection, source);
CREATE INDEX knowledge_forgotten_by_age ON knowledge_forgotten (tenant, scope, at);
