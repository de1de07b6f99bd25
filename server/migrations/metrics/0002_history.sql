-- Sealed history: the points of all series of one host over one stretch, `domain::metric::chunk`.
-- level: 0 raw, 1 a minute, 2 ten minutes, 3 an hour. `part` grows where a stretch has more points than a chunk holds.
-- `bytes` stands last: what is before it is read without it.
CREATE TABLE chunk (
    no       INTEGER NOT NULL PRIMARY KEY,
    host_no  BIGINT  NOT NULL,
    level    BIGINT  NOT NULL,
    start_ms BIGINT  NOT NULL,
    part     BIGINT  NOT NULL,
    first_ms BIGINT  NOT NULL,
    end_ms   BIGINT  NOT NULL,
    points   BIGINT  NOT NULL,
    bytes    BLOB    NOT NULL,
    UNIQUE (host_no, level, start_ms, part)
);

-- What expires next.
CREATE INDEX chunk_by_age ON chunk (level, start_ms);

-- Stretches whose records came long after they were taken.
CREATE TABLE backfill (
    host_no BIGINT NOT NULL,
    from_ms BIGINT NOT NULL,
    to_ms   BIGINT NOT NULL,
    PRIMARY KEY (host_no, from_ms)
) WITHOUT ROWID;

-- Up to where each level has been deleted, so that "no longer kept" can be told from "never reported".
CREATE TABLE level_cut (
    level     BIGINT NOT NULL PRIMARY KEY,
    before_ms BIGINT NOT NULL
);
