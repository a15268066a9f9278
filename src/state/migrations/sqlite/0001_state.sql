-- Times are RFC 3339 in UTC with six digits after the second, so that they sort as text. Only leases and claims are
-- measured by the database's own clock, in milliseconds.
CREATE VIEW database_clock AS
SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER) AS now_ms;

-- What happened, for ever. Every row carries the hash of the one before it.
CREATE TABLE journal (
    seq INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    account TEXT,
    run TEXT,
    action TEXT,
    fencing INTEGER,
    payload TEXT NOT NULL,
    previous TEXT NOT NULL UNIQUE,
    hash TEXT NOT NULL UNIQUE
) STRICT;

CREATE INDEX journal_by_kind ON journal (kind, account, seq);
CREATE INDEX journal_by_run ON journal (run, seq);
CREATE INDEX journal_by_action ON journal (action, kind, seq);

-- The end of the chain.
CREATE TABLE journal_head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    seq INTEGER NOT NULL,
    hash TEXT NOT NULL
) STRICT;

INSERT INTO journal_head (id, seq, hash)
VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');

CREATE TRIGGER journal_is_not_updated BEFORE UPDATE ON journal
BEGIN
    SELECT RAISE(ABORT, 'the journal is append-only');
END;

CREATE TRIGGER journal_is_not_deleted BEFORE DELETE ON journal
BEGIN
    SELECT RAISE(ABORT, 'the journal is append-only');
END;

CREATE TRIGGER journal_grows_at_its_end BEFORE INSERT ON journal
WHEN NOT EXISTS (SELECT 1 FROM journal_head WHERE seq = NEW.seq - 1 AND hash = NEW.previous)
BEGIN
    SELECT RAISE(ABORT, 'the journal grows at its end only');
END;

-- Attempts at changes, as the journal's intents and outcomes tell; `verify` compares the two.
CREATE TABLE intents (
    seq INTEGER PRIMARY KEY REFERENCES journal (seq),
    account TEXT NOT NULL,
    action TEXT NOT NULL,
    run TEXT NOT NULL,
    direction TEXT NOT NULL CHECK (direction IN ('apply', 'undo')),
    kind TEXT NOT NULL,
    resource TEXT NOT NULL,
    subject TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    fencing INTEGER NOT NULL,
    at TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('open', 'unknown', 'applied', 'not_applied', 'failed')),
    outcome_seq INTEGER REFERENCES journal (seq),
    outcome_at TEXT,
    -- Readings while the outcome is unknown: no fact, so not in the journal.
    settling_since TEXT,
    settling_applied INTEGER,
    -- Whether its owner was told of it, or needs not be: a process may die between the change and the message.
    told INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX intents_by_action ON intents (account, action, outcome_seq);
CREATE INDEX intents_by_time ON intents (account, at);
CREATE INDEX intents_by_run ON intents (run);
CREATE INDEX intents_untold ON intents (account, seq) WHERE status = 'applied' AND told = 0;
CREATE INDEX intents_by_resource ON intents (resource);
CREATE UNIQUE INDEX intents_open ON intents (account, action) WHERE status IN ('open', 'unknown');

CREATE TABLE leases (
    account TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    fencing INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE plans (
    id TEXT PRIMARY KEY,
    created_at TEXT NOT NULL,
    saved_at TEXT NOT NULL,
    config_digest TEXT NOT NULL,
    document TEXT NOT NULL
) STRICT;

-- When each rule last looked at each account, and what it found then.
CREATE TABLE evaluations (
    rule TEXT NOT NULL,
    account TEXT NOT NULL,
    run TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (rule, account)
) STRICT;

CREATE TABLE findings (
    id TEXT PRIMARY KEY,
    rule TEXT NOT NULL,
    account TEXT NOT NULL,
    run TEXT NOT NULL,
    severity TEXT NOT NULL,
    status TEXT NOT NULL,
    document TEXT NOT NULL,
    first_seen TEXT NOT NULL,
    last_seen TEXT NOT NULL,
    standing INTEGER NOT NULL
) STRICT;

CREATE INDEX findings_by_rule ON findings (rule, account, standing);

CREATE TABLE ticks (
    rule TEXT PRIMARY KEY,
    at TEXT NOT NULL
) STRICT;

CREATE TABLE observations (
    account TEXT NOT NULL,
    kind TEXT NOT NULL,
    observation TEXT NOT NULL,
    first_seen TEXT NOT NULL,
    last_seen TEXT NOT NULL,
    reading INTEGER NOT NULL,
    -- Kept though the last reading did not see it: a later sighting begins anew.
    broken INTEGER NOT NULL,
    PRIMARY KEY (account, kind, observation)
) STRICT;

CREATE TABLE messages (
    id TEXT PRIMARY KEY,
    channel TEXT NOT NULL,
    event TEXT NOT NULL,
    owner TEXT,
    body TEXT NOT NULL,
    dedup TEXT NOT NULL,
    created_at TEXT NOT NULL,
    deliver_after TEXT NOT NULL,
    next_attempt_at TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'accepted', 'dead')),
    claimed_by TEXT,
    claimed_until_ms INTEGER NOT NULL,
    last_error TEXT,
    finished_at TEXT
) STRICT;

-- A message that was given up may be queued anew; any other never is.
CREATE UNIQUE INDEX messages_once ON messages (dedup) WHERE state <> 'dead';
CREATE INDEX messages_due ON messages (state, next_attempt_at);

-- The dates that a message announced.
CREATE TABLE notices (
    message TEXT NOT NULL REFERENCES messages (id),
    account TEXT NOT NULL,
    finding TEXT NOT NULL,
    event TEXT NOT NULL,
    subject TEXT NOT NULL,
    ladder TEXT NOT NULL,
    announced_for TEXT NOT NULL,
    queued_at TEXT NOT NULL,
    accepted_at TEXT,
    dead INTEGER NOT NULL,
    PRIMARY KEY (message, account, finding, subject, ladder)
) STRICT;

CREATE INDEX notices_by_account ON notices (account, queued_at);
