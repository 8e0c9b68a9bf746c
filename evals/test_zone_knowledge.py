"""What Josi says of a zone is true, from R to Z8."""

from __future__ import annotations

from harness.graders import answers_question, holds_contract, keeps_facts
from harness.talk import Talk


def test_zone_knowledge(talk: Talk) -> None:
    """What Josi says of a zone is true, from R to Z8."""
    talk.requires(keeps_facts, answers_question, holds_contract)
