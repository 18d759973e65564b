-- Version 3: jobs of several kinds; consolidation, forgetting on request, writers of self-edits.

-- What a job is for. One that learns has a document, and no document has two of them.
CREATE TABLE new_jobs (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('learn', 'consolidate', 'writer_round', 'forget')),
    document INTEGER REFERENCES documents (id) ON DELETE SET NULL,
    stage TEXT NOT NULL
        CHECK (stage IN ('probes', 'self_edits', 'trials', 'gate', 'publish', 'replay', 'retrain', 'compare', 'swap',
                         'purge', 'train_writer', 'examine', 'promote')),
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed')),
    attempts INTEGER NOT NULL CHECK (attempts >= 0),
    lease_until INTEGER,
    error TEXT,
    -- Why it was begun, where nobody handed a document in.
    reason TEXT,
    CHECK ((state = 'running') = (lease_until IS NOT NULL))
) STRICT;
INSERT INTO new_jobs (id, kind, document, stage, state, attempts, lease_until, error)
    SELECT id, 'learn', document, stage, state, attempts, lease_until, error FROM jobs;
DROP TABLE jobs;
ALTER TABLE new_jobs RENAME TO jobs;
CREATE INDEX jobs_by_state ON jobs (state, id);
CREATE INDEX jobs_by_document ON jobs (document);
CREATE UNIQUE INDEX one_job_learns_a_document ON jobs (document) WHERE kind = 'learn';

-- Whether a generation continues its parent, or was trained from the base to take its place.
ALTER TABLE generations ADD COLUMN origin TEXT NOT NULL DEFAULT 'learned'
    CHECK (origin IN ('learned', 'consolidated'));

-- Since when it answers; and who writes self-edits (NULL: the base).
ALTER TABLE live ADD COLUMN since INTEGER;
ALTER TABLE live ADD COLUMN writer INTEGER REFERENCES writers (id);

-- One adapter trained from the base on everything. The second half is NULL until it was compared. Loss is NULL where it was not a number.
CREATE TABLE consolidations (
    job INTEGER PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    against INTEGER REFERENCES generations (id),
    documents INTEGER NOT NULL CHECK (documents >= 0),
    training_rows INTEGER NOT NULL CHECK (training_rows >= 0),
    learning_rate REAL NOT NULL,
    steps INTEGER NOT NULL CHECK (steps >= 0),
    tokens INTEGER NOT NULL CHECK (tokens >= 0),
    seconds REAL NOT NULL,
    loss REAL,
    asked INTEGER,
    right_before INTEGER,
    right_after INTEGER,
    lost INTEGER,
    below_base INTEGER,
    drift_before REAL,
    drift_after REAL,
    accepted INTEGER CHECK (accepted IN (0, 1)),
    reasons TEXT CHECK (json_valid(reasons)),
    ended_at INTEGER,
    generation INTEGER REFERENCES generations (id)
) STRICT;
CREATE INDEX consolidations_by_against ON consolidations (against);
CREATE INDEX consolidations_by_generation ON consolidations (generation);

-- A document that was forgotten, by its number alone, and how its questions were answered: by the base when it came, before, and since.
CREATE TABLE forgettings (
    job INTEGER PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    document INTEGER NOT NULL,
    keep_history INTEGER NOT NULL CHECK (keep_history IN (0, 1)),
    asked INTEGER,
    right_base INTEGER,
    right_before INTEGER,
    right_after INTEGER,
    ended_at INTEGER
) STRICT;

CREATE TABLE writers (
    id INTEGER PRIMARY KEY CHECK (id > 0),
    parent INTEGER REFERENCES writers (id) CHECK (parent < id),
    base_fingerprint TEXT NOT NULL,
    adapter_hash TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX writers_by_parent ON writers (parent);

-- The documents whose winning self-edits a writer was trained on.
CREATE TABLE writer_documents (
    writer INTEGER NOT NULL REFERENCES writers (id) ON DELETE CASCADE,
    document INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    PRIMARY KEY (writer, document)
) STRICT;
CREATE INDEX writer_documents_by_document ON writer_documents (document);

-- A new writer, trained and examined beside the present one. The second half is NULL until it was.
CREATE TABLE writer_rounds (
    job INTEGER PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    present INTEGER REFERENCES writers (id),
    winners INTEGER NOT NULL CHECK (winners >= 0),
    steps INTEGER NOT NULL CHECK (steps >= 0),
    tokens INTEGER NOT NULL CHECK (tokens >= 0),
    seconds REAL NOT NULL,
    loss REAL,
    documents INTEGER,
    reward_before REAL,
    reward_after REAL,
    bound REAL,
    diversity_before REAL,
    diversity_after REAL,
    promoted INTEGER CHECK (promoted IN (0, 1)),
    reasons TEXT CHECK (json_valid(reasons)),
    ended_at INTEGER,
    writer INTEGER REFERENCES writers (id)
) STRICT;
CREATE INDEX writer_rounds_by_present ON writer_rounds (present);
CREATE INDEX writer_rounds_by_writer ON writer_rounds (writer);

-- What the two wrote about the documents of the examination, and what it taught. Reward is NULL where it was not a number.
CREATE TABLE writer_samples (
    job INTEGER NOT NULL REFERENCES writer_rounds (job) ON DELETE CASCADE,
    position INTEGER NOT NULL CHECK (position >= 0),
    whose TEXT NOT NULL CHECK (whose IN ('present', 'new')),
    document INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    format TEXT NOT NULL
        CHECK (format IN ('implications', 'implications_long', 'rewrite', 'self_qa', 'key_facts', 'study_note')),
    learning_rate REAL NOT NULL CHECK (learning_rate > 0),
    epochs INTEGER NOT NULL CHECK (epochs > 0),
    text TEXT NOT NULL,
    reward REAL,
    discarded TEXT,
    PRIMARY KEY (job, position)
) STRICT;
CREATE INDEX writer_samples_by_document ON writer_samples (document);
