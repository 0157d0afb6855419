-- OAuth: clients, what was issued to them, what was revoked of it, and the keys that sign.

CREATE TABLE clients (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    consumer_id INTEGER NOT NULL REFERENCES consumers (id),
    secret_hash BLOB NOT NULL,
    pepper_id INTEGER NOT NULL,
    grants TEXT NOT NULL,
    scopes TEXT NOT NULL,
    tokens_after INTEGER NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX clients_of_consumer ON clients (consumer_id);

-- Until a token expires. AUTOINCREMENT: its number is never given again, or a revocation would hit the wrong one.
CREATE TABLE tokens (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    client_id INTEGER NOT NULL,
    scopes TEXT NOT NULL,
    audience TEXT NOT NULL,
    issued_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX tokens_by_expiry ON tokens (expires_ms);
CREATE INDEX tokens_of_client ON tokens (client_id);

-- Revocations: of this subject every token with a number up to `up_to` is dead. Kept until the last of them has expired.
CREATE TABLE cuts (
    kind TEXT NOT NULL CHECK (kind IN ('token', 'client')),
    subject INTEGER NOT NULL,
    up_to INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,
    PRIMARY KEY (kind, subject)
) STRICT, WITHOUT ROWID;

-- The private halves lie in files beside the peppers.
CREATE TABLE signing_keys (
    id TEXT NOT NULL PRIMARY KEY,
    algorithm TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('next', 'current', 'previous')),
    public_key BLOB NOT NULL,
    created_ms INTEGER NOT NULL,
    role_since_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX signing_keys_by_role ON signing_keys (role) WHERE role <> 'previous';
