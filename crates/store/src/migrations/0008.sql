-- Version 8: the gate asks about other texts in sight, too.

-- Value and bound are NULL where they were not a number.
CREATE TABLE new_findings (
    document INTEGER NOT NULL REFERENCES decisions (document) ON DELETE CASCADE,
    position INTEGER NOT NULL CHECK (position >= 0),
    rule TEXT NOT NULL CHECK (rule IN ('enough_probes', 'gain', 'accuracy', 'retention', 'reading', 'drift')),
    holds INTEGER NOT NULL CHECK (holds IN (0, 1)),
    value REAL,
    bound REAL,
    words TEXT NOT NULL,
    PRIMARY KEY (document, position)
) STRICT;
INSERT INTO new_findings SELECT document, position, rule, holds, value, bound, words FROM findings;
DROP TABLE findings;
ALTER TABLE new_findings RENAME TO findings;
