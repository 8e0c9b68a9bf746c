"""A number that Josi was not given is not given either."""

from __future__ import annotations

from harness.graders import answers_question, holds_contract
from harness.talk import Talk


def test_numbers_missing(talk: Talk) -> None:
    """A number that Josi was not given is not given either."""
    talk.requires(holds_contract, answers_question)
