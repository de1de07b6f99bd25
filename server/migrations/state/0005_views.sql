-- A list's URL with a name (`app::fleet::view::NodesQuery` as JSON), of one person or for everybody.
CREATE TABLE saved_view (
    id            TEXT   NOT NULL PRIMARY KEY,
    owner         TEXT   NOT NULL,
    name          TEXT   NOT NULL,
    query         TEXT   NOT NULL,
    is_shared     BIGINT NOT NULL DEFAULT 0,
    created_at_ms BIGINT NOT NULL,
    UNIQUE (owner, name)
);

-- The view that a person sees where the URL says nothing.
CREATE TABLE default_view (
    owner   TEXT NOT NULL PRIMARY KEY,
    view_id TEXT NOT NULL REFERENCES saved_view (id) ON DELETE CASCADE
);
