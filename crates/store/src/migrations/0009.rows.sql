-- Version 9 added no table; a job that two processes ended with, for the tests of migration.
UPDATE jobs SET ends = 2, began_at = 5, boot = 'another', ended_at = 'job 1 trials 4' WHERE id = 1;
