-- Bytes a second over an edge at last sight, both ways together. Null: nobody told it.
ALTER TABLE edge ADD COLUMN bytes_per_s BIGINT;
