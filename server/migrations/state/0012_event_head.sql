-- Where the event log ends, moved in the transaction of each entry: entries taken from the end are missed.
CREATE TABLE event_head (
    id   BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    seq  BIGINT NOT NULL,
    hash BLOB   NOT NULL
);
INSERT INTO event_head (id, seq, hash) VALUES (
    1,
    COALESCE((SELECT MAX(seq) FROM event), 0),
    COALESCE((SELECT hash FROM event ORDER BY seq DESC LIMIT 1), x'')
);
