-- What messages told, entry by entry, so that none is told again because another came beside it.
CREATE TABLE told (
    entry TEXT PRIMARY KEY,
    message TEXT NOT NULL REFERENCES messages (id)
);

CREATE INDEX told_by ON told (message);
