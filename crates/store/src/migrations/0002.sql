-- Version 2: the service. Newer versions of a document, files of the inbox, full-text search, what the daemon was told.

-- The newer version that takes this one's place: then it is neither rehearsed nor asked about.
ALTER TABLE documents ADD COLUMN replaced_by INTEGER REFERENCES documents (id) ON DELETE SET NULL;
CREATE INDEX documents_by_name ON documents (name, tag);
CREATE INDEX documents_by_replacement ON documents (replaced_by);

-- Files that were taken out of the inbox, by their path beneath `done` (bytes: names need not be text).
CREATE TABLE inbox_files (
    path BLOB NOT NULL,
    document INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    taken_at INTEGER NOT NULL,
    -- Since when it is not there any more.
    missing_since INTEGER,
    PRIMARY KEY (path, document)
) STRICT;
CREATE INDEX inbox_files_by_document ON inbox_files (document);

-- Scheduled work: since when its next time is looked for, and when it was last done.
CREATE TABLE schedule (
    what TEXT PRIMARY KEY,
    since INTEGER NOT NULL,
    last_run INTEGER
) STRICT;

-- Since when and until when somebody wants nothing to be learned; no row: learn.
CREATE TABLE pause (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    since INTEGER NOT NULL,
    until INTEGER
) STRICT;

-- The words of each passage, by its id, to find where an answer may come from.
CREATE VIRTUAL TABLE lookup USING fts5 (title, text, content = '', contentless_delete = 1, tokenize = 'porter unicode61');
INSERT INTO lookup (rowid, title, text)
    SELECT p.id, d.title, p.text FROM passages p JOIN documents d ON d.id = p.document;
CREATE TRIGGER passages_into_lookup AFTER INSERT ON passages BEGIN
    INSERT INTO lookup (rowid, title, text)
        SELECT new.id, d.title, new.text FROM documents d WHERE d.id = new.document;
END;
CREATE TRIGGER passages_out_of_lookup AFTER DELETE ON passages BEGIN
    DELETE FROM lookup WHERE rowid = old.id;
END;
