"""Golden conversations: a typo never relaxes a check, and cases follow from the file alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.conversation import (
    BEHAVIOURS,
    Case,
    Conversation,
    expand,
    golden_schema,
    load_conversation,
    load_golden,
)
from harness.errors import FileError, UsageError
from harness.generation import project_root
from harness.knowledge import knowledge

GOLDEN = """\
# yaml-language-server: $schema=../schema.json
about: A plain question.
tags: [i6_change]
personas:
  - balanced
  - science_nerd
context:
  readiness: green
  session: {zone: Z2, minutes: 60}
  knowledge: [recovery]
turns:
  - user: [One?, Two?, Three?]
    expect:
      refuses: true
      facts: [zone.z2.effort]
  - user: And then?
  - user:
      - First end.
      - Second end.
"""


def write(root: Path, text: str = GOLDEN, place: str = "i6_refusal/plain-question.yaml") -> Path:
    path = root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def load(root: Path, text: str = GOLDEN) -> Conversation:
    return load_conversation(write(root, text), root, knowledge())


def cases(root: Path) -> list[Case]:
    return list(expand(load(root)))


def test_id_and_behaviour_are_the_path(tmp_path: Path) -> None:
    conversation = load(tmp_path)
    assert (conversation.id, conversation.behaviour) == (
        "i6_refusal/plain-question",
        "i6_refusal",
    )


def test_one_user_text_is_a_list_of_one(tmp_path: Path) -> None:
    assert load(tmp_path).turns[1].user == ["And then?"]


MISTAKES = [
    pytest.param("tags:", "tgas:", 3, "unknown key 'tgas'. Did you mean 'tags'?", id="key"),
    pytest.param("personas:", "persnoas:", 4, "Did you mean 'personas'?", id="required-key"),
    pytest.param(
        "refuses:", "refuse:", 14, "unknown key 'refuse'. Did you mean 'refuses'?", id="expect-key"
    ),
    pytest.param("minutes:", "minuets:", 9, "Did you mean 'minutes'?", id="session-key"),
    pytest.param("readiness: green", "readyness: green", 8, "'readiness'?", id="context-key"),
    pytest.param("refuses: true", "refuses: 'yes'", 14, "turns.0.expect.refuses='yes'", id="type"),
    pytest.param("readiness: green", "readiness: gren", 8, "Did you mean 'green'?", id="level"),
    pytest.param("zone: Z2", "zone: z2", 9, "context.session", id="zone"),
    pytest.param("- science_nerd", "- science", 6, "personas.1='science'", id="persona"),
    pytest.param("- science_nerd", "- no", 6, "put the text in quotes", id="yaml-no"),
    pytest.param("user: And then?", "user: no", 16, "put the text in quotes", id="yaml-no-user"),
    pytest.param("- Second end.", "- no", 19, "put the text in quotes", id="yaml-no-paraphrase"),
    pytest.param("- Second end.", "- 12:30", 19, "put the text in quotes", id="yaml-clock"),
    pytest.param("- Second end.", "- ' '", 19, "at least 1 character", id="blank"),
    pytest.param("readiness: green", "cap: Z2\n  cap: Z3", 9, "'cap' is given twice", id="twice"),
    pytest.param("minutes: 60", "minutes: 0", 9, "greater than or equal to 1", id="no-minutes"),
    pytest.param("tags: [i6_change]", "tags: [I6-change]", 3, "tags.0='I6-change'", id="tag-form"),
    pytest.param(
        "zone.z2.effort", "zone.z2.efort", 15, "no fact 'zone.z2.efort'. Did you mean "
        "'zone.z2.effort'?", id="fact",
    ),
    pytest.param(
        "[recovery]", "[recovry]", 10, "no knowledge card 'recovry'. Did you mean 'recovery'?",
        id="card",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("right", "wrong", "line", "told"), MISTAKES)
def test_mistake_is_told_with_file_and_line(
    tmp_path: Path, right: str, wrong: str, line: int, told: str
) -> None:
    assert right in GOLDEN
    with pytest.raises(FileError) as caught:
        load(tmp_path, GOLDEN.replace(right, wrong))
    assert str(caught.value).startswith(f"{tmp_path / 'i6_refusal/plain-question.yaml'}:{line}: ")
    assert told in caught.value.what


@pytest.mark.parametrize(
    ("right", "wrong", "line"),
    [
        pytest.param("[recovery]", "[question]", 10, id="card"),
        pytest.param("[zone.z2.effort]", "[plain]", 15, id="fact"),
    ],
)
def test_unknown_reference_is_told_at_its_own_line_though_its_word_occurs_before(
    tmp_path: Path, right: str, wrong: str, line: int
) -> None:
    with pytest.raises(FileError) as caught:
        load(tmp_path, GOLDEN.replace(right, wrong))
    assert caught.value.line == line


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        pytest.param("- science_nerd", "- balanced", id="personas"),
        pytest.param("[i6_change]", "[i6_change, i6_change]", id="tags"),
    ],
)
def test_repeated_entry_is_an_error(tmp_path: Path, right: str, wrong: str) -> None:
    with pytest.raises(FileError, match="holds a repeated entry"):
        load(tmp_path, GOLDEN.replace(right, wrong))


@pytest.mark.parametrize(
    ("place", "told"),
    [
        pytest.param("i6_refusals/a.yaml", "Did you mean 'i6_refusal'?", id="folder-misspelt"),
        pytest.param("a.yaml", "which is no behaviour", id="no-folder"),
        pytest.param("i6_refusal/deeper/a.yaml", "which is no behaviour", id="too-deep"),
        pytest.param("deeper/i6_refusal/a.yaml", "which is no behaviour", id="behaviour-too-deep"),
        pytest.param("i6_refusal/Upper-case.yaml", "rename the file", id="upper-case"),
        pytest.param("i6_refusal/under_score.yaml", "rename the file", id="underscore"),
        pytest.param("i6_refusal/two--dashes.yaml", "rename the file", id="empty-word"),
    ],
)
def test_file_in_the_wrong_place_or_name_is_an_error(tmp_path: Path, place: str, told: str) -> None:
    path = write(tmp_path, place=place)
    with pytest.raises(FileError) as caught:
        load_conversation(path, tmp_path, knowledge())
    assert told in caught.value.what


def test_golden_folder_is_read_in_the_order_of_ids_without_templates(tmp_path: Path) -> None:
    for place in ("memory/b.yaml", "memory/a.yaml", "goals/z.yaml", "memory/_template.yaml"):
        write(tmp_path, place=place)
    loaded = load_golden(tmp_path, knowledge())
    assert [conversation.id for conversation in loaded] == ["goals/z", "memory/a", "memory/b"]


def test_folder_without_conversations_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no golden conversations"):
        load_golden(tmp_path / "nothing", knowledge())


def test_cases_are_each_persona_in_each_wording(tmp_path: Path) -> None:
    assert [(case.persona, case.paraphrase) for case in cases(tmp_path)] == [
        ("balanced", 1),
        ("balanced", 2),
        ("balanced", 3),
        ("science_nerd", 1),
        ("science_nerd", 2),
        ("science_nerd", 3),
    ]


def test_case_id_holds_conversation_wording_and_persona(tmp_path: Path) -> None:
    assert cases(tmp_path)[1].id == "i6_refusal/plain-question#2[balanced]"


def test_case_takes_its_paraphrase_of_every_turn_and_the_last_where_there_are_fewer(
    tmp_path: Path,
) -> None:
    assert [case.users for case in cases(tmp_path)[:3]] == [
        ("One?", "And then?", "First end."),
        ("Two?", "And then?", "Second end."),
        ("Three?", "And then?", "Second end."),
    ]


def test_schema_file_is_the_one_the_code_writes() -> None:
    written = (project_root() / "golden" / "schema.json").read_text(encoding="utf-8")
    assert written == golden_schema()


def test_project_has_conversations_of_every_behaviour() -> None:
    loaded = load_golden(project_root() / "golden", knowledge())
    assert {conversation.behaviour for conversation in loaded} == set(BEHAVIOURS)


def test_case_ids_of_the_project_are_unique() -> None:
    ids = [
        case.id
        for conversation in load_golden(project_root() / "golden", knowledge())
        for case in expand(conversation)
    ]
    assert len(set(ids)) == len(ids)
