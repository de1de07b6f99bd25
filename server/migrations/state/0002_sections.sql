-- What a host's owner suggests about it (JSON, `domain::fleet::Suggested`): name and tags are shown, the rest decides
-- nothing.
ALTER TABLE host ADD COLUMN suggested TEXT;

-- The latest of each list about a host, in the bytes its agent sent (`protocol::v1::section`).
CREATE TABLE host_section (
    host_id     TEXT   NOT NULL REFERENCES host (id),
    kind        BIGINT NOT NULL,
    digest      BLOB   NOT NULL,
    taken_at_ms BIGINT NOT NULL,
    body        BLOB   NOT NULL,
    PRIMARY KEY (host_id, kind)
);
