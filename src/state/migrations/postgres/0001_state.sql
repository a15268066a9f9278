-- Times are RFC 3339 in UTC with six digits after the second, so that they sort as text; all text is ordered by its bytes.
-- Only leases and claims are measured by the database's own clock, in milliseconds: as it is at that moment, not as it was
-- when the transaction began.
CREATE VIEW database_clock AS
SELECT CAST(FLOOR(EXTRACT(EPOCH FROM clock_timestamp()) * 1000) AS BIGINT) AS now_ms;

-- What happened, for ever. Every row carries the hash of the one before it.
CREATE TABLE journal (
    seq BIGINT PRIMARY KEY,
    at TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    account TEXT COLLATE "C",
    run TEXT COLLATE "C",
    action TEXT COLLATE "C",
    fencing BIGINT,
    payload TEXT COLLATE "C" NOT NULL,
    previous TEXT COLLATE "C" NOT NULL UNIQUE,
    hash TEXT COLLATE "C" NOT NULL UNIQUE
);

CREATE INDEX journal_by_kind ON journal (kind, account, seq);
CREATE INDEX journal_by_run ON journal (run, seq);
CREATE INDEX journal_by_action ON journal (action, kind, seq);

-- The end of the chain.
CREATE TABLE journal_head (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    seq BIGINT NOT NULL,
    hash TEXT COLLATE "C" NOT NULL
);

INSERT INTO journal_head (id, seq, hash)
VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');

CREATE FUNCTION refuse_to_change_the_journal() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
BEGIN
    RAISE EXCEPTION 'the journal is append-only';
END
$$;

CREATE TRIGGER journal_is_not_updated BEFORE UPDATE ON journal
FOR EACH ROW EXECUTE FUNCTION refuse_to_change_the_journal();

CREATE TRIGGER journal_is_not_deleted BEFORE DELETE ON journal
FOR EACH ROW EXECUTE FUNCTION refuse_to_change_the_journal();

CREATE TRIGGER journal_is_not_emptied BEFORE TRUNCATE ON journal
FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_the_journal();

CREATE FUNCTION refuse_a_row_amid_the_journal() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM journal_head WHERE seq = NEW.seq - 1 AND hash = NEW.previous) THEN
        RAISE EXCEPTION 'the journal grows at its end only';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER journal_grows_at_its_end BEFORE INSERT ON journal
FOR EACH ROW EXECUTE FUNCTION refuse_a_row_amid_the_journal();

-- Attempts at changes, as the journal's intents and outcomes tell; `verify` compares the two.
CREATE TABLE intents (
    seq BIGINT PRIMARY KEY REFERENCES journal (seq),
    account TEXT COLLATE "C" NOT NULL,
    action TEXT COLLATE "C" NOT NULL,
    run TEXT COLLATE "C" NOT NULL,
    direction TEXT COLLATE "C" NOT NULL CHECK (direction IN ('apply', 'undo')),
    kind TEXT COLLATE "C" NOT NULL,
    resource TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    attempt BIGINT NOT NULL,
    fencing BIGINT NOT NULL,
    at TEXT COLLATE "C" NOT NULL,
    status TEXT COLLATE "C" NOT NULL CHECK (status IN ('open', 'unknown', 'applied', 'not_applied', 'failed')),
    outcome_seq BIGINT REFERENCES journal (seq),
    outcome_at TEXT COLLATE "C",
    -- Readings while the outcome is unknown: no fact, so not in the journal.
    settling_since TEXT COLLATE "C",
    settling_applied BIGINT,
    -- Whether its owner was told of it, or needs not be: a process may die between the change and the message.
    told BIGINT NOT NULL DEFAULT 0
);

CREATE INDEX intents_by_action ON intents (account, action, outcome_seq);
CREATE INDEX intents_by_time ON intents (account, at);
CREATE INDEX intents_by_run ON intents (run);
CREATE INDEX intents_untold ON intents (account, seq) WHERE status = 'applied' AND told = 0;
CREATE INDEX intents_by_resource ON intents (resource);
CREATE UNIQUE INDEX intents_open ON intents (account, action) WHERE status IN ('open', 'unknown');

CREATE TABLE leases (
    account TEXT COLLATE "C" PRIMARY KEY,
    holder TEXT COLLATE "C" NOT NULL,
    fencing BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL
);

CREATE TABLE plans (
    id TEXT COLLATE "C" PRIMARY KEY,
    created_at TEXT COLLATE "C" NOT NULL,
    saved_at TEXT COLLATE "C" NOT NULL,
    config_digest TEXT COLLATE "C" NOT NULL,
    document TEXT COLLATE "C" NOT NULL
);

-- When each rule last looked at each account, and what it found then.
CREATE TABLE evaluations (
    rule TEXT COLLATE "C" NOT NULL,
    account TEXT COLLATE "C" NOT NULL,
    run TEXT COLLATE "C" NOT NULL,
    at TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (rule, account)
);

CREATE TABLE findings (
    id TEXT COLLATE "C" PRIMARY KEY,
    rule TEXT COLLATE "C" NOT NULL,
    account TEXT COLLATE "C" NOT NULL,
    run TEXT COLLATE "C" NOT NULL,
    severity TEXT COLLATE "C" NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    document TEXT COLLATE "C" NOT NULL,
    first_seen TEXT COLLATE "C" NOT NULL,
    last_seen TEXT COLLATE "C" NOT NULL,
    standing BIGINT NOT NULL
);

CREATE INDEX findings_by_rule ON findings (rule, account, standing);

CREATE TABLE ticks (
    rule TEXT COLLATE "C" PRIMARY KEY,
    at TEXT COLLATE "C" NOT NULL
);

CREATE TABLE observations (
    account TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    observation TEXT COLLATE "C" NOT NULL,
    first_seen TEXT COLLATE "C" NOT NULL,
    last_seen TEXT COLLATE "C" NOT NULL,
    reading BIGINT NOT NULL,
    -- Kept though the last reading did not see it: a later sighting begins anew.
    broken BIGINT NOT NULL,
    PRIMARY KEY (account, kind, observation)
);

CREATE TABLE messages (
    id TEXT COLLATE "C" PRIMARY KEY,
    channel TEXT COLLATE "C" NOT NULL,
    event TEXT COLLATE "C" NOT NULL,
    owner TEXT COLLATE "C",
    body TEXT COLLATE "C" NOT NULL,
    dedup TEXT COLLATE "C" NOT NULL,
    created_at TEXT COLLATE "C" NOT NULL,
    deliver_after TEXT COLLATE "C" NOT NULL,
    next_attempt_at TEXT COLLATE "C" NOT NULL,
    attempts BIGINT NOT NULL,
    state TEXT COLLATE "C" NOT NULL CHECK (state IN ('queued', 'accepted', 'dead')),
    claimed_by TEXT COLLATE "C",
    claimed_until_ms BIGINT NOT NULL,
    last_error TEXT COLLATE "C",
    finished_at TEXT COLLATE "C"
);

-- A message that was given up may be queued anew; any other never is.
CREATE UNIQUE INDEX messages_once ON messages (dedup) WHERE state <> 'dead';
CREATE INDEX messages_due ON messages (state, next_attempt_at);

-- The dates that a message announced.
CREATE TABLE notices (
    message TEXT COLLATE "C" NOT NULL REFERENCES messages (id),
    account TEXT COLLATE "C" NOT NULL,
    finding TEXT COLLATE "C" NOT NULL,
    event TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    ladder TEXT COLLATE "C" NOT NULL,
    announced_for TEXT COLLATE "C" NOT NULL,
    queued_at TEXT COLLATE "C" NOT NULL,
    accepted_at TEXT COLLATE "C",
    dead BIGINT NOT NULL,
    PRIMARY KEY (message, account, finding, subject, ladder)
);

CREATE INDEX notices_by_account ON notices (account, queued_at);
