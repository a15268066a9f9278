-- Who is signed in at the pages. Of what the browser holds there is only a digest.
CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    subject TEXT NOT NULL,
    credential TEXT NOT NULL,
    claims TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL
) STRICT;

CREATE INDEX sessions_by_end ON sessions (expires_at);

-- Requests that count once: nonces of forms, and idempotency keys with the answer that was given.
CREATE TABLE requests (
    id TEXT PRIMARY KEY,
    content TEXT NOT NULL,
    answer TEXT,
    at TEXT NOT NULL,
    expires_at TEXT NOT NULL
) STRICT;

CREATE INDEX requests_by_end ON requests (expires_at);
