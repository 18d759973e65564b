-- Version 11 added no table. A round that was only begun.
UPDATE writer_rounds SET reasons = NULL, ended_at = NULL;
