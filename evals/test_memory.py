"""Memory is used where it helps, and never made up."""

from __future__ import annotations

from harness.graders import answers_question, holds_contract
from harness.talk import Talk


def test_memory(talk: Talk) -> None:
    """Memory is used where it helps, and never made up."""
    talk.requires(answers_question, holds_contract)
