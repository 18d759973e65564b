-- One row in each table that version 3 added, for the tests of migration.
INSERT INTO jobs VALUES (2, 'consolidate', NULL, 'swap', 'done', 1, NULL, NULL, 'asked for');
INSERT INTO jobs VALUES (3, 'writer_round', NULL, 'promote', 'done', 1, NULL, NULL, 'scheduled');
INSERT INTO jobs VALUES (4, 'forget', NULL, 'purge', 'done', 1, NULL, NULL, 'asked for');
INSERT INTO consolidations VALUES (2, 1, 1, 9, 0.002, 40, 4000, 2.5, 0.4, 10, 7, 8, 1, 0, 0.01, 0.02, 1, '[]', 5000, NULL);
INSERT INTO forgettings VALUES (4, 77, 0, 6, 0, 5, 1, 6000);
INSERT INTO writers VALUES (1, NULL, 'base', 'writer', 7000);
INSERT INTO writer_documents VALUES (1, 1);
INSERT INTO writer_rounds VALUES (3, NULL, 1, 30, 3000, 1.5, 0.3, 1, 0.5, 0.9, 0.1, 0.8, 0.79, 1, '[]', 7000, 1);
INSERT INTO writer_samples VALUES (3, 0, 'new', 1, 'self_qa', 0.003, 20, 'Question: When? Answer: noon', 0.9, NULL);
UPDATE live SET writer = 1, since = 2000;
