"""Recorded replies in files of one row a line: `josi grade`, and rows with labels to measure by.

Takes JSONL (fields: `docs/graders.md`), gives exchanges; turns the graders' grades into one verdict
a reply. `id`, `set` and `labels` are never looked at when grading.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

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


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid")

    role: Literal["user", "assistant"]
    content: str


class _Surroundings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    readiness: Literal["green", "amber", "red"] | None = None
    session: str | None = None
    notes: str | None = None


class Labels(BaseModel):
    """What a person says of a reply (rules: `corpus/README.md`)."""

    i6: Literal["holds", "breaks", "empty"]
    i6_kinds: list[str] = []
    warmth: int
    in_persona: bool
    terms_ok: bool
    facts_ok: bool | None = None
    on_task: bool
    evidence: str = ""
    """The words that break, verbatim."""
    note: str = ""


class Recorded(BaseModel):
    """One recorded reply."""

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

    def exchange(self) -> Exchange:
        """What the graders see of it."""
        given = {name: text for name, text in self.context.model_dump().items() if text}
        return Exchange(
            persona=self.persona,
            language=self.language,
            tier=self.tier,
            context=Context(**given),
            history=tuple(Message(m.role, m.content) for m in self.history),
            user=self.user,
            reply=self.reply,
            expect=Expect(),
        )


def read_recorded(path: Path) -> Iterator[Recorded]:
    """Read rows as they are asked for.

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
                raise FileError(path, number, f"not a JSON object: {error}") from error
            except ValidationError as error:
                first = error.errors()[0]
                field = ".".join(map(str, first["loc"]))
                raise FileError(path, number, f"{field}: {first['msg']}") from error


def _rows(row: Any, place: str) -> Iterator[Any]:
    """A scenario of the corpus is several rows, and leaves out what is usual."""
    if not isinstance(row, dict) or "replies" not in row:
        yield row
        return
    shared = {name: value for name, value in row.items() if name != "replies"}
    for number, reply in enumerate(row["replies"]):
        labels = {"i6": "holds", "in_persona": True, "terms_ok": True, "on_task": True, **reply}
        labels["i6_kinds"] = labels.pop("kinds", [])
        yield {
            **shared,
            "id": f"{place}.{number}",
            "persona": labels.pop("persona"),
            "reply": labels.pop("reply"),
            "labels": labels,
        }


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
