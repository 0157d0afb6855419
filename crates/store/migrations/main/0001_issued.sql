-- What the gate issued: consumers, their keys, the quota they used, who administers, and the audit chain over all of it.

CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- AUTOINCREMENT: the number of a removed consumer is never given again, so old records stay theirs.
CREATE TABLE consumers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    plan TEXT,
    created_ms INTEGER NOT NULL
) STRICT;

-- scopes, apis and ips are JSON lists of text: they are only ever read and written whole.
CREATE TABLE keys (
    id TEXT NOT NULL PRIMARY KEY,
    consumer_id INTEGER NOT NULL REFERENCES consumers (id),
    label TEXT,
    hash BLOB NOT NULL UNIQUE,
    pepper_id INTEGER NOT NULL,
    imported INTEGER NOT NULL,
    scopes TEXT NOT NULL,
    apis TEXT NOT NULL,
    ips TEXT NOT NULL,
    not_before_ms INTEGER,
    expires_ms INTEGER,
    revoked_ms INTEGER,
    created_ms INTEGER NOT NULL,
    last_used_ms INTEGER,
    successor TEXT REFERENCES keys (id) DEFERRABLE INITIALLY DEFERRED
) STRICT, WITHOUT ROWID;

CREATE INDEX keys_of_consumer ON keys (consumer_id);

-- What was granted of each quota; at most the current and the previous period of each pair are kept.
CREATE TABLE quota_usage (
    subject TEXT NOT NULL,
    quota TEXT NOT NULL,
    period_start_ms INTEGER NOT NULL,
    granted INTEGER NOT NULL CHECK (granted >= 0),
    PRIMARY KEY (subject, quota, period_start_ms)
) STRICT, WITHOUT ROWID;

CREATE TABLE admin_tokens (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    pepper_id INTEGER NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('read', 'write')),
    created_ms INTEGER NOT NULL,
    revoked_ms INTEGER
) STRICT;

-- A removed token stays for the audit's sake; its name may be given again.
CREATE UNIQUE INDEX admin_tokens_live ON admin_tokens (name) WHERE revoked_ms IS NULL;

CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    actor TEXT NOT NULL,
    act TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL,
    prev_hash BLOB NOT NULL,
    hash BLOB NOT NULL
) STRICT;

-- These stop a mistake, not an attacker: the hash chain is for the attacker.
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_is_not_removed BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
