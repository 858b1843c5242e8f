"""The SQL of knowledge. Each statement names tenant and scope, or rows that one which does has found."""

from __future__ import annotations

from typing import Final

KNOWN: Final = "SELECT source, sha256 FROM knowledge_document WHERE tenant = ? AND scope = ? AND collection = ?"

DOCUMENT: Final = """
SELECT id, sha256 FROM knowledge_document WHERE tenant = ? AND scope = ? AND collection = ? AND source = ?
"""

ADD_DOCUMENT: Final = """
INSERT INTO knowledge_document
    (id, tenant, scope, collection, source, kind, title, tags, labels, sha256, created, updated)
VALUES (:id, :tenant, :scope, :collection, :source, :kind, :title, :tags, :labels, :sha256, :now, :now)
"""

RESTORE_DOCUMENT: Final = """
INSERT INTO knowledge_document
    (tenant, scope, id, collection, source, kind, title, tags, labels, sha256, created, updated)
VALUES (:tenant, :scope, :id, :collection, :source, :kind, :title, :tags, :labels, :sha256, :created, :updated)
"""

CHANGE_DOCUMENT: Final = """
UPDATE knowledge_document
SET kind = :kind, title = :title, tags = :tags, labels = :labels, sha256 = :sha256, updated = :now
WHERE tenant = :tenant AND scope = :scope AND id = :id
"""

DOCUMENT_BY_ID: Final = "SELECT * FROM knowledge_document WHERE tenant = ? AND scope = ? AND id = ?"

RENAME: Final = "UPDATE knowledge_document SET source = ? WHERE tenant = ? AND scope = ? AND id = ?"

# Deleted by one statement, however many there are: SQLite takes longer for each that comes after others in one write.
DROP_DOCUMENTS: Final = """
DELETE FROM knowledge_document
WHERE tenant = :tenant AND scope = :scope AND id IN (SELECT value FROM json_each(:documents))
"""

ADD_CHUNK: Final = """
INSERT INTO knowledge_chunk
    (tenant, scope, collection, document, ordinal, start_line, end_line, title, context, text, sha256)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

DROP_CHUNKS: Final = """
DELETE FROM knowledge_chunk
WHERE tenant = :tenant AND scope = :scope AND document IN (SELECT value FROM json_each(:documents))
"""

DROP_ORPHAN_VECTORS: Final = """
DELETE FROM knowledge_vector WHERE tenant = :tenant AND scope = :scope AND NOT EXISTS (
    SELECT 1 FROM knowledge_chunk AS c
    WHERE c.tenant = :tenant AND c.scope = :scope AND c.sha256 = knowledge_vector.sha256)
"""

# Words. One FTS5 table a scope; its name is a digest of ours, never a caller's text.

WORDS_EXIST: Final = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"

_TOKENS: Final = """tokenize = "porter unicode61 remove_diacritics 2 tokenchars '_'\""""

MAKE_WORDS: Final = f"CREATE VIRTUAL TABLE IF NOT EXISTS {{words}} USING fts5 (title, body, parts, {_TOKENS})"

# Where each term stands in it: a view by its nature, with nothing of its own.
MAKE_TERMS: Final = "CREATE VIRTUAL TABLE IF NOT EXISTS {terms} USING fts5vocab ({words}, instance)"

# What a word is as a term: in a database of its own, since only FTS5 knows.
MAKE_SCRATCH: Final = (
    f"CREATE VIRTUAL TABLE scratch USING fts5 (word, {_TOKENS})",
    "CREATE VIRTUAL TABLE scratch_terms USING fts5vocab (scratch, instance)",
)

SCRATCH_WORD: Final = "INSERT INTO scratch (rowid, word) VALUES (?, ?)"

SCRATCH_TERMS: Final = "SELECT doc, term FROM scratch_terms ORDER BY doc, offset"

EMPTY_SCRATCH: Final = "DELETE FROM scratch"

ADD_WORDS: Final = "INSERT INTO {words} (rowid, title, body, parts) VALUES (?, ?, ?, ?)"

DROP_WORDS: Final = """
DELETE FROM {words} WHERE rowid IN (SELECT id FROM knowledge_chunk
    WHERE tenant = :tenant AND scope = :scope AND document IN (SELECT value FROM json_each(:documents)))
"""

# What FTS5 keeps of the whole table (how many rows first, then the tokens of each column, all as varints), and the
# newest row: two look-ups, where to count the rows would read hundreds of pages.
WORDS_SIZE: Final = """
SELECT (SELECT block FROM {words}_data WHERE id = 1) AS totals, (SELECT max(id) FROM {words}_docsize) AS newest
"""

WORDS_WITH: Final = "SELECT count(*) AS rows FROM (SELECT 1 FROM {words} WHERE {words} MATCH :match LIMIT :most)"

# bm25 is below 0, the better the lower; a title counts twice, a part of an identifier less than a whole word. It is
# asked for once: in the column and in the order it would be made twice for every row.
FIND_WORDS: Final = """
SELECT w.chunk, -w.score AS score FROM (
    SELECT rowid AS chunk, bm25({words}, 2.0, 1.0, 0.7) AS score FROM {words} WHERE {words} MATCH :match
    ORDER BY score, rowid LIMIT :most) AS w
JOIN knowledge_chunk AS c ON c.id = w.chunk AND c.tenant = :tenant AND c.scope = :scope
ORDER BY w.score, w.chunk
"""

# For what is kept of the words in memory: the rows that came after one, and what one word gives to such rows.
# Many rows are one text each: to fetch a row takes ten times as long as to put its number into a text.
WORDS_SINCE: Final = """
SELECT group_concat(id) AS ids, group_concat(hex(sz), '') AS sizes
FROM (SELECT id, sz FROM {words}_docsize WHERE id > :after ORDER BY id)
"""

# Every place where a term stands: four times its row, and which column (`bm25.COLUMNS`).
TERM_PLACES: Final = """
SELECT group_concat(doc * 4 + CASE col WHEN 'title' THEN 0 WHEN 'body' THEN 1 ELSE 2 END) AS places
FROM {terms} WHERE term = :term
"""

# What some of its rows were made of: which words are common there.
SAMPLE: Final = """
SELECT c.title || ' ' || c.text AS text FROM knowledge_chunk AS c NOT INDEXED
WHERE c.tenant = :tenant AND c.scope = :scope AND c.id IN (SELECT value FROM json_each(:chunks))
"""

WORDS_THERE: Final = "SELECT id FROM {words}_docsize WHERE id IN (SELECT value FROM json_each(:chunks))"

WORD_SCORES: Final = """
SELECT rowid AS chunk, -bm25({words}, 2.0, 1.0, 0.7) AS score FROM {words}
WHERE {words} MATCH :match AND rowid > :after AND rowid <= :upto ORDER BY rowid
"""

# The same where documents are chosen: every row that matches is looked up, which takes ten times as long.
FIND_CHOSEN_WORDS: Final = """
SELECT w.rowid AS chunk, -bm25({words}, 2.0, 1.0, 0.7) AS score
FROM {words} AS w
JOIN knowledge_chunk AS c ON c.id = w.rowid AND c.tenant = :tenant AND c.scope = :scope
JOIN knowledge_document AS d ON d.tenant = c.tenant AND d.scope = c.scope AND d.id = c.document
WHERE {words} MATCH :match
    AND (:kinds = '[]' OR d.kind IN (SELECT value FROM json_each(:kinds)))
    AND NOT EXISTS (SELECT value FROM json_each(:tags) EXCEPT SELECT value FROM json_each(d.tags))
ORDER BY bm25({words}, 2.0, 1.0, 0.7), w.rowid LIMIT :most
"""

# What ranking must know of a candidate: its kind, and its vector.
KINDS: Final = """
SELECT c.id AS chunk, d.kind
FROM knowledge_chunk AS c NOT INDEXED
JOIN knowledge_document AS d ON d.tenant = c.tenant AND d.scope = c.scope AND d.id = c.document
WHERE c.tenant = :tenant AND c.scope = :scope AND c.id IN (SELECT value FROM json_each(:chunks))
    AND (:kinds = '[]' OR d.kind IN (SELECT value FROM json_each(:kinds)))
    AND (:tags = '[]' OR NOT EXISTS (SELECT value FROM json_each(:tags) EXCEPT SELECT value FROM json_each(d.tags)))
"""

# The kinds of all that came after a chunk, as one text: four times its number, and which kind (`kinds.NAMES`).
KINDS_SINCE: Final = """
SELECT group_concat(c.id * 4 + CASE d.kind WHEN 'note' THEN 0 WHEN 'document' THEN 1 WHEN 'code' THEN 2 ELSE 3 END)
    AS kinds
FROM knowledge_chunk AS c NOT INDEXED
JOIN knowledge_document AS d ON d.tenant = c.tenant AND d.scope = c.scope AND d.id = c.document
WHERE c.tenant = :tenant AND c.scope = :scope AND c.id > :after AND c.id <= :upto
"""

VECTORS: Final = """
SELECT c.id AS chunk, v.vector
FROM knowledge_chunk AS c NOT INDEXED
JOIN knowledge_vector AS v
    ON v.tenant = c.tenant AND v.scope = c.scope AND v.sha256 = c.sha256 AND v.model = :model
WHERE c.tenant = :tenant AND c.scope = :scope AND c.id IN (SELECT value FROM json_each(:chunks))
"""

# NOT INDEXED leaves the numbers of the rows to go by: SQLite would read all of the scope for some of them.
HITS: Final = """
SELECT c.id AS chunk, c.document, c.ordinal, c.start_line, c.end_line, c.title, c.text,
    d.source, d.kind, d.title AS document_title, d.labels, d.tags
FROM knowledge_chunk AS c NOT INDEXED
JOIN knowledge_document AS d ON d.tenant = c.tenant AND d.scope = c.scope AND d.id = c.document
WHERE c.tenant = :tenant AND c.scope = :scope AND c.id IN (SELECT value FROM json_each(:chunks))
    AND (:kinds = '[]' OR d.kind IN (SELECT value FROM json_each(:kinds)))
    AND (:tags = '[]' OR NOT EXISTS (SELECT value FROM json_each(:tags) EXCEPT SELECT value FROM json_each(d.tags)))
"""

COLLECTIONS: Final = """
SELECT collection, count(*) AS chunks, sum(placed = 0) AS pending, count(DISTINCT document) AS documents
FROM knowledge_chunk WHERE tenant = ? AND scope = ? GROUP BY collection ORDER BY collection
"""

# From one name to the next by the index: what a collection holds is not counted.
SHELVES: Final = """
WITH RECURSIVE shelf (collection) AS (
    SELECT min(collection) FROM knowledge_document WHERE tenant = :tenant AND scope = :scope
    UNION ALL
    SELECT (SELECT min(collection) FROM knowledge_document
        WHERE tenant = :tenant AND scope = :scope AND collection > shelf.collection)
    FROM shelf WHERE shelf.collection IS NOT NULL)
SELECT collection, (SELECT count(*) FROM knowledge_chunk AS c WHERE c.tenant = :tenant AND c.scope = :scope
    AND c.collection = shelf.collection AND c.placed = 0) AS pending
FROM shelf WHERE collection IS NOT NULL
"""

PENDING: Final = """
SELECT count(*) AS pending FROM knowledge_chunk WHERE tenant = ? AND scope = ? AND collection = ? AND placed = 0
"""

SOURCES: Final = """
SELECT d.source, d.kind, d.title, d.labels, count(c.id) AS chunks FROM knowledge_document AS d
LEFT JOIN knowledge_chunk AS c ON c.tenant = d.tenant AND c.scope = d.scope AND c.document = d.id
WHERE d.tenant = ? AND d.scope = ? AND d.collection = ?
GROUP BY d.id ORDER BY d.source LIMIT ?
"""

TAGS: Final = """
SELECT DISTINCT t.value AS tag FROM knowledge_document AS d, json_each(d.tags) AS t
WHERE d.tenant = ? AND d.scope = ? AND d.kind = 'note' ORDER BY tag LIMIT ?
"""

LIST: Final = """
SELECT d.id, d.title, d.source, d.kind, d.collection, d.labels, d.updated FROM knowledge_document AS d
WHERE d.tenant = :tenant AND d.scope = :scope
    AND (:kinds = '[]' OR d.kind IN (SELECT value FROM json_each(:kinds)))
    AND NOT EXISTS (SELECT value FROM json_each(:tags) EXCEPT SELECT value FROM json_each(d.tags))
ORDER BY d.updated DESC, d.id LIMIT :most
"""

# Runs: which are not known, nor were forgotten; and which are known, by their own documents alone.

UNKNOWN: Final = """
SELECT value AS source FROM json_each(:sources)
WHERE NOT EXISTS (
        SELECT 1 FROM knowledge_document
        WHERE tenant = :tenant AND scope = :scope AND collection = :collection AND source = value)
    AND NOT EXISTS (
        SELECT 1 FROM knowledge_forgotten
        WHERE tenant = :tenant AND scope = :scope AND collection = :collection AND source = value AND back = 0)
"""

RUNS: Final = """
SELECT DISTINCT t.value AS run FROM knowledge_document AS d, json_each(d.tags) AS t
WHERE d.tenant = ? AND d.scope = ? AND d.collection = ?
"""

# What a note said before.

LATEST: Final = """
SELECT coalesce(max(version), 0) AS version FROM knowledge_version WHERE tenant = ? AND scope = ? AND document = ?
"""

ADD_VERSION: Final = """
INSERT INTO knowledge_version (tenant, scope, document, version, title, tags, labels, text, at)
VALUES (:tenant, :scope, :document, :version, :title, :tags, :labels, :text, :at)
"""

VERSIONS: Final = """
SELECT version, title, tags, labels, text, at FROM knowledge_version
WHERE tenant = ? AND scope = ? AND document = ? ORDER BY version DESC
"""

DROP_VERSIONS: Final = "DELETE FROM knowledge_version WHERE tenant = ? AND scope = ? AND document = ? AND version <= ?"

# What was forgotten.

NAMED: Final = """
SELECT * FROM knowledge_document
WHERE tenant = :tenant AND scope = :scope AND id IN (SELECT value FROM json_each(:ids)) ORDER BY id LIMIT :most
"""

WITH_SOURCES: Final = "SELECT id, source FROM knowledge_document WHERE tenant = ? AND scope = ? AND kind <> 'note'"

CHUNKS: Final = """
SELECT start_line, end_line, title, context, text FROM knowledge_chunk
WHERE tenant = ? AND scope = ? AND document = ? ORDER BY ordinal
"""

ADD_FORGOTTEN: Final = """
INSERT INTO knowledge_forgotten (tenant, scope, undo_id, collection, source, body, at) VALUES (?, ?, ?, ?, ?, ?, ?)
"""

FORGOTTEN: Final = """
SELECT collection, source, body, back FROM knowledge_forgotten
WHERE tenant = ? AND scope = ? AND undo_id = ? AND body <> ''
"""

BROUGHT_BACK: Final = "UPDATE knowledge_forgotten SET back = 1 WHERE tenant = ? AND scope = ? AND undo_id = ?"

# A run is read again as long as it is there: that it was forgotten stays known.
DROP_FORGOTTEN: Final = """
DELETE FROM knowledge_forgotten WHERE tenant = ? AND scope = ? AND at < ? AND (back = 1 OR collection <> 'runs')
"""

EMPTY_FORGOTTEN: Final = """
UPDATE knowledge_forgotten SET body = '' WHERE tenant = ? AND scope = ? AND at < ? AND body <> ''
"""

# The index. Newest first, so that a note stands there at once however much else waits.

UNPLACED: Final = """
SELECT c.id AS chunk, c.tenant, c.scope, c.collection, c.context, c.text, c.sha256, v.vector
FROM knowledge_chunk AS c
LEFT JOIN knowledge_vector AS v
    ON v.tenant = c.tenant AND v.scope = c.scope AND v.sha256 = c.sha256 AND v.model = ?
WHERE c.placed = 0 AND (? OR NOT EXISTS (
    SELECT 1 FROM knowledge_document AS d WHERE d.tenant = c.tenant AND d.scope = c.scope AND d.id = c.document
        AND instr(',' || d.labels || ',', ',secret,') > 0))
ORDER BY c.id DESC LIMIT ?
"""

# Another model's vectors, beside those that answer.

# 2 is for what no index gets: it is found by its words alone.
WITHHOLD: Final = """
UPDATE knowledge_chunk SET placed = 2 WHERE placed = 0 AND EXISTS (
    SELECT 1 FROM knowledge_document AS d
    WHERE d.tenant = knowledge_chunk.tenant AND d.scope = knowledge_chunk.scope AND d.id = knowledge_chunk.document
        AND instr(',' || d.labels || ',', ',secret,') > 0)
"""

HAS_VECTORS: Final = "SELECT EXISTS (SELECT 1 FROM knowledge_vector WHERE model = ?) AS found"

LACKING: Final = """
SELECT c.id AS chunk, c.tenant, c.scope, c.context, c.text, c.sha256
FROM knowledge_chunk AS c
LEFT JOIN knowledge_vector AS v
    ON v.tenant = c.tenant AND v.scope = c.scope AND v.sha256 = c.sha256 AND v.model = ?
WHERE v.sha256 IS NULL AND c.id < ? AND (? OR NOT EXISTS (
    SELECT 1 FROM knowledge_document AS d WHERE d.tenant = c.tenant AND d.scope = c.scope AND d.id = c.document
        AND instr(',' || d.labels || ',', ',secret,') > 0))
ORDER BY c.id DESC LIMIT ?
"""

LACKING_COUNT: Final = """
SELECT count(*) AS lacking FROM knowledge_chunk AS c
LEFT JOIN knowledge_vector AS v
    ON v.tenant = c.tenant AND v.scope = c.scope AND v.sha256 = c.sha256 AND v.model = ?
WHERE v.sha256 IS NULL AND (? OR NOT EXISTS (
    SELECT 1 FROM knowledge_document AS d WHERE d.tenant = c.tenant AND d.scope = c.scope AND d.id = c.document
        AND instr(',' || d.labels || ',', ',secret,') > 0))
"""

HAVING: Final = """
SELECT c.id AS chunk, c.tenant, c.scope, c.collection, v.vector
FROM knowledge_chunk AS c
JOIN knowledge_vector AS v
    ON v.tenant = c.tenant AND v.scope = c.scope AND v.sha256 = c.sha256 AND v.model = ?
WHERE c.id < ? ORDER BY c.id DESC LIMIT ?
"""

DROP_MODELS: Final = """
DELETE FROM knowledge_vector WHERE (tenant, scope, sha256, model) IN (
    SELECT tenant, scope, sha256, model FROM knowledge_vector
    WHERE model NOT IN (SELECT value FROM json_each(:models)) LIMIT :most)
"""

# Vectors that are kept already; what was placed last stands first.
KEPT: Final = """
SELECT c.id AS chunk, c.tenant, c.scope, c.collection, v.vector
FROM knowledge_chunk AS c
JOIN knowledge_vector AS v
    ON v.tenant = c.tenant AND v.scope = c.scope AND v.sha256 = c.sha256 AND v.model = ?
WHERE c.placed = 0 AND c.id < ? ORDER BY c.id DESC LIMIT ?
"""

WORK: Final = """
SELECT EXISTS (SELECT 1 FROM knowledge_chunk WHERE placed = 0) OR EXISTS (SELECT 1 FROM knowledge_gone) AS work
"""

KEEP_VECTOR: Final = """
INSERT OR IGNORE INTO knowledge_vector SELECT :tenant, :scope, :sha256, :model, :vector
WHERE EXISTS (SELECT 1 FROM knowledge_chunk WHERE tenant = :tenant AND scope = :scope AND sha256 = :sha256)
"""

REFUSED: Final = "UPDATE knowledge_chunk SET placed = 2 WHERE id = ? AND placed = 0"

PLACED: Final = "UPDATE knowledge_chunk SET placed = 1 WHERE id = ?"

HOLDING: Final = """
SELECT c.id AS chunk, c.tenant, c.scope, c.collection, c.placed, v.vector
FROM knowledge_chunk AS c
JOIN knowledge_vector AS v
    ON v.tenant = c.tenant AND v.scope = c.scope AND v.sha256 = c.sha256 AND v.model = ?
WHERE c.placed IN (0, 1) AND c.id > ? ORDER BY c.id LIMIT ?
"""

GONE: Final = "SELECT chunk, tenant, scope, collection FROM knowledge_gone LIMIT ?"

FORGET_GONE: Final = "DELETE FROM knowledge_gone WHERE chunk = ?"

UNPLACE_ALL: Final = "UPDATE knowledge_chunk SET placed = 0 WHERE placed = 1"

FORGET_ALL_GONE: Final = "DELETE FROM knowledge_gone"

# What the index must hold, in three numbers.
FINGERPRINT: Final = """
SELECT (SELECT count(*) FROM knowledge_chunk WHERE placed = 1) || ':'
    || (SELECT coalesce(sum(id), 0) FROM knowledge_chunk WHERE placed = 1) || ':'
    || (SELECT count(*) FROM knowledge_gone) AS fingerprint
"""

TOUCHED: Final = "SELECT DISTINCT tenant, scope, collection FROM knowledge_chunk WHERE placed = 1"

PLACED_COUNT: Final = "SELECT count(*) AS placed FROM knowledge_chunk WHERE placed = 1"
