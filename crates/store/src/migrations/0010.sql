-- Version 10: the number of a document that was forgotten is never another's.

-- The trigger names the table that is made anew.
DROP TRIGGER passages_into_lookup;
CREATE TABLE new_documents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    hash TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    title TEXT NOT NULL CHECK (title <> ''),
    text TEXT NOT NULL,
    format TEXT NOT NULL CHECK (format IN ('text', 'markdown', 'html', 'pdf', 'docx', 'jsonl')),
    tag TEXT,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'accepted', 'rejected', 'failed')),
    reasons TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(reasons)),
    -- Pass rates of the filters of the probes stage. To SQLite before 3.45 json_valid(NULL) was 0.
    probe_stats TEXT CHECK (probe_stats IS NULL OR json_valid(probe_stats)),
    received_at INTEGER NOT NULL,
    -- The newer version that takes this one's place: then it is neither rehearsed nor asked about.
    replaced_by INTEGER REFERENCES documents (id) ON DELETE SET NULL
) STRICT;
INSERT INTO new_documents
    SELECT id, hash, name, title, text, format, tag, state, reasons, probe_stats, received_at, replaced_by FROM documents;
DROP TABLE documents;
ALTER TABLE new_documents RENAME TO documents;
CREATE INDEX documents_by_state ON documents (state, id);
CREATE INDEX documents_by_name ON documents (name, tag);
CREATE INDEX documents_by_replacement ON documents (replaced_by);
CREATE TRIGGER passages_into_lookup AFTER INSERT ON passages BEGIN
    INSERT INTO lookup (rowid, title, text)
        SELECT new.id, d.title, new.text FROM documents d WHERE d.id = new.document;
END;
-- Numbers that were given before.
INSERT INTO sqlite_sequence (name, seq)
    SELECT 'documents', 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'documents');
UPDATE sqlite_sequence SET seq = max(seq, coalesce((SELECT max(document) FROM forgettings), 0)) WHERE name = 'documents';
