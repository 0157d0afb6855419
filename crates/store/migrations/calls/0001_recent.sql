-- Recent calls and usage by the hour. Nothing here is issued: losing it loses history, never a promise.

-- The record itself is JSON; the columns beside it are what calls are found by.
CREATE TABLE calls (
    id INTEGER PRIMARY KEY,
    call_id BLOB NOT NULL UNIQUE,
    at_ms INTEGER NOT NULL,
    api TEXT,
    route TEXT,
    consumer TEXT,
    key_id TEXT,
    status INTEGER NOT NULL,
    code TEXT,
    path TEXT NOT NULL,
    weight INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT;

-- Every listing is newest first, so the time ends every index.
CREATE INDEX calls_by_time ON calls (at_ms);
CREATE INDEX calls_by_key ON calls (key_id, at_ms) WHERE key_id IS NOT NULL;
CREATE INDEX calls_by_consumer ON calls (consumer, at_ms) WHERE consumer IS NOT NULL;
CREATE INDEX calls_by_code ON calls (code, at_ms) WHERE code IS NOT NULL;
-- By class, because `4xx` is asked for as often as `429`, and a range of statuses would have to be sorted by time.
CREATE INDEX calls_by_class ON calls (status / 100, at_ms, status);

-- Empty text stands for none, because NULLs are never equal and the key must be.
CREATE TABLE usage (
    hour_ms INTEGER NOT NULL,
    api TEXT NOT NULL,
    route TEXT NOT NULL,
    consumer TEXT NOT NULL,
    key_id TEXT NOT NULL,
    status INTEGER NOT NULL,
    count INTEGER NOT NULL,
    request_bytes INTEGER NOT NULL,
    response_bytes INTEGER NOT NULL,
    PRIMARY KEY (hour_ms, api, route, consumer, key_id, status)
) STRICT, WITHOUT ROWID;
