-- What people say about clusters and systems.
ALTER TABLE cluster ADD COLUMN kind          TEXT NOT NULL DEFAULT 'stateless';
ALTER TABLE cluster ADD COLUMN min_available TEXT;
ALTER TABLE cluster ADD COLUMN role_order    TEXT;
ALTER TABLE cluster ADD COLUMN notes         TEXT;
ALTER TABLE system  ADD COLUMN environment   TEXT;
