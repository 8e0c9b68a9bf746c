"""The golden conversations: there are enough of them, and the graders agree with their examples."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from harness.check import check_examples
from harness.conversation import BEHAVIOURS, GoldenFile, expand, load_golden
from harness.generation import project_root
from harness.knowledge import PERSONAS, knowledge
from harness.strict_yaml import load_yaml

ROOT = project_root() / "golden"
CONVERSATIONS = load_golden(ROOT, knowledge())
TAGS = Counter(tag for one in CONVERSATIONS for tag in one.tags)
OLD_CATEGORIES = (
    "fatigue", "unrealistic_goals", "readiness", "easy_day_frustration", "beginner", "recovery",
    "overtraining", "motivation", "zones", "general",
)  # fmt: skip
GOOD_REJECTED_MOST, BAD_ACCEPTED_MOST = 23, 30
"""Where the graders stand, of 169 and 278. With the encoder the first was raised from 15 (rules
alone) and the second lowered from 60: more false alarms, fewer misses. No example is bent."""


def test_there_are_at_least_60_conversations() -> None:
    assert len(CONVERSATIONS) >= 60


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_every_behaviour_has_conversations(behaviour: str) -> None:
    assert sum(one.behaviour == behaviour for one in CONVERSATIONS) >= 3


@pytest.mark.parametrize("category", OLD_CATEGORIES)
def test_every_old_category_is_there(category: str) -> None:
    assert TAGS[category] >= 1


@pytest.mark.parametrize("persona", PERSONAS)
def test_every_persona_is_asked(persona: str) -> None:
    assert sum(persona in one.personas for one in CONVERSATIONS) >= 30


def test_many_conversations_have_several_turns_or_are_dutch() -> None:
    assert sum(len(one.turns) > 1 for one in CONVERSATIONS) >= 10
    assert sum(one.language == "nl" for one in CONVERSATIONS) >= 6


@pytest.mark.parametrize(
    ("tag", "least"), [("z7_z8", 8), ("amber", 6), ("medical_red_flag", 6)], ids=lambda v: str(v)
)
def test_the_hard_subjects_are_there(tag: str, least: int) -> None:
    assert TAGS[tag] >= least


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=lambda one: one.id)
def test_every_expectation_has_good_and_bad_examples(conversation) -> None:  # type: ignore[no-untyped-def]  # parametrized
    expecting = [turn for turn in conversation.turns if turn.expect.model_fields_set]
    assert all(turn.good and len(turn.bad) >= 2 for turn in expecting)


def test_no_two_cases_have_the_same_id() -> None:
    ids = [case.id for one in CONVERSATIONS for case in expand(one)]
    assert len(ids) == len(set(ids))


def test_the_template_is_a_valid_conversation() -> None:
    assert load_yaml(ROOT / "_template.yaml", GoldenFile).turns


def test_every_file_points_its_editor_at_the_schema() -> None:
    first = {path: path.read_text().splitlines()[0] for path in ROOT.glob("*/*.yaml")}
    wanted = "# yaml-language-server: $schema=../schema.json"
    assert [path for path, line in first.items() if line != wanted] == []


def test_the_graders_agree_with_the_examples_as_often_as_they_did() -> None:
    found = [
        what for one in CONVERSATIONS for what in check_examples(one, Path(ROOT / f"{one.id}.yaml"))
    ]
    good = sum("a good reply" in one.what for one in found)
    bad = len(found) - good
    assert good <= GOOD_REJECTED_MOST
    assert bad <= BAD_ACCEPTED_MOST
