-- Version 12: a document is learned, not accepted: that is what the gate does with an adapter.

-- The trigger names the table that is made anew.
DROP TRIGGER passages_into_lookup;
-- The numbers that were given stay given: the name of the table leaves its row here with it.
CREATE TEMP TABLE given AS SELECT seq FROM sqlite_sequence WHERE name = 'documents';
CREATE TABLE new_documents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    hash TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    title TEXT NOT NULL CHECK (title <> ''),
    text TEXT NOT NULL,
    format TEXT NOT NULL CHECK (format IN ('text', 'markdown', 'html', 'pdf', 'docx', 'jsonl')),
    tag TEXT,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'learned', 'rejected', 'failed')),
    reasons TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(reasons)),
    -- Pass rates of the filters of the probes stage. To SQLite before 3.45 json_valid(NULL) was 0.
    probe_stats TEXT CHECK (probe_stats IS NULL OR json_valid(probe_stats)),
    received_at INTEGER NOT NULL,
    -- The newer version that takes this one's place: then it is neither rehearsed nor asked about.
    replaced_by INTEGER REFERENCES documents (id) ON DELETE SET NULL
) STRICT;
INSERT INTO new_documents
    SELECT id, hash, name, title, text, format, tag, CASE state WHEN 'accepted' THEN 'learned' ELSE state END, reasons, probe_stats, received_at, replaced_by FROM documents;
DROP TABLE documents;
ALTER TABLE new_documents RENAME TO documents;
CREATE INDEX documents_by_state ON documents (state, id);
CREATE INDEX documents_by_name ON documents (name, tag);
CREATE INDEX documents_by_replacement ON documents (replaced_by);
CREATE TRIGGER passages_into_lookup AFTER INSERT ON passages BEGIN
    INSERT INTO lookup (rowid, title, text)
        SELECT new.id, d.title, new.text FROM documents d WHERE d.id = new.document;
END;
UPDATE sqlite_sequence SET seq = max(seq, (SELECT seq FROM given)) WHERE name = 'documents';
DROP TABLE given;
UPDATE events SET body = json_set(body, '$.verdict', 'learned')
    WHERE kind = 'finished' AND json_extract(body, '$.verdict') = 'accepted';
