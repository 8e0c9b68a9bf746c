"""Recorded replies in files of one row a line: `josi grade`, and rows with labels to measure by.

Takes JSONL (fields: `Recorded`), gives exchanges; turns the graders' grades into one verdict
a reply. `id`, `set` and `labels` are never looked at when grading.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError, model_validator

from harness.conversation import Context, Expect, Message
from harness.errors import FileError, UsageError
from harness.graders import (
    answers_question,
    avoids_jargon,
    holds_contract,
    keeps_facts,
    stays_in_persona,
)
from harness.graders.contract import BREAKS
from harness.grading import Exchange, Outcome
from harness.knowledge import Language, PersonaId, Tier

GRADER_OF = {
    "i6": "contract", "in_persona": "persona", "terms_ok": "terms", "facts_ok": "facts",
    "on_task": "answer",
}  # fmt: skip
"""The grader behind each label."""


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid")

    role: Literal["user", "assistant"]
    content: str


class _Surroundings(Context):
    """A golden conversation's context, most often only `readiness`, `session` and `notes`."""

    @model_validator(mode="before")
    @classmethod
    def _empty_is_absent(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {name: value for name, value in given.items() if value}


class Labels(BaseModel):
    """What a person says of a reply (rules: `corpus/README.md`); a label left out: not judged."""

    i6: Literal["holds", "breaks", "empty"] | None = None
    i6_kinds: list[str] = []
    warmth: int | None = None
    in_persona: bool | None = None
    terms_ok: bool | None = None
    facts_ok: bool | None = None
    """None, if given: judged, and nothing is claimed."""
    on_task: bool | None = None
    evidence: str = ""
    """The words that break, verbatim."""
    note: str = ""


class Recorded(BaseModel):
    """One recorded reply; `sha256`, `grader` and `date` only where a reader judged it in a run."""

    id: str
    set: str = ""
    language: Language
    persona: PersonaId
    tier: Tier = "coach"
    context: _Surroundings = _Surroundings()
    history: list[_Message] = []
    user: str
    reply: str
    labels: Labels | None = None
    sha256: str = ""
    """Of the messages and the reply."""
    grader: str = ""
    """Whose claim was judged."""
    date: AwareDatetime | None = None

    def exchange(self) -> Exchange:
        """What the graders see of it."""
        return Exchange(
            persona=self.persona,
            language=self.language,
            tier=self.tier,
            context=self.context,
            history=tuple(Message(m.role, m.content) for m in self.history),
            user=self.user,
            reply=self.reply,
            expect=Expect(),
        )


def read_recorded(path: Path, *, may_be_torn: bool = False) -> Iterator[Recorded]:
    """Read rows as they are asked for.

    Args:
        path: the file.
        may_be_torn: leave out a last line that a kill cut off.

    Raises:
        UsageError: if there is no such file.
        FileError: at a line that is not such a row.
    """
    if not path.is_file():
        raise UsageError(f"{str(path)!r} does not exist; give a file of recorded replies (JSONL)")
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                for row in _rows(json.loads(line), f"{path.stem}:{number}"):
                    yield Recorded.model_validate(row)
            except json.JSONDecodeError as error:
                if may_be_torn and not line.endswith("\n"):
                    return
                raise FileError(path, number, f"not a JSON object: {error}") from error
            except ValidationError as error:
                first = error.errors()[0]
                field = ".".join(map(str, first["loc"]))
                raise FileError(path, number, f"{field}: {first['msg']}") from error


_USUAL = {
    "i6": "holds", "in_persona": True, "terms_ok": True, "facts_ok": None, "on_task": True,
}  # fmt: skip


def _rows(row: Any, place: str) -> Iterator[Any]:
    """A scenario of the corpus is several rows, and leaves out what is usual."""
    if not isinstance(row, dict) or "replies" not in row:
        yield row
        return
    shared = {name: value for name, value in row.items() if name != "replies"}
    for number, reply in enumerate(row["replies"]):
        labels = {**_USUAL, **reply}
        labels["i6_kinds"] = labels.pop("kinds", [])
        yield {
            **shared,
            "id": f"{place}.{number}",
            "persona": labels.pop("persona"),
            "reply": labels.pop("reply"),
            "labels": labels,
        }


def newest(rows: Iterable[Recorded]) -> list[Recorded]:
    """Leave out what a later reading of the same reply, on the same grader's claim, replaced.

    Where dates are equal the later row counts. Rows that no reader judged all stay.
    """
    kept: dict[object, Recorded] = {}
    for place, row in enumerate(rows):
        key = (row.sha256, row.grader) if row.sha256 else place
        before = kept.get(key)
        if before is None or before.date is None or row.date is None or row.date >= before.date:
            kept[key] = row
    return list(kept.values())


def verdict(exchange: Exchange) -> dict[str, Any]:
    """Everything the graders say about one reply, in the form of `josi grade`.

    A yes/no field is None where its grader abstains (`facts_ok` also where nothing is claimed).
    """
    grades = {
        "i6": holds_contract(exchange),
        "in_persona": stays_in_persona(exchange),
        "terms_ok": avoids_jargon(exchange),
        "facts_ok": keeps_facts(exchange),
        "on_task": answers_question(exchange),
    }
    contract = grades["i6"]
    kinds = [kind for kind in contract.kinds if kind in BREAKS]
    i6 = "holds"
    if contract.outcome is Outcome.UNGRADED:
        i6 = "ungraded"
    elif kinds:
        i6 = "breaks"
    elif "empty" in contract.kinds:
        i6 = "empty"
    told: dict[str, Any] = {"i6": i6, "i6_kinds": kinds, "warmth": grades["in_persona"].value}
    for name, grade in grades.items():
        if name != "i6":
            told[name] = {Outcome.PASS: True, Outcome.FAIL: False}.get(grade.outcome)
    told["confidence"] = {name: round(grade.confidence, 3) for name, grade in grades.items()}
    told["reasons"] = {name: grade.reason for name, grade in grades.items()}
    told["evidence"] = {name: grade.evidence for name, grade in grades.items() if grade.evidence}
    return told
