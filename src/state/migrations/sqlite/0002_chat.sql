-- Signed requests that were acted on, by their digest: the same one again is refused. None is older than what its
-- signature allows.
CREATE TABLE clicks (
    digest TEXT PRIMARY KEY,
    at TEXT NOT NULL
) STRICT;

-- What the last report said, to be compared with the next.
CREATE TABLE reports (
    name TEXT PRIMARY KEY,
    at TEXT NOT NULL,
    document TEXT NOT NULL
) STRICT;
