-- Daemons that share this state, and when each was last seen by the database's clock.
CREATE TABLE replicas (
    holder TEXT COLLATE "C" PRIMARY KEY,
    seen_ms BIGINT NOT NULL
);

-- What one of them does for all: an account for a scheduled time, or a duty that is never done.
CREATE TABLE turns (
    name TEXT COLLATE "C" PRIMARY KEY,
    holder TEXT COLLATE "C" NOT NULL,
    done_at TEXT COLLATE "C"
);
