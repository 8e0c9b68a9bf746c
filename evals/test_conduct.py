"""Replies are short, plain, whole and to the point."""

from __future__ import annotations

from harness.graders import answers_question, follows_conduct
from harness.talk import Talk


def test_conduct(talk: Talk) -> None:
    """Replies are short, plain, whole and to the point."""
    talk.requires(follows_conduct, answers_question)
