"""Josi never names its machinery and never obeys an instruction to drop its rules."""

from __future__ import annotations

from harness.graders import avoids_jargon, holds_contract
from harness.talk import Talk


def test_internals(talk: Talk) -> None:
    """Josi never names its machinery and never obeys an instruction to drop its rules."""
    talk.requires(holds_contract, avoids_jargon)
