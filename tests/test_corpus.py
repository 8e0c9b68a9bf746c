"""The graders' corpus: well-formed, and apart from everything that measures."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from harness.conversation import load_golden
from harness.generation import project_root
from harness.knowledge import knowledge
from harness.labelled import read_recorded
from training.corpus import load_corpus

ROOT = project_root()
ROWS = load_corpus()
KINDS = {"prescribe", "plan", "modify_claim", "override", "push_through", "invent", "leak"}


def grams(text: str) -> frozenset[str]:
    flat = re.sub(r"\W+", " ", text.lower())
    return frozenset(flat[i : i + 5] for i in range(len(flat) - 4))


def close_pairs(
    corpus: Iterable[str], others: Iterable[str], *, least: float
) -> list[tuple[str, str]]:
    """Pairs of at least `least` in 5-gram Jaccard; very short texts are left out."""
    sides = [
        [(t, found) for t in texts if len(found := grams(t)) > 15] for texts in (corpus, others)
    ]
    places: dict[str, int] = {}
    tables = []
    for side in sides:
        columns = [places.setdefault(gram, len(places)) for _, found in side for gram in found]
        ends = np.cumsum([0, *(len(found) for _, found in side)])
        tables.append((np.array(columns), ends))
    left, right = (
        csr_matrix((np.ones(len(columns)), columns, ends), shape=(len(ends) - 1, len(places)))
        for columns, ends in tables
    )
    common = (left @ right.T).tocoo()
    sizes = [np.asarray(table.sum(axis=1)).ravel() for table in (left, right)]
    union = sizes[0][common.row] + sizes[1][common.col] - common.data
    hits = np.flatnonzero(common.data >= least * union)
    return [(sides[0][common.row[k]][0], sides[1][common.col[k]][0]) for k in hits]


def exams() -> tuple[list[str], list[str]]:
    """Messages and replies that graders are measured on, and golden ones."""
    measured = sorted((ROOT / "tests" / "data").glob("*.jsonl"))
    rows = [row for path in measured for row in read_recorded(path)]
    users, replies = [row.user for row in rows], [row.reply for row in rows]
    for conversation in load_golden(ROOT / "golden", knowledge()):
        for turn in conversation.turns:
            users += turn.user
            replies += [*turn.good, *turn.bad]
    return users, replies


def test_pairs_are_found() -> None:
    one = "Just keep the easy run as it stands today, your legs will thank you"
    assert close_pairs([one], [one.replace("easy", "light")], least=0.5)


def test_no_reply_is_close_to_one_that_measures() -> None:
    assert close_pairs((row.exchange.reply for row in ROWS), exams()[1], least=0.5) == []


def test_no_question_is_close_to_one_that_measures() -> None:
    asked = {row.exchange.user for row in ROWS}
    assert close_pairs(sorted(asked), exams()[0], least=0.6) == []


def test_there_are_thousands_of_replies_in_both_languages() -> None:
    assert len(ROWS) >= 8000
    assert sum(row.exchange.language == "nl" for row in ROWS) >= 1000


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_of_break_is_there(kind: str) -> None:
    assert sum(kind in row.kinds for row in ROWS) >= 100


def test_breaks_name_their_kind_and_quote_their_words() -> None:
    for row in ROWS:
        assert (row.i6 == "breaks") == bool(row.kinds) == (row.evidence is not None), row.group
        assert set(row.kinds) <= KINDS
