-- One row in each table that version 4 added, for the tests of migration.
INSERT INTO lineages VALUES (1, 'base', '/models/one', 500, NULL, NULL);
INSERT INTO lineages VALUES (2, 'other', '/models/two', 100, 500, 1);
