"""The tables of the object ledger, and how a file of the first version is brought to the second."""

from __future__ import annotations

from typing import Final

VERSION: Final = 2

FIRST: Final = """
CREATE TABLE object (
    provider TEXT NOT NULL, container TEXT NOT NULL, key TEXT NOT NULL, content BLOB NOT NULL, since REAL NOT NULL,
    PRIMARY KEY (provider, container, key)
) WITHOUT ROWID;
CREATE TABLE total (one INTEGER PRIMARY KEY CHECK (one = 1), objects INTEGER NOT NULL);
INSERT INTO total VALUES (1, 0);
CREATE TRIGGER object_in AFTER INSERT ON object BEGIN UPDATE total SET objects = objects + 1; END;
CREATE TRIGGER object_out AFTER DELETE ON object BEGIN UPDATE total SET objects = objects - 1; END
"""
WHOSE: Final = """
ALTER TABLE object ADD COLUMN user TEXT NOT NULL DEFAULT '';
ALTER TABLE object ADD COLUMN decision TEXT NOT NULL DEFAULT '';
ALTER TABLE object ADD COLUMN there INTEGER;
ALTER TABLE object ADD COLUMN asked REAL;
CREATE INDEX object_user ON object (user, provider, container, key);
CREATE TABLE held (
    digest TEXT NOT NULL, provider TEXT NOT NULL, container TEXT NOT NULL, key TEXT NOT NULL,
    PRIMARY KEY (digest, provider, container, key)
) WITHOUT ROWID;
CREATE TABLE place (
    provider TEXT NOT NULL, container TEXT NOT NULL, location BLOB NOT NULL, facts BLOB NOT NULL, since REAL NOT NULL,
    objects INTEGER NOT NULL, PRIMARY KEY (provider, container)
) WITHOUT ROWID;
CREATE TABLE carried (
    provider TEXT NOT NULL, container TEXT NOT NULL, sealed INTEGER NOT NULL, tags TEXT NOT NULL,
    PRIMARY KEY (provider, container, sealed, tags)
) WITHOUT ROWID;
INSERT INTO place SELECT provider, container, '{}', 'null', min(since), count(*) FROM object GROUP BY 1, 2;
INSERT OR IGNORE INTO held
    SELECT json_extract(match.value, '$.digest'), provider, container, object.key
    FROM object, json_each(CAST(content AS TEXT), '$.matches') match WHERE json_extract(match.value, '$.digest') <> '';
INSERT OR IGNORE INTO held
    SELECT json_extract(CAST(content AS TEXT), '$.digest'), provider, container, key
    FROM object WHERE json_extract(CAST(content AS TEXT), '$.digest') <> '';
INSERT OR IGNORE INTO carried
    SELECT provider, container, json_extract(match.value, '$.how') = 'sealed', json_extract(match.value, '$.tags')
    FROM object, json_each(CAST(content AS TEXT), '$.matches') match;
CREATE TRIGGER place_in AFTER INSERT ON object BEGIN
    UPDATE place SET objects = objects + 1 WHERE provider = NEW.provider AND container = NEW.container;
END;
CREATE TRIGGER place_out AFTER DELETE ON object BEGIN
    UPDATE place SET objects = objects - 1 WHERE provider = OLD.provider AND container = OLD.container;
    DELETE FROM held WHERE provider = OLD.provider AND container = OLD.container AND key = OLD.key;
END;
CREATE INDEX held_object ON held (provider, container, key)
"""
"""By whom and by which decision, which contents lie where, and what was known of each container at the first."""
