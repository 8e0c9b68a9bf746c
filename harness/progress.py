"""The progress line: conversations done, tokens per second, time left.

On a terminal it is painted behind what pytest prints and wiped before pytest goes on; without a
terminal it is a whole line every now and then; with `-qq` it is silent. Under pytest-xdist the
workers leave their counts in files that the controller adds up.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TextIO

_LINE_EVERY_S = 15.0
_SAVE, _RESTORE_AND_WIPE = "\x1b7", "\x1b8\x1b[J"


class Counts(NamedTuple):
    """How far one process, or all, have come."""

    total: int
    done: int
    tokens: int
    """Completion tokens decoded in this run."""


def progress_text(counts: Counts, elapsed_s: float, started_with: int) -> str:
    """Put counts into words.

    Args:
        counts: now.
        elapsed_s: since generation began.
        started_with: conversations that were done at that time (from the store).

    >>> progress_text(Counts(100, 60, 4000), 20.0, 20)
    '60 of 100 conversations, 200 tokens/s, 20 s left'
    """
    text = f"{counts.done} of {counts.total} conversations"
    if elapsed_s > 0 and counts.tokens:
        text += f", {counts.tokens / elapsed_s:.0f} tokens/s"
    fresh = counts.done - started_with
    if fresh > 0 and counts.done < counts.total:
        left = elapsed_s * (counts.total - counts.done) / fresh
        text += f", {left:.0f} s left" if left < 120 else f", {left / 60:.0f} min left"
    return text


class ProgressLine:
    """Shows progress on `file`.

    Args:
        file: the terminal that pytest writes to.
        live: whether it is a terminal that can be painted over.
        width: its columns.
        column: tells where pytest's current line ends.
        lines: whether whole lines are wanted where painting is not possible.
    """

    def __init__(
        self, file: TextIO, *, live: bool, width: int, column: Callable[[], int], lines: bool
    ) -> None:
        self._file, self._live, self._width = file, live, width
        self._column, self._lines = column, lines
        self._began = time.monotonic()
        self._told = self._began
        self._first: Counts | None = None
        self._painted = False

    def show(self, counts: Counts) -> None:
        """Show the counts, if it is time to."""
        if self._first is None:
            self._first = counts
        now = time.monotonic()
        text = progress_text(counts, now - self._began, self._first.done)
        if self._live:
            column = self._column()
            below = ""
            if len(text) > self._width - column - 2:
                # Room for a line below, before the place is saved: on the last row it scrolls.
                below = f"\n\x1b[A\x1b[{column + 1}G"
                text = "\n" + text[: self._width - 2]
            wipe = _RESTORE_AND_WIPE if self._painted else ""
            self._write(f"{wipe}{below}{_SAVE} {text}")
            self._painted = True
        elif self._lines and now - self._told >= _LINE_EVERY_S:
            self._told = now
            self._write(f"\n[{text}]\n")

    def wipe(self) -> None:
        """Take the painted line away, so that pytest can go on where it was."""
        if self._painted:
            self._write(_RESTORE_AND_WIPE)
            self._painted = False

    def _write(self, text: str) -> None:
        self._file.write(text)
        self._file.flush()


def leave_counts(folder: Path, worker: str, counts: Counts) -> None:
    """Write a worker's counts for the controller; the last write wins."""
    part = folder / f".{worker}.part"
    part.write_text(json.dumps(counts), encoding="utf-8")
    part.replace(folder / f"{worker}.json")


def sum_counts(folder: Path) -> Counts | None:
    """Add up what the workers have left; None before the first.

    Every worker knows of all conversations that are done, so the furthest counts; tokens add up.
    """
    found = []
    for path in folder.glob("*.json"):
        try:
            found.append(Counts(*json.loads(path.read_text(encoding="utf-8"))))
        except (OSError, ValueError, TypeError):
            continue
    if not found:
        return None
    return Counts(
        max(c.total for c in found), max(c.done for c in found), sum(c.tokens for c in found)
    )


class Watcher:
    """Shows the workers' counts from a thread of the controller, until it is stopped."""

    def __init__(self, folder: Path, line: ProgressLine) -> None:
        self._folder, self._line = folder, line
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wipe the line."""
        self._stop.set()
        self._thread.join()
        self._line.wipe()

    def _watch(self) -> None:
        while not self._stop.wait(1.0):
            counts = sum_counts(self._folder)
            if counts and counts.done < counts.total:
                self._line.show(counts)
            else:
                self._line.wipe()
