-- One row in each table that version 2 added, for the tests of migration.
INSERT INTO inbox_files VALUES (x'706f7274732f622e747874', 1, 3000, NULL);
INSERT INTO schedule VALUES ('replay', 4000, 4000);
INSERT INTO pause VALUES (1, 5000, 6000);
