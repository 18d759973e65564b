-- Version 1: the tables of the main job. A released migration never changes; a change of the tables is the next file.
--
-- Times are milliseconds since 1970 UTC. Lists are JSON. Where a generation is NULL, the pristine base is meant.

CREATE TABLE documents (
    id INTEGER PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    title TEXT NOT NULL CHECK (title <> ''),
    text TEXT NOT NULL,
    format TEXT NOT NULL CHECK (format IN ('text', 'markdown', 'html', 'pdf', 'docx', 'jsonl')),
    tag TEXT,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'accepted', 'rejected', 'failed')),
    reasons TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(reasons)),
    -- Pass rates of the filters of the probes stage.
    probe_stats TEXT CHECK (json_valid(probe_stats)),
    received_at INTEGER NOT NULL
) STRICT;
CREATE INDEX documents_by_state ON documents (state, id);

CREATE TABLE passages (
    id INTEGER PRIMARY KEY,
    document INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    position INTEGER NOT NULL CHECK (position >= 0),
    text TEXT NOT NULL,
    UNIQUE (document, position)
) STRICT;

-- Questions that came with the document; the probes stage makes probes of them.
CREATE TABLE supplied_probes (
    document INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    position INTEGER NOT NULL CHECK (position >= 0),
    question TEXT NOT NULL,
    answers TEXT NOT NULL CHECK (json_valid(answers) AND json_array_length(answers) > 0),
    PRIMARY KEY (document, position)
) STRICT;

CREATE TABLE jobs (
    id INTEGER PRIMARY KEY,
    document INTEGER NOT NULL UNIQUE REFERENCES documents (id) ON DELETE CASCADE,
    stage TEXT NOT NULL
        CHECK (stage IN ('probes', 'self_edits', 'trials', 'gate', 'publish', 'replay')),
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed')),
    attempts INTEGER NOT NULL CHECK (attempts >= 0),
    lease_until INTEGER,
    error TEXT,
    CHECK ((state = 'running') = (lease_until IS NOT NULL))
) STRICT;
CREATE INDEX jobs_by_state ON jobs (state, id);

CREATE TABLE probes (
    id INTEGER PRIMARY KEY,
    document INTEGER REFERENCES documents (id) ON DELETE CASCADE,
    passage INTEGER REFERENCES passages (id),
    fact INTEGER NOT NULL CHECK (fact >= 0),
    question TEXT NOT NULL,
    answers TEXT NOT NULL CHECK (json_valid(answers) AND json_array_length(answers) > 0),
    role TEXT NOT NULL CHECK (role IN ('select', 'gate', 'retain', 'preserve')),
    source TEXT NOT NULL CHECK (source IN ('supplied', 'generated'))
) STRICT;
CREATE INDEX probes_by_document ON probes (document);
CREATE INDEX probes_by_role ON probes (role);
CREATE INDEX probes_by_passage ON probes (passage);

CREATE TABLE self_edits (
    id INTEGER PRIMARY KEY,
    document INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    passage INTEGER NOT NULL REFERENCES passages (id),
    candidate INTEGER NOT NULL CHECK (candidate >= 0),
    format TEXT NOT NULL
        CHECK (format IN ('implications', 'implications_long', 'rewrite', 'self_qa', 'key_facts', 'study_note')),
    learning_rate REAL NOT NULL CHECK (learning_rate > 0),
    epochs INTEGER NOT NULL CHECK (epochs > 0),
    prompt_version TEXT NOT NULL,
    writer TEXT,
    text TEXT NOT NULL,
    training_rows TEXT NOT NULL CHECK (json_valid(training_rows)),
    discarded TEXT,
    dropped TEXT NOT NULL CHECK (json_valid(dropped)),
    UNIQUE (document, candidate, passage)
) STRICT;
CREATE INDEX self_edits_by_passage ON self_edits (passage);

-- Loss and gain are NULL where they were not a number.
CREATE TABLE trials (
    id INTEGER PRIMARY KEY,
    document INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    learning_rate REAL NOT NULL,
    rung INTEGER NOT NULL CHECK (rung >= 0),
    steps INTEGER NOT NULL CHECK (steps >= 0),
    tokens INTEGER NOT NULL CHECK (tokens >= 0),
    seconds REAL NOT NULL,
    loss REAL,
    gain REAL,
    accuracy REAL CHECK (accuracy BETWEEN 0 AND 1),
    chosen INTEGER NOT NULL CHECK (chosen IN (0, 1))
) STRICT;
CREATE INDEX trials_by_document ON trials (document);
CREATE UNIQUE INDEX one_chosen_trial ON trials (document) WHERE chosen = 1;

CREATE TABLE trial_self_edits (
    trial INTEGER NOT NULL REFERENCES trials (id) ON DELETE CASCADE,
    position INTEGER NOT NULL CHECK (position >= 0),
    self_edit INTEGER NOT NULL REFERENCES self_edits (id) ON DELETE CASCADE,
    PRIMARY KEY (trial, position)
) STRICT;
CREATE INDEX trial_self_edits_by_self_edit ON trial_self_edits (self_edit);

CREATE TABLE decisions (
    document INTEGER PRIMARY KEY REFERENCES documents (id) ON DELETE CASCADE,
    accepted INTEGER NOT NULL CHECK (accepted IN (0, 1)),
    scale REAL NOT NULL CHECK (scale > 0 AND scale <= 1)
) STRICT;

-- Value and bound are NULL where they were not a number.
CREATE TABLE findings (
    document INTEGER NOT NULL REFERENCES decisions (document) ON DELETE CASCADE,
    position INTEGER NOT NULL CHECK (position >= 0),
    rule TEXT NOT NULL CHECK (rule IN ('enough_probes', 'gain', 'accuracy', 'retention', 'drift')),
    holds INTEGER NOT NULL CHECK (holds IN (0, 1)),
    value REAL,
    bound REAL,
    words TEXT NOT NULL,
    PRIMARY KEY (document, position)
) STRICT;

-- A parent is older than its child: chains end.
CREATE TABLE generations (
    id INTEGER PRIMARY KEY CHECK (id > 0),
    parent INTEGER REFERENCES generations (id) CHECK (parent < id),
    base_fingerprint TEXT NOT NULL,
    adapter_hash TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX generations_by_parent ON generations (parent);

CREATE TABLE generation_documents (
    generation INTEGER NOT NULL REFERENCES generations (id) ON DELETE CASCADE,
    document INTEGER NOT NULL REFERENCES documents (id),
    PRIMARY KEY (generation, document)
) STRICT;
CREATE INDEX generation_documents_by_document ON generation_documents (document);

CREATE TABLE live (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    generation INTEGER REFERENCES generations (id)
) STRICT;
INSERT INTO live (only, generation) VALUES (1, NULL);

-- `asked_for` is the document whose learning put the question, which may be about another one.
CREATE TABLE evaluations (
    asked_for INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    probe INTEGER NOT NULL REFERENCES probes (id) ON DELETE CASCADE,
    subject TEXT NOT NULL CHECK (subject IN ('base', 'in_context', 'before', 'candidate', 'replay')),
    generation INTEGER REFERENCES generations (id),
    answer TEXT NOT NULL,
    correct INTEGER NOT NULL CHECK (correct IN (0, 1)),
    recall REAL NOT NULL CHECK (recall BETWEEN 0 AND 1),
    f1 REAL NOT NULL CHECK (f1 BETWEEN 0 AND 1),
    exact INTEGER NOT NULL CHECK (exact IN (0, 1)),
    log_prob REAL NOT NULL
) STRICT;
CREATE UNIQUE INDEX evaluations_once ON evaluations (asked_for, probe, subject, ifnull(generation, 0));
CREATE INDEX evaluations_by_probe ON evaluations (probe, subject);
CREATE INDEX evaluations_by_generation ON evaluations (generation, subject);

CREATE TABLE base_samples (
    base_fingerprint TEXT PRIMARY KEY,
    token_ids TEXT NOT NULL CHECK (json_valid(token_ids))
) STRICT;

-- A log: it names jobs and documents, but does not depend on them.
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    job INTEGER,
    document INTEGER,
    kind TEXT NOT NULL,
    body TEXT NOT NULL CHECK (json_valid(body))
) STRICT;
