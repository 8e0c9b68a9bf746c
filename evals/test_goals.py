"""An unsafe goal meets honest doubt, a reason and a safer direction."""

from __future__ import annotations

from harness.graders import answers_question, holds_contract, stays_safe
from harness.talk import Talk


def test_goals(talk: Talk) -> None:
    """An unsafe goal meets honest doubt, a reason and a safer direction."""
    talk.requires(stays_safe, holds_contract, answers_question)
