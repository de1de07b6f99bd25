-- Where boxes stood before the map was tidied last: what undoing brings back.
CREATE TABLE position_before (
    map        TEXT   NOT NULL,
    cluster    TEXT   NOT NULL,
    x          BIGINT NOT NULL,
    y          BIGINT NOT NULL,
    is_pinned  BIGINT NOT NULL,
    is_loose   BIGINT NOT NULL,
    seen_at_ms BIGINT NOT NULL,
    PRIMARY KEY (map, cluster)
);
