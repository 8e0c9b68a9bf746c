"""Every error the harness raises on purpose.

    HarnessError
    ├── UsageError          something a person gave us is wrong: exit 4 before generation starts
    │   ├── FileError       a file people write (golden, knowledge, gate) is wrong, with file:line
    │   └── ModelError      the model, adapter or chat template cannot be used
    ├── EngineError         the engine failed while generating: pytest ERROR, exit 12, never a score
    └── StoreError          replies could not be kept (disk full, locked): exit 12

A message says what is wrong, which value, where, and what to do next.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path


class HarnessError(Exception):
    """Root of all errors raised on purpose by the harness."""


class UsageError(HarnessError):
    """Something a person gave us cannot be used; nothing has been generated yet."""


class FileError(UsageError):
    """A file that people write is wrong at a known place.

    Args:
        path: the file.
        line: 1-based line, or None where the whole file is meant.
        what: what is wrong and what to do.
    """

    def __init__(self, path: Path, line: int | None, what: str) -> None:
        self.path, self.line, self.what = path, line, what
        place = str(path) if line is None else f"{path}:{line}"
        super().__init__(f"{place}: {what}")


class ModelError(UsageError):
    """The model, its adapter or its chat template cannot be used."""


class EngineError(HarnessError):
    """The engine failed while generating; the affected cases are errors, not failures."""


class StoreError(HarnessError):
    """Replies could not be written or read."""


def hint(name: str, known: Iterable[str]) -> str:
    """Suggest the closest known name, as the tail of an error message.

    >>> hint("persnoas", ["personas", "tags"])
    " Did you mean 'personas'?"
    >>> hint("zzz", ["personas", "tags"])
    ''
    """
    close = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else ""
