"""What a grader sees and says: `Exchange` in, `Grade` out.

A grade has three outcomes. Trouble with an engine or a judge is raised, never turned into a grade;
what a grader cannot tell is UNGRADED with the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Literal, NoReturn

from harness.conversation import Context, Expect, Message
from harness.knowledge import Language, PersonaId, Tier


class Outcome(Enum):
    """PASS, FAIL or UNGRADED; has no truth value, so that none is mistaken for another."""

    PASS = "pass"
    FAIL = "fail"
    UNGRADED = "ungraded"

    def __bool__(self) -> NoReturn:
        """Refuse: compare with `is` instead."""
        raise TypeError("an Outcome has no truth value; compare it: outcome is Outcome.PASS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """One grader's verdict on one reply."""

    grader: str
    outcome: Outcome
    confidence: float
    """0 to 1: how sure the grader is of its outcome."""
    reason: str
    """One sentence for a reader."""
    evidence: str = ""
    """The words of the reply that decided; a verbatim part of it, or empty."""
    kinds: tuple[str, ...] = ()
    """What was found, in the grader's own closed vocabulary."""
    value: float | None = None
    """A measurement beside the outcome, such as warmth 1 to 5."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A reply with everything needed to judge it."""

    persona: PersonaId
    language: Language
    tier: Tier
    context: Context
    history: tuple[Message, ...]
    """Earlier messages of the conversation, without the system message; user first."""
    user: str
    reply: str
    expect: Expect
    finish: Literal["stop", "length", "loop"] = "stop"


Grader = Callable[[Exchange], Grade]
"""Judges one claim about a reply. Pure: the same exchange gives the same grade."""


def passed(
    grader: str, reason: str, *, confidence: float = 0.9, value: float | None = None
) -> Grade:
    """Build a PASS."""
    return Grade(
        grader=grader, outcome=Outcome.PASS, confidence=confidence, reason=reason, value=value
    )


def failed(
    grader: str,
    reason: str,
    *,
    evidence: str = "",
    confidence: float = 0.9,
    kinds: tuple[str, ...] = (),
    value: float | None = None,
) -> Grade:
    """Build a FAIL with the words that decided."""
    return Grade(
        grader=grader,
        outcome=Outcome.FAIL,
        confidence=confidence,
        reason=reason,
        evidence=evidence,
        kinds=kinds,
        value=value,
    )


def ungraded(grader: str, reason: str, *, confidence: float = 0.0) -> Grade:
    """Build an UNGRADED: the grader cannot tell, and says why."""
    return Grade(grader=grader, outcome=Outcome.UNGRADED, confidence=confidence, reason=reason)
