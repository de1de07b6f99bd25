-- Who was seen to talk to whom. An end is `domain::topology::Side` as JSON: a server or process of a host, or a peer outside.
CREATE TABLE edge (
    from_end         TEXT   NOT NULL,
    to_end           TEXT   NOT NULL,
    port             BIGINT NOT NULL,
    state            TEXT   NOT NULL CHECK (state IN ('new', 'seen', 'stale', 'declared')),
    first_seen_at_ms BIGINT,
    last_seen_at_ms  BIGINT,
    connections      BIGINT NOT NULL,
    failing          BIGINT NOT NULL,
    PRIMARY KEY (from_end, to_end, port)
);

-- Where the map draws a cluster. `map` is the system that is drawn, empty for all. A loose box had no edges when it was
-- placed.
CREATE TABLE position (
    map        TEXT   NOT NULL,
    cluster    TEXT   NOT NULL,
    x          BIGINT NOT NULL,
    y          BIGINT NOT NULL,
    is_pinned  BIGINT NOT NULL,
    is_loose   BIGINT NOT NULL,
    seen_at_ms BIGINT NOT NULL,
    PRIMARY KEY (map, cluster)
);
