-- Dependencies between clusters that somebody expects, whether or not they were ever seen.
CREATE TABLE declared_edge (
    from_cluster TEXT   NOT NULL REFERENCES cluster (slug),
    to_cluster   TEXT   NOT NULL REFERENCES cluster (slug),
    port         BIGINT NOT NULL,
    PRIMARY KEY (from_cluster, to_cluster, port)
);
