"""What readers say of a run's replies: the file of verdicts, `reviews/labels.jsonl`.

Below `talk`, which asks it at every grade; `josi review` writes it. One line a verdict, in the
fields of `josi calibrate` and a few more; lines are only ever added, and the newest verdict on a
reply and a grader's claim counts.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AwareDatetime,
    Field,
    StrictBool,
    StringConstraints,
    ValidationError,
    model_validator,
)

from harness.conversation import Message
from harness.errors import FileError, StoreError, hint
from harness.graders import GRADERS
from harness.graders.contract import BREAKS
from harness.grading import Grade, Outcome
from harness.labelled import Recorded, newest
from harness.provenance import sha256_text

LABELS = Path("reviews") / "labels.jsonl"
"""The file's place below the project's root."""
BREAK = "break"
"""Kind of a contract break that a reader saw and no grader named."""
Verdict = Literal["holds", "breaks", "empty"] | bool
"""On the contract one of the words; on any other grader's claim whether it holds."""

_SAID: dict[str, dict[str | bool, str]] = {
    "contract": {"holds": "holds the contract", "breaks": "breaks the contract",
                 "empty": "is no answer"},
    "safety": {True: "is safe", False: "is not safe"},
    "refusal": {True: "declines properly", False: "does not decline properly"},
    "terms": {True: "avoids jargon", False: "uses internal names or jargon"},
    "facts": {True: "keeps the facts", False: "claims what is false"},
    "persona": {True: "stays in persona", False: "is out of persona"},
    "conduct": {True: "follows conduct", False: "does not follow conduct"},
    "answer": {True: "is on task", False: "is off task"},
}  # fmt: skip


def reply_sha256(messages: Iterable[Message], reply: str) -> str:
    """Name a reply by the messages as sent (system first) and its own text: 64 hex digits."""
    told = [[message.role, message.content] for message in messages]
    return sha256_text(json.dumps([told, reply], ensure_ascii=True))


class Reading(Recorded):
    """One verdict of one reader on one grader's claim about one reply."""

    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    grader: str
    verdict: Literal["holds", "breaks", "empty"] | StrictBool | None = Field(...)
    """None takes the verdict before it back."""
    name: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    """The reader's, printable."""
    date: AwareDatetime

    @model_validator(mode="after")
    def _verdict_is_on_the_claim(self) -> Self:
        if self.grader not in GRADERS:
            raise ValueError(f"no grader {self.grader!r}.{hint(self.grader, GRADERS)}")
        if self.verdict is not None and self.verdict not in _SAID[self.grader]:
            known = ", ".join(json.dumps(word) for word in _SAID[self.grader])
            raise ValueError(f"verdict {self.verdict!r} on {self.grader}: expected {known} or null")
        if not self.name.isprintable():
            raise ValueError(f"name {self.name!r} holds signs that cannot be shown")
        return self

    @property
    def said(self) -> str:
        """The verdict in words."""
        return "" if self.verdict is None else _SAID[self.grader][self.verdict]

    def instead_of(self, grade: Grade) -> Grade:
        """Turn the grader's own grade on this reply into the reader's verdict."""
        failing = grade.outcome is Outcome.FAIL
        kinds: tuple[str, ...] = ()
        if self.verdict == "empty":
            kinds = ("empty",)
        elif self.verdict == "breaks":
            named = failing and set(grade.kinds) & set(BREAKS)
            kinds = grade.kinds if named else (BREAK,)
        elif self.verdict is False and failing:
            kinds = grade.kinds
        good = self.verdict in ("holds", True)
        return replace(
            grade,
            outcome=Outcome.PASS if good else Outcome.FAIL,
            confidence=1.0,
            reason=f"read by {self.name} on {self.date:%Y-%m-%d}: {self.said}",
            evidence="" if good else grade.evidence,
            kinds=kinds,
        )


Readings = Mapping[tuple[str, str], Reading]
"""The verdicts that count, by `reply_sha256` and grader."""


def read_readings(path: Path) -> Readings:
    """Read the verdicts that count; none if there is no such file.

    A last line without its line end, as a kill leaves it, is left out unless it is whole.

    Raises:
        FileError: at a line that is no verdict.
    """
    found: list[Reading] = []
    try:
        lines = path.read_bytes().split(b"\n") if path.exists() else []
    except OSError as error:
        raise FileError(path, None, f"cannot be read ({error.strerror})") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found.append(Reading.model_validate_json(line))
        except ValidationError as error:
            if number == len(lines) and not _whole(line):
                break
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"])) or "line"
            raise FileError(
                path, number, f"{field}: {first['msg']}; mend or delete the line"
            ) from error
    return {
        (row.sha256, row.grader): row
        for row in newest(found)
        if isinstance(row, Reading) and row.verdict is not None
    }


def add_reading(path: Path, reading: Reading) -> None:
    """Append one verdict; it is on the disk when this returns.

    What a kill left of a line is cut off first. The verdict is dated no earlier than those on the
    same claim and reply before it, so that it counts where a clock was set back.

    Raises:
        StoreError: if it cannot be written; the verdicts before it are safe.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            content = _end_last_line(file.fileno(), path.read_bytes())
            date = max([reading.date, *_dates(content, reading)])
            dated = reading.model_copy(update={"date": date})
            line = dated.model_dump_json(exclude_unset=True).encode() + b"\n"
            while line:
                line = line[file.write(line) :]
            os.fsync(file)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise StoreError(
            f"the verdict cannot be kept in {str(path)!r} ({error.strerror}); those before it are "
            "safe: free disk space, or name another file with --labels FILE"
        ) from error


def _end_last_line(handle: int, content: bytes) -> bytes:
    """Let the file end with a line end, and give its content then."""
    tail = content[content.rfind(b"\n") + 1 :]
    if not tail:
        return content
    if _whole(tail):
        os.write(handle, b"\n")
        return content + b"\n"
    os.ftruncate(handle, len(content) - len(tail))
    return content[: len(content) - len(tail)]


def _dates(content: bytes, reading: Reading) -> Iterator[datetime]:
    """When the same claim about the same reply was judged."""
    sha256 = reading.sha256.encode()
    for line in content.split(b"\n"):
        if sha256 in line:
            with contextlib.suppress(ValidationError):  # told whenever the file is read
                before = Reading.model_validate_json(line)
                if (before.sha256, before.grader) == (reading.sha256, reading.grader):
                    yield before.date


def _whole(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
