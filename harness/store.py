"""The reply store: every reply ever generated, in one append-only SQLite file.

A reply is kept under its key (all that may shape it) and its plan (the group it was decoded in).
A group is written in one transaction when it is complete, so a kill leaves whole groups. Beside
the file lie the locks by which processes agree who decodes which group.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from harness.errors import StoreError
from harness.generation import Group, Plan, Reply

_SCHEMA = """
CREATE TABLE IF NOT EXISTS replies (
    key TEXT NOT NULL, plan TEXT NOT NULL, text TEXT NOT NULL, finish TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL, tokens INTEGER NOT NULL,
    made TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (key, plan));
"""
_FILE = "replies-1.sqlite"  # the number is the schema's; another schema is another file


class Stored(NamedTuple):
    """The replies of one dialogue."""

    replies: tuple[Reply, ...]
    same_plan: bool
    """Whether all came from the plan that asked."""
    row: int
    """Place of the newest in the store; compare with `Store.mark`."""


class Store:
    """Replies on disk.

    Args:
        folder: made if missing.

    Raises:
        StoreError: if the folder or file cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        with _explained(folder):
            (folder / "locks").mkdir(parents=True, exist_ok=True)
            # One connection, guarded by our lock; autocommit, transactions are explicit.
            self._db = sqlite3.connect(
                folder / _FILE, timeout=60, isolation_level=None, check_same_thread=False
            )
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(_SCHEMA)

    def mark(self) -> int:
        """The newest reply's place: what is stored later lies beyond it."""
        with self._lock, _explained(self.folder):
            row = self._db.execute("SELECT COALESCE(MAX(rowid), 0) FROM replies").fetchone()
        return int(row[0])

    def lookup(self, plan: Plan, group: Group) -> list[Stored] | None:
        """All replies of a group, or None if any is missing.

        Prefers replies decoded under the same plan, else takes the newest.
        """
        found: list[Stored] = []
        with self._lock, _explained(self.folder):
            for dialogue in group.dialogues:
                replies: list[Reply] = []
                same, newest = True, 0
                for _ in dialogue.users:
                    row = self._db.execute(
                        "SELECT text, finish, prompt_tokens, cached_tokens, tokens, plan = ?2,"
                        " rowid"
                        " FROM replies WHERE key = ?1 ORDER BY plan = ?2 DESC, rowid DESC LIMIT 1",
                        (plan.key(dialogue, [reply.text for reply in replies]), group.plan),
                    ).fetchone()
                    if row is None:
                        return None
                    replies.append(
                        Reply(
                            text=row[0],
                            finish=row[1],
                            prompt_tokens=row[2],
                            cached_tokens=row[3],
                            tokens=row[4],
                        )
                    )
                    same, newest = same and bool(row[5]), max(newest, row[6])
                found.append(Stored(tuple(replies), same, newest))
        return found

    def add(self, plan: Plan, group: Group, replies: list[tuple[Reply, ...]]) -> None:
        """Write a complete group in one transaction.

        Raises:
            StoreError: if it cannot be written; what was there before stays.
        """
        rows = [
            (plan.key(dialogue, [r.text for r in turns[:turn]]), group.plan, reply.text,
             reply.finish, reply.prompt_tokens, reply.cached_tokens, reply.tokens)
            for dialogue, turns in zip(group.dialogues, replies, strict=True)
            for turn, reply in enumerate(turns)
        ]  # fmt: skip
        with self._lock, _explained(self.folder):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany(
                    "INSERT OR IGNORE INTO replies (key, plan, text, finish, prompt_tokens,"
                    " cached_tokens, tokens) VALUES (?, ?, ?, ?, ?, ?, ?)",
                    rows,
                )
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def claim(self, group: Group) -> Claim | None:
        """Take the right to decode a group, or None while a living process has it."""
        path = self.folder / "locks" / group.plan
        with _explained(self.folder):
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        return Claim(path, handle)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()


class Claim:
    """A group's lock; the system drops it when its process dies, however it dies."""

    def __init__(self, path: Path, handle: int) -> None:
        self._path, self._handle = path, handle

    def release(self) -> None:
        """Let others decode the group (they will find it in the store if it was finished)."""
        # Unlinked while held: a process that waits on the old file re-checks the store anyway.
        self._path.unlink(missing_ok=True)
        os.close(self._handle)


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StoreError(
            f"replies cannot be kept in {str(folder)!r}: {error}; replies kept so far are safe. "
            "Free disk space, or name another folder with JOSI_STORE, and run the command again"
        ) from error
