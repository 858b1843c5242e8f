-- Vectors in the order that they came, beside an index of their keys: WITHOUT ROWID each page of the key's tree held a
-- handful of vectors, and to look one up was to read six pages and more (decision 053).
ALTER TABLE knowledge_vector RENAME TO knowledge_vector_before;
CREATE TABLE knowledge_vector (
    tenant TEXT NOT NULL,
    scope  TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    model  TEXT NOT NULL,
    vector BLOB NOT NULL,
    PRIMARY KEY (tenant, scope, sha256, model)
) STRICT;
INSERT INTO knowledge_vector SELECT * FROM knowledge_vector_before;
DROP TABLE knowledge_vector_before;
