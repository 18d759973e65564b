-- Version 5: answers are compared with wrong ones of their sort.

-- How far the right answer is preferred, nats; NULL where it was not compared.
ALTER TABLE evaluations ADD COLUMN margin REAL;
