-- The host whose suggestion made a cluster, so that none makes them without end. Null: a person or a token did.
ALTER TABLE cluster ADD COLUMN made_by_host TEXT;
