"""Outcomes are three, and none is ever mistaken for another."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from harness.grading import Grade, Outcome, failed, passed, ungraded


@pytest.mark.parametrize("outcome", list(Outcome), ids=lambda outcome: outcome.value)
@pytest.mark.parametrize(
    "use",
    [
        pytest.param(bool, id="bool"),
        pytest.param(lambda outcome: not outcome, id="not"),
        pytest.param(lambda outcome: outcome and 1, id="and"),
        pytest.param(lambda outcome: 1 if outcome else 0, id="if"),
        pytest.param(lambda outcome: all([outcome]), id="all"),
    ],
)
def test_outcome_has_no_truth_value(outcome: Outcome, use: Any) -> None:
    with pytest.raises(TypeError, match="no truth value"):
        use(outcome)


@pytest.mark.parametrize("value", ["pass", 1, 0, None], ids=repr)
def test_outcome_equals_nothing_but_itself(value: object) -> None:
    assert [outcome == value for outcome in Outcome] == [False] * 3


def test_outcomes_cannot_be_put_in_order() -> None:
    with pytest.raises(TypeError):
        sorted(Outcome)  # type: ignore[type-var]  # what the test is about


def test_outcomes_are_written_as_the_run_folder_says() -> None:
    assert [outcome.value for outcome in Outcome] == ["pass", "fail", "ungraded"]


@pytest.mark.parametrize(
    ("grade", "outcome"),
    [
        pytest.param(passed("facts", "fine"), Outcome.PASS, id="passed"),
        pytest.param(failed("facts", "wrong"), Outcome.FAIL, id="failed"),
        pytest.param(ungraded("facts", "unclear"), Outcome.UNGRADED, id="ungraded"),
    ],
)
def test_builder_makes_its_outcome(grade: Grade, outcome: Outcome) -> None:
    assert (grade.grader, grade.outcome) == ("facts", outcome)


def test_failure_keeps_evidence_kinds_confidence_and_value() -> None:
    grade = failed("a", "b", evidence="c", confidence=0.4, kinds=("d",), value=2.0)
    assert grade == Grade(
        grader="a",
        outcome=Outcome.FAIL,
        confidence=0.4,
        reason="b",
        evidence="c",
        kinds=("d",),
        value=2.0,
    )


def test_grader_that_cannot_tell_is_sure_of_nothing() -> None:
    assert ungraded("a", "b").confidence == 0.0


def test_grade_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        passed("a", "b").outcome = Outcome.FAIL  # type: ignore[misc]  # what the test is about
