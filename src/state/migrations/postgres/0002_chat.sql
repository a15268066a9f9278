-- Signed requests that were acted on, by their digest: the same one again is refused. None is older than what its
-- signature allows.
CREATE TABLE clicks (
    digest TEXT COLLATE "C" PRIMARY KEY,
    at TEXT COLLATE "C" NOT NULL
);

-- What the last report said, to be compared with the next.
CREATE TABLE reports (
    name TEXT COLLATE "C" PRIMARY KEY,
    at TEXT COLLATE "C" NOT NULL,
    document TEXT COLLATE "C" NOT NULL
);
