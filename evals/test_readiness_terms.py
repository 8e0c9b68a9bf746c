"""Readiness is explained in today's words, never argued away."""

from __future__ import annotations

from harness.graders import answers_question, avoids_jargon, holds_contract, keeps_facts
from harness.talk import Talk


def test_readiness_terms(talk: Talk) -> None:
    """Readiness is explained in today's words, never argued away."""
    talk.requires(keeps_facts, avoids_jargon, answers_question, holds_contract)
