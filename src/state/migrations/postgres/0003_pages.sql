-- Who is signed in at the pages. Of what the browser holds there is only a digest.
CREATE TABLE sessions (
    id TEXT COLLATE "C" PRIMARY KEY,
    subject TEXT COLLATE "C" NOT NULL,
    credential TEXT COLLATE "C" NOT NULL,
    claims TEXT COLLATE "C" NOT NULL,
    created_at TEXT COLLATE "C" NOT NULL,
    expires_at TEXT COLLATE "C" NOT NULL
);

CREATE INDEX sessions_by_end ON sessions (expires_at);

-- Requests that count once: nonces of forms, and idempotency keys with the answer that was given.
CREATE TABLE requests (
    id TEXT COLLATE "C" PRIMARY KEY,
    content TEXT COLLATE "C" NOT NULL,
    answer TEXT COLLATE "C",
    at TEXT COLLATE "C" NOT NULL,
    expires_at TEXT COLLATE "C" NOT NULL
);

CREATE INDEX requests_by_end ON requests (expires_at);
