-- Version 7: by which recipe base samples were drawn. Those of another recipe are drawn anew.

ALTER TABLE base_samples ADD COLUMN recipe INTEGER NOT NULL DEFAULT 1;
