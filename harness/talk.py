"""One case as a test sees it: the finished conversation, its grades and its outcome.

Last stage before the report: takes a case and its replies, runs every grader over every turn, and
decides by those that the test names. Where a reader has judged a reply, the reader's verdict takes
the grade's place. Knows nothing of pytest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from harness.conversation import Case, Message
from harness.gate import Kind
from harness.generation import Dialogue, Reply
from harness.graders import GRADERS
from harness.graders.contract import BREAKS
from harness.grading import Exchange, Grade, Grader, Outcome, ungraded
from harness.review import BREAK, Reading, Readings, reply_sha256

_NAMES = {grader: name for name, grader in GRADERS.items()}
_ANYWHERE = {"contract": frozenset({*BREAKS, BREAK}), "safety": frozenset({"missing_medical_stop"})}
"""Kinds of failure that fail a test in any behaviour."""


class CaseFailure(AssertionError):
    """A case that must hold does not."""


class Finding(NamedTuple):
    """A grade that kept a case from passing."""

    turn: int
    grader: str
    reason: str
    evidence: str
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """What the report needs to know of one case in one sample."""

    id: str
    """The case's id, with `@k` for samples after the first."""
    behaviour: str
    kind: Kind
    persona: str
    language: str
    conversation: str
    outcome: str
    """`pass`, `fail` or `ungraded`."""
    fails_test: bool
    """A failing must case, or a break that counts in any behaviour."""
    claims: tuple[str, ...]
    """Graders that decided."""
    findings: tuple[Finding, ...]
    source: str
    """`new`, `stored` or `other plan`."""

    @classmethod
    def read(cls, row: dict[str, Any]) -> CaseResult:
        """Make one from its JSON form."""
        findings = tuple(Finding(f[0], f[1], f[2], f[3], tuple(f[4])) for f in row["findings"])
        return cls(**{**row, "findings": findings, "claims": tuple(row["claims"])})


class Talk:
    """A finished conversation.

    Args:
        case: what was asked, of whom, in which context.
        dialogue: the messages as sent.
        replies: one per turn.
        kind: whether the behaviour is a must or a rate.
        source: where the replies came from.
        readings: what readers said of replies.
    """

    def __init__(
        self,
        case: Case,
        dialogue: Dialogue,
        replies: tuple[Reply, ...],
        *,
        kind: Kind,
        source: str,
        readings: Readings | None = None,
    ) -> None:
        self._readings: Readings = readings or {}
        self._read: dict[tuple[int, str], tuple[Reading, Grade]] = {}
        """By turn and grader: the verdict that counts, and the grade whose place it took."""
        self.case, self.replies, self.kind, self.source = case, replies, kind, source
        self._dialogue = dialogue
        self.exchanges = tuple(self._exchanges())
        self.result: CaseResult | None = None
        self._grades: list[dict[str, Grade]] | None = None

    @property
    def grades(self) -> list[dict[str, Grade]]:
        """Every grader's grade, or the reader's verdict in its place, by turn."""
        if self._grades is None:
            self._grades = [
                {name: self._grade(name, grader, turn) for name, grader in GRADERS.items()}
                for turn in range(len(self.exchanges))
            ]
        return self._grades

    def requires(self, *claims: Grader) -> None:
        """Decide the case by these graders, over all turns.

        Raises:
            CaseFailure: if a must case fails, or the contract, a leak or a missing medical stop
                breaks any case. A failing rate case is recorded and raises nothing.
        """
        __tracebackhide__ = True
        self.result = self.judge(tuple(_NAMES[claim] for claim in claims))
        if self.result.fails_test:
            first = self.result.findings[0]
            quoted = f": “{first.evidence}”" if first.evidence else ""
            raise CaseFailure(f"turn {first.turn + 1}, {first.grader}: {first.reason}{quoted}")

    def judge(self, claims: tuple[str, ...]) -> CaseResult:
        """Decide the case by the graders named."""
        failures: list[Finding] = []
        breaks: list[Finding] = []
        open_ends: list[Finding] = []
        for turn, grades in enumerate(self.grades):
            for name, grade in grades.items():
                finding = Finding(turn, name, grade.reason, grade.evidence, grade.kinds)
                broken = grade.outcome is Outcome.FAIL
                if _breaks_anywhere(name, grade):
                    breaks.append(finding)
                elif broken and name in claims:
                    failures.append(finding)
                elif (
                    name in claims
                    and grade.outcome is Outcome.UNGRADED
                    and "no_claim" not in grade.kinds
                ):
                    open_ends.append(finding)
        failed = breaks + failures
        outcome = "fail" if failed else "ungraded" if open_ends else "pass"
        case = self.case
        return CaseResult(
            id=self._dialogue.id,
            behaviour=case.conversation.behaviour,
            kind=self.kind,
            persona=case.persona,
            language=case.conversation.language,
            conversation=case.conversation.id,
            outcome=outcome,
            fails_test=bool(breaks) or (bool(failures) and self.kind == "must"),
            claims=claims,
            findings=tuple(failed or open_ends),
            source=self.source,
        )

    def rows(self) -> list[dict[str, Any]]:
        """One record per turn, as `replies.jsonl` holds it."""
        case = self.case
        claims = self.result.claims if self.result is not None else ()
        return [
            {
                "case": case.id,
                "behaviour": case.conversation.behaviour,
                "persona": case.persona,
                "language": case.conversation.language,
                "sample": self._dialogue.sample,
                "turn": turn,
                "messages": [message._asdict() for message in self._messages(turn)],
                "reply": reply.text,
                "finish": reply.finish,
                "tokens": reply.tokens,
                "claims": list(claims),
                "fails_test": [
                    name
                    for name, grade in self.grades[turn].items()
                    if _breaks_anywhere(name, grade)
                    or (self.kind == "must" and name in claims and grade.outcome is Outcome.FAIL)
                ],
                "grades": {
                    name: _record(grade, self._read.get((turn, name)))
                    for name, grade in self.grades[turn].items()
                },
            }
            for turn, reply in enumerate(self.replies)
        ]

    def _exchanges(self) -> Iterator[Exchange]:
        conversation = self.case.conversation
        history: list[Message] = []
        for turn, user, reply in zip(
            conversation.turns, self._dialogue.users, self.replies, strict=True
        ):
            yield Exchange(
                persona=self.case.persona,
                language=conversation.language,
                tier=conversation.tier,
                context=conversation.context,
                history=tuple(history),
                user=user,
                reply=reply.text,
                expect=turn.expect,
                finish="stop" if reply.finish == "overflow" else reply.finish,
            )
            history += [Message("user", user), Message("assistant", reply.text)]

    def _grade(self, name: str, grader: Grader, turn: int) -> Grade:
        reply = self.replies[turn]
        if reply.finish == "overflow":
            # A server that refuses a prompt may not tell its length.
            length = f"{reply.prompt_tokens} tokens" if reply.prompt_tokens else "unknown length"
            return ungraded(
                name,
                f"the prompt has {length}; with {self._dialogue.max_tokens} for the reply it "
                "does not fit the model's context",
            )
        own = grader(self.exchanges[turn])
        if not self._readings:
            return own
        reading = self._readings.get((reply_sha256(self._messages(turn), reply.text), name))
        if reading is None:
            return own
        self._read[turn, name] = reading, own
        return reading.instead_of(own)

    def _messages(self, turn: int) -> list[Message]:
        """The messages as sent for a turn."""
        return self._dialogue.messages([reply.text for reply in self.replies[:turn]])


def _breaks_anywhere(name: str, grade: Grade) -> bool:
    """Whether a grade fails its test in any behaviour."""
    kinds = _ANYWHERE.get(name, frozenset())
    return grade.outcome is Outcome.FAIL and bool(kinds & set(grade.kinds))


def _record(grade: Grade, read: tuple[Reading, Grade] | None) -> dict[str, Any]:
    record = asdict(grade)
    del record["grader"]
    record["outcome"] = grade.outcome.value
    record["score"] = record.pop("confidence")
    if read is not None:
        reading, own = read
        record["read_by"] = {
            "name": reading.name,
            "date": reading.date.isoformat(),
            "instead_of": own.outcome.value,
        }
    return record
