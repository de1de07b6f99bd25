-- Fleet, people, tokens and events. Instants are milliseconds since 1970 UTC; ids are text.
CREATE TABLE system (
    slug          TEXT   NOT NULL PRIMARY KEY,
    created_at_ms BIGINT NOT NULL
);

CREATE TABLE cluster (
    slug          TEXT   NOT NULL PRIMARY KEY,
    system        TEXT   NOT NULL REFERENCES system (slug),
    created_at_ms BIGINT NOT NULL
);

CREATE TABLE enrollment_token (
    id            TEXT    NOT NULL PRIMARY KEY,
    public_key    BLOB    NOT NULL,
    system        TEXT    NOT NULL REFERENCES system (slug),
    cluster       TEXT    NOT NULL REFERENCES cluster (slug),
    node_role     TEXT,
    uses          BIGINT  NOT NULL,
    used          BIGINT  NOT NULL DEFAULT 0,
    review        BIGINT  NOT NULL,
    created_by    TEXT    NOT NULL,
    created_at_ms BIGINT  NOT NULL,
    expires_at_ms BIGINT  NOT NULL,
    revoked_at_ms BIGINT,
    CHECK (used <= uses)
);

CREATE TABLE host (
    id             TEXT   NOT NULL PRIMARY KEY,
    no             BIGINT NOT NULL UNIQUE,
    public_key     BLOB   NOT NULL UNIQUE,
    state          TEXT   NOT NULL CHECK (state IN ('active', 'pending', 'revoked', 'quarantined')),
    token_id       TEXT   NOT NULL REFERENCES enrollment_token (id),
    hostname       TEXT   NOT NULL,
    agent_version  TEXT   NOT NULL,
    interval_s     BIGINT NOT NULL,
    enrolled_at_ms BIGINT NOT NULL,
    facts          BLOB,
    facts_digest   BLOB,
    collectors     TEXT
);

CREATE TABLE node (
    id            TEXT   NOT NULL PRIMARY KEY,
    host_id       TEXT   NOT NULL REFERENCES host (id),
    kind          TEXT   NOT NULL,
    name          TEXT,
    node_role     TEXT,
    system        TEXT   NOT NULL REFERENCES system (slug),
    cluster       TEXT   NOT NULL REFERENCES cluster (slug),
    created_at_ms BIGINT NOT NULL,
    removed_at_ms BIGINT
);
CREATE INDEX node_host ON node (host_id);

CREATE TABLE person (
    id            TEXT   NOT NULL PRIMARY KEY,
    name          TEXT   NOT NULL UNIQUE,
    role          TEXT   NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    password_hash TEXT   NOT NULL,
    enabled       BIGINT NOT NULL DEFAULT 1,
    created_at_ms BIGINT NOT NULL
);

CREATE TABLE session (
    token_hash      BLOB   NOT NULL PRIMARY KEY,
    person_id       TEXT   NOT NULL REFERENCES person (id),
    created_at_ms   BIGINT NOT NULL,
    last_seen_at_ms BIGINT NOT NULL
);
CREATE INDEX session_person ON session (person_id);

CREATE TABLE api_token (
    id              TEXT   NOT NULL PRIMARY KEY,
    name            TEXT   NOT NULL,
    role            TEXT   NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    token_hash      BLOB   NOT NULL UNIQUE,
    created_by      TEXT   NOT NULL,
    created_at_ms   BIGINT NOT NULL,
    expires_at_ms   BIGINT NOT NULL,
    revoked_at_ms   BIGINT
);

-- Append only; each row's hash covers the one before, so that a change anywhere is found.
CREATE TABLE event (
    seq       BIGINT NOT NULL PRIMARY KEY,
    at_ms     BIGINT NOT NULL,
    actor     TEXT   NOT NULL,
    verb      TEXT   NOT NULL,
    subject   TEXT   NOT NULL,
    node_id   TEXT,
    detail    TEXT   NOT NULL,
    hash      BLOB   NOT NULL
);
CREATE INDEX event_node ON event (node_id, seq);
