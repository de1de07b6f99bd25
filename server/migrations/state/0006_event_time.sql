-- The events page counts and lists a stretch of time.
CREATE INDEX event_at ON event (at_ms);
