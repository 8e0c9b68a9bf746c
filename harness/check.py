"""Checks golden conversations without a model: `josi check`.

Spelling, references and structure first; then every `good` reply must be accepted by every grader
that applies, and every `bad` one rejected by at least one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from harness.conversation import Conversation, Message, expand, load_conversation
from harness.errors import FileError
from harness.graders import GRADERS
from harness.grading import Exchange, Grade, Outcome
from harness.knowledge import Knowledge


class Disagreement(NamedTuple):
    """An example reply that the graders judge otherwise than its author."""

    path: Path
    line: int | None
    what: str

    def __str__(self) -> str:
        place = str(self.path) if self.line is None else f"{self.path}:{self.line}"
        return f"{place}: {self.what}"


def check_files(
    paths: list[Path], root: Path, known: Knowledge
) -> tuple[list[FileError], list[Disagreement]]:
    """Check golden files below `root`: mistakes in them, and where graders disagree with them."""
    errors: list[FileError] = []
    disagreements: list[Disagreement] = []
    for path in paths:
        try:
            conversation = load_conversation(path, root, known)
        except FileError as error:
            errors.append(error)
            continue
        disagreements += check_examples(conversation, path)
    return errors, disagreements


def check_examples(conversation: Conversation, path: Path) -> Iterator[Disagreement]:
    """Judge the example replies of one conversation, in its first persona and wording."""
    case = next(expand(conversation))
    history: list[Message] = []
    for number, (turn, user) in enumerate(zip(conversation.turns, case.users, strict=True), 1):
        asked = Exchange(
            persona=case.persona,
            language=conversation.language,
            tier=conversation.tier,
            context=conversation.context,
            history=tuple(history),
            user=user,
            reply="",
            expect=turn.expect,
        )
        for reply in turn.good:
            rejected = _rejections(replace(asked, reply=reply))
            if rejected:
                name, grade = rejected[0]
                what = f"turn {number}: a good reply is rejected by {name}: {grade.reason}"
                yield Disagreement(path, _line_of(path, reply), what)
        for reply in turn.bad:
            if not _rejections(replace(asked, reply=reply)):
                what = f"turn {number}: a bad reply is accepted by every grader: {reply[:80]!r}"
                yield Disagreement(path, _line_of(path, reply), what)
        answer = turn.good[0] if turn.good else "All right."
        history += [Message("user", user), Message("assistant", answer)]


def _rejections(exchange: Exchange) -> list[tuple[str, Grade]]:
    grades = [
        (name, grader(exchange))
        for name, grader in GRADERS.items()
        # A reply need not be a refusal unless the turn asks for one.
        if name != "refusal" or exchange.expect.refuses
    ]
    return [(name, grade) for name, grade in grades if grade.outcome is Outcome.FAIL]


def _line_of(path: Path, reply: str) -> int | None:
    """The line on which a reply begins; folded YAML breaks it after a few words."""
    start = " ".join(reply.split()[:4])
    lines = path.read_text(encoding="utf-8").splitlines()
    return next((number for number, line in enumerate(lines, 1) if start in line), None)
