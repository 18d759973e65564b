-- Version 9: how often the process ended during a job's stage, and what tells a job's own fault from a power cut.

ALTER TABLE jobs ADD COLUMN ends INTEGER NOT NULL DEFAULT 0 CHECK (ends >= 0);
-- When the attempt under way began, seconds since 1970, and in which boot of the machine.
ALTER TABLE jobs ADD COLUMN began_at INTEGER;
ALTER TABLE jobs ADD COLUMN boot TEXT;
-- Where the last process ended.
ALTER TABLE jobs ADD COLUMN ended_at TEXT;
