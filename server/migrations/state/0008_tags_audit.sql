-- Tags that people give (JSON: a value, or null where one that the agent suggests is hidden), and notes in Markdown.
ALTER TABLE node    ADD COLUMN tags  TEXT;
ALTER TABLE node    ADD COLUMN notes TEXT;
ALTER TABLE cluster ADD COLUMN tags  TEXT;

-- What a change made of what, and by which request. Entries that have none of it are chained as they were before.
ALTER TABLE event ADD COLUMN before     TEXT;
ALTER TABLE event ADD COLUMN after      TEXT;
ALTER TABLE event ADD COLUMN address    TEXT;
ALTER TABLE event ADD COLUMN request_id TEXT;
