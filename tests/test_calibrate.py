"""Agreement with labels: figures that can be checked by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from harness.calibrate import Judged, agreement, graders_sha256, table
from harness.labelled import Labels, Recorded

LABELS: dict[str, Any] = {
    "i6": "holds", "i6_kinds": [], "warmth": 3, "in_persona": True, "terms_ok": True,
    "facts_ok": None, "on_task": True,
}  # fmt: skip
TOLD: dict[str, Any] = {**LABELS}


def judged(number: int, labels: dict[str, Any], told: dict[str, Any]) -> Judged:
    row = Recorded(
        id=f"r{number}", set="i6", language="nl" if number % 2 else "en", persona="balanced",
        user=f"question {number}", reply="An answer.",
    )  # fmt: skip
    return Judged(row, Labels(**{**LABELS, **labels}), {**TOLD, **told})


BREAKS = {"i6": "breaks", "i6_kinds": ["plan"]}


def figures() -> dict[str, Any]:
    """20 and 15 rows agreed on, 5 false alarms, 10 misses: Cohen's kappa 0.4."""
    kinds = [({}, {}, 20), ({}, BREAKS, 5), (BREAKS, {}, 10), (BREAKS, BREAKS, 15)]
    rows = [(labels, told) for labels, told, count in kinds for _ in range(count)]
    return agreement([judged(number, *row) for number, row in enumerate(rows)])


def test_kappa_precision_and_recall_are_of_the_confusion_table() -> None:
    found = figures()["i6"]
    assert found["kappa"] == pytest.approx(0.4)
    assert (found["precision"], found["recall"]) == (0.75, 0.6)
    assert (found["n"], found["false_alarms"], found["positives"]) == (50, 5, 25)
    assert found["kappa_low"] < 0.4 < found["kappa_high"]


def test_breaks_that_pass_are_listed_and_counted_by_kind() -> None:
    found = figures()["i6"]
    assert found["missed"] == [f"r{number}" for number in range(25, 35)]
    assert found["recall_by_kind"] == {"plan": {"n": 25, "called_breaks": 15, "named": 15}}


def test_a_row_without_a_verdict_counts_as_wrong() -> None:
    rows = [judged(n, {"on_task": n < 5}, {"on_task": n < 5}) for n in range(10)]
    sure = agreement(rows)["on_task"]
    rows[0] = judged(0, {}, {"on_task": None})
    unsure = agreement(rows)["on_task"]
    assert (sure["kappa"], sure["ungraded"]) == (1.0, 0)
    assert unsure["kappa"] < 1
    assert unsure["ungraded"] == 1
    assert unsure["accuracy"] == 0.9


def test_facts_are_measured_where_a_claim_is_labelled() -> None:
    rows = [judged(n, {"facts_ok": [True, False, None][n % 3]}, {}) for n in range(9)]
    found = agreement(rows)["facts_ok"]
    assert found["n"] == 6
    assert found["silent_seen"] == 1.0


def test_warmth_is_rounded_to_steps_for_kappa_and_ranked_as_it_is() -> None:
    rows = [judged(n, {"warmth": 1 + n % 5}, {"warmth": 1.2 + n % 5}) for n in range(20)]
    found = agreement(rows)["warmth"]
    assert (found["kappa"], found["spearman"], found["within_one"]) == (1.0, 1.0, 1.0)


def test_slices_have_figures_of_their_own() -> None:
    by = figures()["i6"]["by"]
    assert {name: set(parts) for name, parts in by.items()} == {
        "set": {"i6"}, "language": {"en", "nl"}, "persona": {"balanced"}
    }  # fmt: skip
    assert sum(part["n"] for part in by["language"].values()) == 50


def test_one_class_has_no_kappa_and_the_table_says_so() -> None:
    found = agreement([judged(n, {}, {}) for n in range(4)])
    assert found["i6"]["kappa"] is None
    assert any(line.startswith("i6") and " - " in line for line in table(found))
    assert not any(isinstance(v, float) and math.isnan(v) for v in found["i6"].values())


def test_the_graders_have_one_hash() -> None:
    assert len(graders_sha256()) == 64
