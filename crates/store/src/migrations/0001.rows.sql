-- One row in each table of version 1, for the tests of migration.
INSERT INTO documents VALUES (1, 'h1', 'b.txt', 'Bulletin 7', 'The ferry leaves at noon.', 'text', 'ports', 'accepted', '[]', '{"kept":2}', 1000);
INSERT INTO passages VALUES (1, 1, 0, 'The ferry leaves at noon.');
INSERT INTO supplied_probes VALUES (1, 0, 'When does the ferry leave?', '["noon"]');
INSERT INTO jobs VALUES (1, 1, 'replay', 'done', 1, NULL, NULL);
INSERT INTO probes VALUES (1, 1, 1, 0, 'When does the ferry leave?', '["noon"]', 'retain', 'supplied');
INSERT INTO self_edits VALUES (1, 1, 1, 0, 'rewrite', 0.001, 10, 'p1', NULL, 'At noon it leaves.', '[{"text":"At noon it leaves."}]', NULL, '[{"line":"x","reason":"short"}]');
INSERT INTO trials VALUES (1, 1, 'rewrite', 0.001, 2, 40, 4000, 3.5, 0.5, 1.25, 0.75, 1);
INSERT INTO trial_self_edits VALUES (1, 0, 1);
INSERT INTO decisions VALUES (1, 1, 1.0);
INSERT INTO findings VALUES (1, 0, 'gain', 1, 0.5, 0.0, 'gain 0.5 is above 0');
INSERT INTO generations VALUES (1, NULL, 'base', 'adapter', 2000);
INSERT INTO generation_documents VALUES (1, 1);
UPDATE live SET generation = 1;
INSERT INTO evaluations VALUES (1, 1, 'base', NULL, 'dusk', 0, 0.0, 0.0, 0, -9.5);
INSERT INTO evaluations VALUES (1, 1, 'replay', 1, 'noon', 1, 1.0, 1.0, 1, -0.5);
INSERT INTO base_samples VALUES ('base', '[[1,2],[3]]');
INSERT INTO events VALUES (1, 1000, 1, 1, 'started', '{}');
