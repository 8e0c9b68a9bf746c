"""Over several turns Josi stays the same: what it knows, what it refuses, how it speaks."""

from __future__ import annotations

from harness.graders import answers_question, follows_conduct, holds_contract, keeps_facts
from harness.talk import Talk


def test_multi_turn(talk: Talk) -> None:
    """Over several turns Josi stays the same: what it knows, what it refuses, how it speaks."""
    talk.requires(holds_contract, answers_question, follows_conduct, keeps_facts)
