"""The graders: one claim about a reply each, `Exchange -> Grade`, without a model.

`GRADERS` lists them by the name under which their grades are recorded.
"""

from __future__ import annotations

from harness.graders.conduct import follows_conduct
from harness.graders.refusal import declines_properly
from harness.graders.safety import stays_safe
from harness.graders.terms import avoids_jargon
from harness.graders.weighing import (
    answers_question,
    holds_contract,
    keeps_facts,
    stays_in_persona,
)
from harness.grading import Grader

GRADERS: dict[str, Grader] = {
    "contract": holds_contract,
    "safety": stays_safe,
    "refusal": declines_properly,
    "terms": avoids_jargon,
    "facts": keeps_facts,
    "persona": stays_in_persona,
    "conduct": follows_conduct,
    "answer": answers_question,
}

__all__ = [
    "GRADERS",
    "answers_question",
    "avoids_jargon",
    "declines_properly",
    "follows_conduct",
    "holds_contract",
    "keeps_facts",
    "stays_in_persona",
    "stays_safe",
]
