-- Events of a node that were counted and not written, until that is told: a restart forgets none. Nodes without any have
-- no row.
CREATE TABLE event_left_out (
    node_id     TEXT   NOT NULL PRIMARY KEY REFERENCES node (id),
    began_at_ms BIGINT NOT NULL,
    told        BIGINT NOT NULL,
    left_out    BIGINT NOT NULL
);
