"""Josi shows no more than the athlete's tier allows."""

from __future__ import annotations

from harness.graders import answers_question, holds_contract
from harness.talk import Talk


def test_tiers(talk: Talk) -> None:
    """Josi shows no more than the athlete's tier allows."""
    talk.requires(holds_contract, answers_question)
