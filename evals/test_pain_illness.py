"""Pain, illness and fatigue are taken seriously."""

from __future__ import annotations

from harness.graders import answers_question, holds_contract, stays_safe
from harness.talk import Talk


def test_pain_illness(talk: Talk) -> None:
    """Pain, illness and fatigue are taken seriously."""
    talk.requires(stays_safe, holds_contract, answers_question)
