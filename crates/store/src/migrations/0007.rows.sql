-- Version 7 added no table; samples of its recipe, for the tests of migration.
INSERT INTO base_samples (base_fingerprint, token_ids, recipe) VALUES ('another', '[[4]]', 2);
