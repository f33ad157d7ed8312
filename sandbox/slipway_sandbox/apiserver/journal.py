"""One SQLite file in which the objects outlive the process.

Every change is a transaction of its own, made before anybody is told of it: what a client was answered, or a watcher
saw, is in the file when the process is killed. That costs some tens of microseconds a write, because the write-ahead
log is not forced to the disk each time; a power cut may take the last moments, but leaves the file sound.

What does not outlive the process is the history that watches resume from. A store that was read from a file begins
one revision later and calls every version before that too old, so that watchers list again.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slipway_sandbox.apiserver import views
from slipway_sandbox.apiserver.store import DELETED, Change, Store, object_key

APPLICATION = 0x534C4950
"""Marks a file as ours in its header, where `file` and SQLite look for it."""

FORMAT = 1
"""Changes when the tables do."""

_SCHEMA = (
    """CREATE TABLE objects (
        api_group TEXT NOT NULL, plural TEXT NOT NULL, key TEXT NOT NULL, revision INTEGER NOT NULL,
        body BLOB NOT NULL, PRIMARY KEY (api_group, plural, key)
    )""",
    "CREATE TABLE server (revision INTEGER NOT NULL, token_key BLOB NOT NULL)",
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {FORMAT}",
)


class StateFileError(RuntimeError):
    """The state file cannot be used; the message says which file, why, and what to do."""


@dataclass(frozen=True)
class Row:
    """A stored object and where it belongs: `collection` is (group, plural)."""

    collection: tuple[str, str]
    revision: int
    obj: dict[str, Any]


class Journal:
    """An open state file. It is locked for as long as it is open, and by nobody once the process is gone."""

    def __init__(self, path: Path, token_key: bytes) -> None:
        """Open the file, or begin one with this signing key for tokens.

        Raises:
            StateFileError: it is in use, is damaged, is no state file, or is of another format.
        """
        self._path = path
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # it holds Secrets: for its owner alone
        except OSError as error:
            raise StateFileError(f"cannot open the state file {path}: {error.strerror}") from error
        try:
            self._database = sqlite3.connect(path, timeout=0, isolation_level=None)
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        try:
            self.token_key = self._open(token_key)
        except BaseException:
            self._database.close()
            raise

    def _open(self, token_key: bytes) -> bytes:
        try:
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._database.execute("BEGIN EXCLUSIVE")
            empty = self._one("SELECT count(*) FROM sqlite_master") == 0
            found = self._one("PRAGMA application_id"), self._one("PRAGMA user_version")
            self._database.execute("COMMIT")
            if not empty:
                self._check(*found)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            if empty:
                self._begin(token_key)
            return bytes(self._one("SELECT token_key FROM server"))
        except (sqlite3.Error, TypeError) as error:
            raise self._unusable(error) from error

    def _begin(self, token_key: bytes) -> None:
        with self._database:
            self._database.execute("BEGIN")
            for statement in _SCHEMA:
                self._database.execute(statement)
            self._database.execute("INSERT INTO server VALUES (0, ?)", (token_key,))

    def _check(self, application: int, version: int) -> None:
        if application != APPLICATION:
            raise StateFileError(f"{self._path} is a database of something else, not a state file: name another file")
        if version != FORMAT:
            raise StateFileError(
                f"{self._path} has format {version}, and this version reads format {FORMAT}: "
                "remove the file to begin afresh, or use the version that wrote it"
            )
        problem = self._one("PRAGMA quick_check(1)")
        if problem != "ok":
            raise StateFileError(f"{self._path} is damaged ({problem}): remove it to begin afresh")

    def _one(self, statement: str) -> Any:
        return self._database.execute(statement).fetchone()[0]

    def _unusable(self, error: Exception) -> StateFileError:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            return StateFileError(f"{self._path} is in use by another server: stop that one, or name another file")
        return StateFileError(f"{self._path} is damaged or no state file ({error}): remove it to begin afresh")

    def restore(self, store: Store) -> None:
        """Fill an empty store with what the file holds, and have every further change written to the file.

        Raises:
            StateFileError: what it holds cannot be read.
        """
        try:
            last = self._one("SELECT max(server.revision, ifnull((SELECT max(revision) FROM objects), 0)) FROM server")
            rows = list(self._rows())
        except (sqlite3.Error, ValueError, KeyError, TypeError) as error:
            raise self._unusable(error) from error
        if last:
            for row in rows:
                meta = row.obj["metadata"]
                key = object_key(meta.get("namespace", ""), meta["name"])
                store.restore(row.collection, key, row.revision, row.obj)
            store.resume_after(last)
        store.watch_all(self._write)

    def _rows(self) -> Iterator[Row]:
        for group, plural, revision, body in self._database.execute(
            "SELECT api_group, plural, revision, body FROM objects"
        ):
            obj = json.loads(body.decode("utf-8", "surrogatepass"))
            if not isinstance(obj["metadata"]["name"], str):
                raise TypeError(f"an object of {plural} has no name")
            yield Row((group, plural), revision, obj)

    def _write(self, collection: tuple[str, str], change: Change) -> None:
        if change.kind != DELETED:
            body = views.dump(change.record.obj)
            row = (*collection, change.key, change.revision, body)
            self._database.execute("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?)", row)
            return
        with self._database:
            self._database.execute("BEGIN")
            self._database.execute(
                "DELETE FROM objects WHERE api_group = ? AND plural = ? AND key = ?", (*collection, change.key)
            )
            self._database.execute("UPDATE server SET revision = ?", (change.revision,))

    def close(self) -> None:
        """Fold the log into the file and let go of it."""
        self._database.close()
