-- One row in each table that version 6 added, for the tests of migration.
INSERT INTO calibrations VALUES ('base', 'general', '{"learning_rate":0.002,"drift_budget":0.04,"rates":[{"rate":0.002,"gain":1.5,"standard_error":0.5,"drift":0.03,"tokens":9000}],"drifts":[{"drift":0.03,"asked":30,"lost":1}],"speeds":{"read":400.0,"written":30.0,"trained":120.0},"seconds":600.0,"made_at":400}', 400);
