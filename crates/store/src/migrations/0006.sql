-- Version 6: calibrations, what was measured of a base model before it learned.

CREATE TABLE calibrations (
    base_fingerprint TEXT NOT NULL,
    -- The prompts that it was measured with.
    prompts TEXT NOT NULL CHECK (prompts <> ''),
    calibration TEXT NOT NULL CHECK (json_valid(calibration)),
    made_at INTEGER NOT NULL,
    PRIMARY KEY (base_fingerprint, prompts)
) STRICT;
