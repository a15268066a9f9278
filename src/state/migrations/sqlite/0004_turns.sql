-- Daemons that share this state, and when each was last seen by the database's clock.
CREATE TABLE replicas (
    holder TEXT PRIMARY KEY,
    seen_ms INTEGER NOT NULL
) STRICT;

-- What one of them does for all: an account for a scheduled time, or a duty that is never done.
CREATE TABLE turns (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    done_at TEXT
) STRICT;
