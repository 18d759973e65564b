-- Version 4: lineages, what was learned on one base model each.

-- One is present: the one that was not left. Of those that were, what was live then.
CREATE TABLE lineages (
    id INTEGER PRIMARY KEY,
    base_fingerprint TEXT NOT NULL UNIQUE,
    model TEXT NOT NULL CHECK (model <> ''),
    begun_at INTEGER NOT NULL,
    left_at INTEGER,
    generation INTEGER REFERENCES generations (id)
) STRICT;
CREATE UNIQUE INDEX one_lineage_is_present ON lineages ((1)) WHERE left_at IS NULL;
CREATE INDEX lineages_by_generation ON lineages (generation);

-- The base model that somebody asked to change over to, until that is done.
ALTER TABLE live ADD COLUMN wanted_model TEXT;
