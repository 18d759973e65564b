-- Version 11: what has no reasons yet is whole to SQLite before 3.45 as well: there json_valid(NULL) was 0, so that its integrity_check called such a database damaged.

CREATE TABLE new_consolidations (
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
    reasons TEXT CHECK (reasons IS NULL OR json_valid(reasons)),
    ended_at INTEGER,
    generation INTEGER REFERENCES generations (id)
) STRICT;
INSERT INTO new_consolidations
    SELECT job, against, documents, training_rows, learning_rate, steps, tokens, seconds, loss, asked, right_before, right_after, lost, below_base,
        drift_before, drift_after, accepted, reasons, ended_at, generation
    FROM consolidations;
DROP TABLE consolidations;
ALTER TABLE new_consolidations RENAME TO consolidations;
CREATE INDEX consolidations_by_against ON consolidations (against);
CREATE INDEX consolidations_by_generation ON consolidations (generation);

CREATE TABLE new_writer_rounds (
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
    reasons TEXT CHECK (reasons IS NULL OR json_valid(reasons)),
    ended_at INTEGER,
    writer INTEGER REFERENCES writers (id)
) STRICT;
INSERT INTO new_writer_rounds
    SELECT job, present, winners, steps, tokens, seconds, loss, documents, reward_before, reward_after, bound, diversity_before, diversity_after,
        promoted, reasons, ended_at, writer
    FROM writer_rounds;
DROP TABLE writer_rounds;
ALTER TABLE new_writer_rounds RENAME TO writer_rounds;
CREATE INDEX writer_rounds_by_present ON writer_rounds (present);
CREATE INDEX writer_rounds_by_writer ON writer_rounds (writer);
