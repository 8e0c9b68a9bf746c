"""What of a run waits for a reader, and one reader's way through it: `josi review`.

Takes a run folder's `replies.jsonl` and the verdicts there are, gives the grades that wait, each
with its reply; a `Session` turns keys into verdicts. Knows no terminal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ValidationError, field_validator

from harness.conversation import Case, Message, expand, load_golden
from harness.errors import FileError, UsageError
from harness.knowledge import Knowledge, Language, PersonaId
from harness.labelled import GRADER_OF
from harness.prompt import case_system
from harness.review import Reading, Readings, Verdict, add_reading, reply_sha256

KEYS: dict[str, Verdict] = {"h": "holds", "b": "breaks", "e": "empty"}
"""On the contract."""
CLAIM_KEYS: dict[str, Verdict] = {"y": True, "n": False}
"""On any other grader's claim."""
SKIP, UNDO, QUIT = "s", "u", "q"

_LABEL_OF = {grader: label for label, grader in GRADER_OF.items()}


class _Grade(BaseModel):
    outcome: Literal["pass", "fail", "ungraded"]
    reason: str
    evidence: str = ""
    kinds: list[str] = []


class Replied(BaseModel):
    """One line of a run's `replies.jsonl`."""

    case: str
    behaviour: str
    persona: PersonaId
    language: Language
    sample: int
    turn: int
    """0-based."""
    messages: list[Message]
    reply: str
    finish: str
    claims: list[str] = []
    fails_test: list[str] = []
    grades: dict[str, _Grade]

    @field_validator("messages", mode="after")
    @classmethod
    def _system_first_user_last(cls, messages: list[Message]) -> list[Message]:
        roles = [message.role for message in messages]
        if len(roles) < 2 or len(roles) % 2 or roles[0] != "system" or roles[-1] != "user":
            raise ValueError("expected system, then user and assistant by turns, user last")
        return messages


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One grade that a reader is asked about."""

    replied: Replied
    sha256: str
    grader: str

    @property
    def id(self) -> str:
        """Such as `i6_refusal/swap-easy-run#1[balanced]@2, turn 1`."""
        sample = f"@{self.replied.sample}" if self.replied.sample else ""
        return f"{self.replied.case}{sample}, turn {self.replied.turn + 1}"

    @property
    def grade(self) -> _Grade:
        """What the grader said."""
        return self.replied.grades[self.grader]

    @property
    def keys(self) -> dict[str, Verdict]:
        """Keys that answer."""
        return KEYS if self.grader == "contract" else CLAIM_KEYS

    def record(self) -> dict[str, Any]:
        """All of it, for `--json`."""
        told = self.replied.model_dump(exclude={"grades", "claims", "fails_test", "messages"})
        return {
            "sha256": self.sha256,
            "grader": self.grader,
            **told,
            "messages": [message._asdict() for message in self.replied.messages],
            **self.grade.model_dump(),
            "fails_test": self.grader in self.replied.fails_test,
        }


def newest_run(reports: Path) -> Path:
    """The newest run folder by its name, which begins with the time.

    Raises:
        UsageError: if there is none.
    """
    stamp = re.compile(r"(\d{8}-\d{6})-")
    runs = [
        path.parent for path in reports.glob("*/replies.jsonl") if stamp.match(path.parent.name)
    ]
    if not runs:
        raise UsageError(f"no run in {str(reports)!r}; name a run folder, or run pytest evals")
    return max(runs, key=lambda run: (run.name[:15], run.stat().st_mtime_ns))


def read_run(folder: Path) -> list[Replied]:
    """Read a run's replies; a last line that a kill cut off is left out.

    Raises:
        UsageError: if the folder holds none.
        FileError: at a line that is no reply of a run.
    """
    path = folder / "replies.jsonl"
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise UsageError(
            f"{str(folder)!r} holds no replies.jsonl that can be read ({error.strerror}); name a "
            "run folder, such as reports/<run-id>"
        ) from error
    found: list[Replied] = []
    for number, line in enumerate(lines[:-1], 1):
        try:
            found.append(Replied.model_validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"])) or "line"
            what = f"is no reply of a run: {field}: {first['msg']}; run pytest evals again"
            raise FileError(path, number, what) from error
    return found


def waiting(run: Sequence[Replied], readings: Readings) -> list[Waiting]:
    """What no reader has judged: grades that fail a test, then open ones that decide, then others.

    A grade is open if it is ungraded and something is claimed. A prompt that did not fit the
    model's context has no reply to read. Of equal replies to equal messages one is asked about.
    """
    found: dict[tuple[str, str], tuple[int, Waiting]] = {}
    for replied in run:
        if replied.finish == "overflow":
            continue
        sha256 = reply_sha256(replied.messages, replied.reply)
        for grader, grade in replied.grades.items():
            if grader in replied.fails_test:
                rank = 0
            elif grade.outcome == "ungraded" and "no_claim" not in grade.kinds:
                rank = 1 if grader in replied.claims else 2
            else:
                continue
            key = sha256, grader
            if key not in readings and (key not in found or rank < found[key][0]):
                found[key] = rank, Waiting(replied=replied, sha256=sha256, grader=grader)
    return [one for _, one in sorted(found.values(), key=lambda ranked: ranked[0])]


class Golden:
    """The golden cases, to find again in which context a reply was given.

    Raises:
        UsageError: if the folder holds no conversation or a mistake.
    """

    def __init__(self, folder: Path, known: Knowledge) -> None:
        self.known = known
        self._cases = {
            case.id: case
            for conversation in load_golden(folder, known)
            for case in expand(conversation)
        }

    def case_of(self, replied: Replied) -> Case | None:
        """The reply's case; None where it is gone, or its context is no longer what was sent."""
        case = self._cases.get(replied.case)
        if case is None or case_system(case, self.known) != replied.messages[0]:
            return None
        return case


class Session:
    """One reader's way through what waits; every verdict is on the disk before the next is asked.

    Args:
        queue: what waits.
        labels: the file of verdicts.
        name: the reader's.
        golden: where contexts are found.
        now: the clock.
    """

    def __init__(
        self,
        queue: Sequence[Waiting],
        labels: Path,
        *,
        name: str,
        golden: Golden,
        now: Callable[[], datetime],
    ) -> None:
        self.queue, self.golden = queue, golden
        self.place = 0
        self._labels, self._name, self._now = labels, name, now
        self._done: list[Reading | None] = []
        """What was said at each place so far; None where it was skipped."""

    @property
    def current(self) -> Waiting | None:
        """What is asked now; None at the end."""
        return self.queue[self.place] if self.place < len(self.queue) else None

    @property
    def verdicts(self) -> int:
        """Verdicts of this session that stand."""
        return sum(reading is not None for reading in self._done)

    def press(self, key: str) -> bool:
        """Answer, skip or undo; False where the key means nothing here.

        Raises:
            StoreError: if the verdict cannot be kept; the same is asked again then.
        """
        if key == UNDO:
            return self._undo()
        asked = self.current
        if asked is None or (key != SKIP and key not in asked.keys):
            return False
        reading = None if key == SKIP else self._reading(asked, asked.keys[key])
        if reading is not None:
            add_reading(self._labels, reading)
        self._done.append(reading)
        self.place += 1
        return True

    def _undo(self) -> bool:
        if not self._done:
            return False
        last = self._done[-1]
        if last is not None:
            gone = last.model_dump(exclude_unset=True, exclude={"labels"})
            gone |= {"verdict": None, "date": self._now().replace(microsecond=0)}
            add_reading(self._labels, Reading.model_validate(gone))
        self._done.pop()
        self.place -= 1
        return True

    def _reading(self, asked: Waiting, verdict: Verdict) -> Reading:
        replied, case = asked.replied, self.golden.case_of(asked.replied)
        row: dict[str, Any] = {
            "id": asked.id,
            "set": replied.behaviour,
            "language": replied.language,
            "persona": replied.persona,
            "history": [message._asdict() for message in replied.messages[1:-1]],
            "user": replied.messages[-1].content,
            "reply": replied.reply,
            "sha256": asked.sha256,
            "grader": asked.grader,
            "verdict": verdict,
            "name": self._name,
            "date": self._now().replace(microsecond=0),
        }
        if case is not None:
            row["tier"] = case.conversation.tier
            row["context"] = case.conversation.context.model_dump(exclude_defaults=True)
            if asked.grader in _LABEL_OF:
                row["labels"] = {_LABEL_OF[asked.grader]: verdict}
        return Reading.model_validate(row)


def readers_name(given: str | None, environment: Mapping[str, str], configured: str) -> str:
    """The name that verdicts carry: `--name`, else git's `user.name`, else `$USER`.

    Raises:
        UsageError: if there is none, or it cannot be shown.
    """
    name = (given or configured or environment.get("USER", "")).strip()
    if not name.isprintable() or not 1 <= len(name) <= 100:
        raise UsageError(f"reader's name {name!r}: expected 1 to 100 printable signs; give --name")
    return name
