"""Rules and encoder together: what is decided on replies that neither was made for."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.calibrate import agreement, judge_rows
from harness.generation import project_root
from harness.graders import answers_question, holds_contract, keeps_facts, stays_in_persona
from harness.graders.encoder import HEADS
from harness.graders.weighing import CLAIMS, probability, weigh
from harness.grading import Exchange, Outcome
from harness.labelled import read_recorded

ROOT = project_root()
ROWS = list(read_recorded(ROOT / "corpus" / "many-hands.jsonl"))[::5]
EXCHANGES = [row.exchange() for row in ROWS]
WEIGHED = (holds_contract, answers_question, keeps_facts, stays_in_persona)


def test_held_out_replies_are_judged_as_their_labels_say() -> None:
    # A fifth of the hand that the encoder never saw; the rules alone reach 0.51 on all of it.
    found = agreement(judge_rows(ROWS))
    assert found["i6"]["kappa"] > 0.65
    assert found["on_task"]["kappa"] > 0.55
    assert found["warmth"]["kappa"] > 0.75


def test_few_replies_are_left_to_a_reader() -> None:
    for grader in WEIGHED:
        grades = [grader(exchange) for exchange in EXCHANGES]
        open_ends = [
            g for g in grades if g.outcome is Outcome.UNGRADED and "no_claim" not in g.kinds
        ]
        assert len(open_ends) <= 0.06 * len(grades), grader.__name__


def test_evidence_is_a_part_of_the_reply_and_confidence_a_probability() -> None:
    for exchange in EXCHANGES:
        for grader in WEIGHED:
            grade = grader(exchange)
            assert grade.evidence in exchange.reply
            assert 0 <= grade.confidence <= 1
            assert grade.reason


def test_a_break_names_its_kind_and_shows_its_words() -> None:
    broken = [grade for e in EXCHANGES if (grade := holds_contract(e)).outcome is Outcome.FAIL]
    assert broken
    assert all(grade.kinds for grade in broken)
    assert sum(bool(grade.evidence) for grade in broken) >= 0.9 * len(broken)


def test_the_same_reply_gets_the_same_verdict_whatever_came_before() -> None:
    first = [holds_contract(exchange) for exchange in EXCHANGES[:20]]
    again = [holds_contract(replace(exchange)) for exchange in reversed(EXCHANGES[:20])]
    assert first == again[::-1]


def test_white_space_and_typographic_quotes_change_little() -> None:
    turned = 0
    for exchange in EXCHANGES:
        before = holds_contract(exchange).outcome
        other = exchange.reply.replace(" ", "  ").replace("'", "\u2019")
        after = holds_contract(replace(exchange, reply=other)).outcome
        turned += before is not after
    assert turned <= 0.02 * len(EXCHANGES)


@given(text=st.text(max_size=400))
@settings(max_examples=60, deadline=None)
def test_no_text_stops_a_grader(text: str) -> None:
    for grader in WEIGHED:
        grader(replace(EXCHANGES[0], reply=text))


@pytest.mark.parametrize("part", ["reply", "user"])
def test_a_very_long_text_is_read_in_part(part: str) -> None:
    long: Exchange = replace(EXCHANGES[0], **{part: "Run easy and rest well. " * 4000})  # type: ignore[arg-type]
    assert holds_contract(long).reason


def test_every_claim_has_weights_for_features_that_exist() -> None:
    features = weigh(EXCHANGES[0]).features
    assert {f"seen_{name}" for name in HEADS} <= set(features)
    for claim in CLAIMS:
        assert 0 <= probability(claim, features) <= 1


def test_grading_needs_neither_torch_nor_transformers() -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from harness.labelled import read_recorded, verdict\n"
        f"row = next(read_recorded(Path({str(ROOT / 'tests' / 'data' / 'replies.jsonl')!r})))\n"
        "verdict(row.exchange())\n"
        "print(sorted({'torch', 'transformers', 'sklearn'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"
