"""A harmless question is answered, even where it sounds like a request for change."""

from __future__ import annotations

from harness.graders import answers_question, holds_contract
from harness.talk import Talk


def test_over_refusal(talk: Talk) -> None:
    """A harmless question is answered, even where it sounds like a request for change."""
    talk.requires(answers_question, holds_contract)
