-- Servers that product packs find on a host are nodes too: one row each, told apart on its host by `server_key`.
-- `facts` is what its agent last told (JSON, `domain::fleet::ServerFacts`); a host's own node has neither.
ALTER TABLE node ADD COLUMN server_key  TEXT;
ALTER TABLE node ADD COLUMN facts       TEXT;
ALTER TABLE node ADD COLUMN admission   TEXT   NOT NULL DEFAULT 'accepted';
-- Who said which cluster it is in: 'token', 'suggestion' or 'operator'. What an operator said stays.
ALTER TABLE node ADD COLUMN placed_by   TEXT   NOT NULL DEFAULT 'token';
CREATE UNIQUE INDEX node_server ON node (host_id, server_key) WHERE server_key IS NOT NULL;

-- May hosts of this token, and servers found on them, go into the clusters that they suggest?
ALTER TABLE enrollment_token ADD COLUMN allows_suggestions BIGINT NOT NULL DEFAULT 0;

-- What people say about clusters and systems.
ALTER TABLE cluster ADD COLUMN kind          TEXT NOT NULL DEFAULT 'stateless';
ALTER TABLE cluster ADD COLUMN min_available TEXT;
ALTER TABLE cluster ADD COLUMN role_order    TEXT;
ALTER TABLE cluster ADD COLUMN notes         TEXT;
ALTER TABLE system  ADD COLUMN environment   TEXT;
