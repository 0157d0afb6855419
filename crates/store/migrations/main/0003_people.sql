-- People: their accounts, the browsers they are signed in with, what they agreed to, and what clients hold on their behalf.
-- Passwords are PHC strings; every other secret is a keyed hash.

ALTER TABLE clients ADD COLUMN redirects TEXT NOT NULL DEFAULT '[]';
ALTER TABLE clients ADD COLUMN public INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tokens ADD COLUMN user_id INTEGER;
ALTER TABLE tokens ADD COLUMN family_id INTEGER;

CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    password TEXT NOT NULL,
    disabled INTEGER NOT NULL DEFAULT 0,
    created_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE sessions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    hash BLOB NOT NULL UNIQUE,
    user_id INTEGER NOT NULL REFERENCES users (id),
    address TEXT NOT NULL,
    agent TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    used_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX sessions_of_user ON sessions (user_id);

CREATE TABLE consents (
    user_id INTEGER NOT NULL REFERENCES users (id),
    client_id INTEGER NOT NULL REFERENCES clients (id),
    scopes TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (user_id, client_id)
) STRICT, WITHOUT ROWID;

-- Not redeemed yet. One that is becomes a family, in the same transaction.
CREATE TABLE codes (
    hash BLOB NOT NULL PRIMARY KEY,
    client_id INTEGER NOT NULL REFERENCES clients (id),
    user_id INTEGER NOT NULL REFERENCES users (id),
    redirect TEXT NOT NULL,
    challenge TEXT NOT NULL,
    scopes TEXT NOT NULL,
    audience TEXT,
    expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- `handle` begins every refresh token of the family, and never changes; `current` is the whole of the one that is good, and
-- `rotated` of the one before it. A text with the handle that is neither was used before: somebody has a copy.
CREATE TABLE families (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    code BLOB NOT NULL UNIQUE,
    handle BLOB UNIQUE,
    current BLOB,
    rotated BLOB,
    rotated_ms INTEGER,
    key TEXT,
    client_id INTEGER NOT NULL REFERENCES clients (id),
    user_id INTEGER NOT NULL REFERENCES users (id),
    scopes TEXT NOT NULL,
    audience TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    used_ms INTEGER NOT NULL,
    ends_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX families_of_user ON families (user_id);
CREATE INDEX families_of_client ON families (client_id);
CREATE INDEX families_by_end ON families (ends_ms);

CREATE TABLE cuts_of_all (
    kind TEXT NOT NULL CHECK (kind IN ('token', 'client', 'user', 'family')),
    subject INTEGER NOT NULL,
    up_to INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,
    PRIMARY KEY (kind, subject)
) STRICT, WITHOUT ROWID;

INSERT INTO cuts_of_all SELECT kind, subject, up_to, until_ms FROM cuts;
DROP TABLE cuts;
ALTER TABLE cuts_of_all RENAME TO cuts;
