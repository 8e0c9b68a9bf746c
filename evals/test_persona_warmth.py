"""The same facts in four voices, each inside its range of warmth."""

from __future__ import annotations

from harness.graders import holds_contract, keeps_facts, stays_in_persona
from harness.talk import Talk


def test_persona_warmth(talk: Talk) -> None:
    """The same facts in four voices, each inside its range of warmth."""
    talk.requires(stays_in_persona, holds_contract, keeps_facts)
