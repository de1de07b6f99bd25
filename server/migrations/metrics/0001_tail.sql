-- Samples. The cursor commits with the samples it covers, so a report is stored once or not at all.
CREATE TABLE cursor (
    host_no        BIGINT NOT NULL PRIMARY KEY,
    epoch          BIGINT NOT NULL,
    seq            BIGINT NOT NULL,
    digest         BLOB   NOT NULL,
    received_at_ms BIGINT NOT NULL,
    goodbye        BIGINT NOT NULL
);

-- Small numbers for (metric, instance) of one host, so that a stored sample names its series in one byte.
CREATE TABLE series (
    host_no  BIGINT NOT NULL,
    no       BIGINT NOT NULL,
    metric   BIGINT NOT NULL,
    instance TEXT   NOT NULL,
    PRIMARY KEY (host_no, no),
    UNIQUE (host_no, metric, instance)
);

-- The durable tail: one row a record, `domain::metric::pack`. Sealed chunks will take over what is older.
CREATE TABLE sample_tail (
    host_no BIGINT NOT NULL,
    t_ms    BIGINT NOT NULL,
    epoch   BIGINT NOT NULL,
    seq     BIGINT NOT NULL,
    samples BLOB   NOT NULL,
    PRIMARY KEY (host_no, t_ms, epoch, seq)
) WITHOUT ROWID;

-- Stretches that are known to be lost, and why.
CREATE TABLE gap (
    host_no BIGINT NOT NULL,
    from_ms BIGINT NOT NULL,
    to_ms   BIGINT NOT NULL,
    reason  TEXT   NOT NULL,
    records BIGINT NOT NULL,
    PRIMARY KEY (host_no, from_ms, to_ms, reason)
);
