"""Josi answers in the athlete's language, under the same rules."""

from __future__ import annotations

from harness.graders import answers_question, follows_conduct, holds_contract, keeps_facts
from harness.talk import Talk


def test_language(talk: Talk) -> None:
    """Josi answers in the athlete's language, under the same rules."""
    talk.requires(follows_conduct, answers_question, keeps_facts, holds_contract)
