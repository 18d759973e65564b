-- Version 12 added no table.
UPDATE documents SET tag = 'ports' WHERE id = 1;
