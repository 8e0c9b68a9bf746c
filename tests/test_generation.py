"""The plan is a pure, balanced cut; keys name all that shapes a reply; loops are seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.conversation import Message
from harness.generation import (
    GROUP_LIMIT,
    LOOP_TOKENS,
    MIN_GROUPS,
    Dialogue,
    EngineSpec,
    LoopDetector,
    Plan,
    Sampling,
    request_seed,
    shared_prefix,
)

SPEC = EngineSpec(kind="gguf", name="m", path="/m.gguf")


def dialogue(number: int, turns: int = 1) -> Dialogue:
    return Dialogue(
        id=f"memory/{number}",
        sample=0,
        system="S",
        users=tuple(f"{number}.{turn}" for turn in range(turns)),
        max_tokens=160,
    )


def selection(turns: Sequence[int]) -> list[Dialogue]:
    return [dialogue(number, count) for number, count in enumerate(turns)]


def plan(
    dialogues: Sequence[Dialogue],
    sampling: Sampling | None = None,
    identity: str = "model",
    spec: EngineSpec = SPEC,
) -> Plan:
    return Plan.of(dialogues, sampling or Sampling(), identity, spec)


TURNS = st.lists(st.integers(1, 8), max_size=400)
some_turns = given(turns=TURNS)


# --- the cut ---


@some_turns
def test_groups_hold_every_dialogue_once_the_longest_first(turns: list[int]) -> None:
    dialogues = selection(turns)
    longest_first = sorted(dialogues, key=lambda d: -len(d.users) * d.max_tokens)
    assert list(chain.from_iterable(g.dialogues for g in plan(dialogues).groups)) == longest_first


@some_turns
@example(turns=[1] * 150 + [8] * 50)
@example(turns=[8] * 50 + [1] * 150)
def test_no_group_is_empty_or_holds_more_than_64(turns: list[int]) -> None:
    assert all(1 <= len(group.dialogues) <= GROUP_LIMIT for group in plan(selection(turns)).groups)


@given(turns=st.lists(st.integers(1, 8), min_size=64, max_size=400))
def test_64_dialogues_or_more_make_at_least_8_groups(turns: list[int]) -> None:
    assert len(plan(selection(turns)).groups) >= MIN_GROUPS


@some_turns
def test_groups_are_numbered_and_every_dialogue_knows_its_own(turns: list[int]) -> None:
    made = plan(selection(turns))
    assert [group.index for group in made.groups] == list(range(len(made.groups)))
    assert made.group_of == {d.id: g.index for g in made.groups for d in g.dialogues}


@some_turns
def test_groups_are_of_nearly_equal_size(turns: list[int]) -> None:
    sizes = [len(group.dialogues) for group in plan(selection(turns)).groups]
    assert not sizes or max(sizes) - min(sizes) <= 7


@some_turns
def test_all_groups_but_the_last_are_multiples_of_four(turns: list[int]) -> None:
    assert all(len(group.dialogues) % 4 == 0 for group in plan(selection(turns)).groups[:-1])


@pytest.mark.parametrize(
    ("total", "sizes"),
    [
        pytest.param(0, [], id="nothing"),
        pytest.param(1, [1], id="one"),
        pytest.param(8, [8], id="eight"),
        pytest.param(9, [5, 4], id="nine"),
        pytest.param(63, [8] * 7 + [7], id="just-below-64"),
        pytest.param(64, [8] * 8, id="64"),
        pytest.param(512, [64] * 8, id="full-groups"),
        pytest.param(513, [56] * 6 + [57, 60, 60], id="one-more"),
        pytest.param(800, [60] * 8 + [64] * 5, id="many"),
    ],
)
def test_equal_dialogues_make_equal_groups(total: int, sizes: list[int]) -> None:
    made = [len(group.dialogues) for group in plan(selection([1] * total)).groups]
    assert sum(made) == total
    assert len(made) == len(sizes)
    assert sorted(made) == sorted(sizes)


@some_turns
def test_same_selection_and_settings_make_the_same_plan(turns: list[int]) -> None:
    assert plan(selection(turns)) == plan(selection(turns))


OTHER_SHAPES = [
    pytest.param({"identity": "other"}, id="model"),
    pytest.param({"sampling": Sampling(temperature=0.7)}, id="temperature"),
    pytest.param({"sampling": Sampling(exact=True)}, id="exact"),
    pytest.param({"spec": replace(SPEC, parallel=4)}, id="parallel"),
    pytest.param({"spec": replace(SPEC, threads=2)}, id="threads"),
    pytest.param({"dialogues": selection([1, 1])}, id="one-more-dialogue"),
    pytest.param({"dialogues": [replace(dialogue(0), max_tokens=9)]}, id="limit"),
    pytest.param({"dialogues": [replace(dialogue(0), system="T")]}, id="system"),
]


@pytest.mark.parametrize("other", OTHER_SHAPES)
def test_name_of_a_group_changes_with_all_that_shapes_its_decoding(
    other: dict[str, object],
) -> None:
    usual: dict[str, object] = {"dialogues": [dialogue(0)]}
    assert (
        plan(**usual).groups[0].plan  # type: ignore[arg-type]  # a table of keywords
        != plan(**(usual | other)).groups[0].plan  # type: ignore[arg-type]  # a table of keywords
    )


def test_name_of_a_group_does_not_depend_on_the_other_groups() -> None:
    dialogues = selection([1] * 64)
    first = plan(dialogues).groups[0]
    assert plan(first.dialogues).groups[0].plan == first.plan


# --- the key of a reply ---


def key(
    one: Dialogue,
    replies: Sequence[str] = (),
    sampling: Sampling | None = None,
    identity: str = "model",
) -> str:
    return plan([one], sampling, identity).key(one, replies)


OTHER_SAMPLING = {
    "temperature": Sampling(temperature=0.5),
    "top_p": Sampling(top_p=0.9),
    "min_p": Sampling(min_p=0.1),
    "seed": Sampling(seed=1),
    "loop_stop": Sampling(loop_stop=False),
    "exact": Sampling(exact=True),
}


def test_every_field_of_sampling_is_tried() -> None:
    assert set(OTHER_SAMPLING) == set(Sampling.__slots__)


@pytest.mark.parametrize("sampling", OTHER_SAMPLING.values(), ids=list(OTHER_SAMPLING))
def test_key_changes_with_each_field_of_sampling(sampling: Sampling) -> None:
    assert key(dialogue(0), sampling=sampling) != key(dialogue(0))


def test_key_changes_with_the_model() -> None:
    assert key(dialogue(0), identity="other") != key(dialogue(0))


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"max_tokens": 161}, id="limit"),
        pytest.param({"sample": 1}, id="sample"),
        pytest.param({"system": "T"}, id="system"),
        pytest.param({"users": ("other",)}, id="user"),
    ],
)
def test_key_changes_with_what_the_dialogue_sends(other: dict[str, object]) -> None:
    assert key(replace(dialogue(0), **other)) != key(dialogue(0))  # type: ignore[arg-type]


def test_key_of_a_later_turn_changes_with_the_reply_before() -> None:
    talk = dialogue(0, turns=2)
    assert len({key(talk), key(talk, ["a"]), key(talk, ["b"])}) == 3


def test_key_does_not_depend_on_what_is_asked_later() -> None:
    talk = dialogue(0, turns=2)
    assert key(talk) == key(replace(talk, users=talk.users[:1]))


def test_key_does_not_depend_on_group_or_name_of_the_case() -> None:
    one = dialogue(0)
    crowd = plan([one, *selection([1] * 70)])
    assert crowd.key(one, []) == key(one) == key(replace(one, id="goals/renamed"))


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param(replace(SPEC, parallel=7), id="parallel"),
        pytest.param(replace(SPEC, threads=7), id="threads"),
    ],
)
def test_key_does_not_depend_on_how_many_are_decoded_together(spec: EngineSpec) -> None:
    one = dialogue(0)
    assert plan([one], spec=spec).key(one, []) == key(one)


# --- seeds ---

ASKED = [Message("system", "S"), Message("user", "U")]


def test_seed_of_a_request_fits_32_bits_and_repeats() -> None:
    seed = request_seed(Sampling(), 0, ASKED)
    assert 0 <= seed < 2**32
    assert seed == request_seed(Sampling(), 0, list(ASKED))


def test_seed_of_a_request_differs_by_seed_sample_and_messages() -> None:
    seeds = {
        request_seed(Sampling(), 0, ASKED),
        request_seed(Sampling(seed=1), 0, ASKED),
        request_seed(Sampling(), 1, ASKED),
        request_seed(Sampling(), 0, ASKED[:1]),
    }
    assert len(seeds) == 4


def test_seed_of_a_request_does_not_depend_on_the_temperature() -> None:
    assert request_seed(Sampling(temperature=0.7), 0, ASKED) == request_seed(Sampling(), 0, ASKED)


# --- loops ---


def first_alarm(tokens: Sequence[int]) -> int | None:
    """How many tokens had come when the detector spoke up."""
    detector = LoopDetector(max(len(tokens), 1))
    return next((n for n, token in enumerate(tokens, 1) if detector.add(token)), None)


def first_loop(tokens: Sequence[int]) -> int | None:
    """The definition, tried by brute force on every beginning and every period."""
    for n in range(1, len(tokens) + 1):
        for period in range(1, n):
            needed = max(LOOP_TOKENS, period)
            if (
                n >= period + needed
                and tokens[n - needed : n] == tokens[n - needed - period : n - period]
            ):
                return n
    return None


@pytest.mark.parametrize("period", [1, 2, 3, 8, 23, 24])
def test_short_cycle_is_a_loop_once_24_tokens_repeat(period: int) -> None:
    endless = [number % period for number in range(100)]
    assert first_alarm(endless) == period + LOOP_TOKENS


@pytest.mark.parametrize("period", [25, 26, 40, 50])
def test_long_cycle_is_a_loop_once_a_whole_further_cycle_repeats(period: int) -> None:
    endless = [number % period for number in range(100)]
    assert first_alarm(endless) == 2 * period


@pytest.mark.parametrize("period", [1, 5, 24, 30])
def test_one_token_short_of_a_loop_is_none(period: int) -> None:
    almost = [number % period for number in range(period + max(LOOP_TOKENS, period) - 1)]
    assert first_alarm([*almost, 99]) is None


def test_loop_is_seen_after_text_that_does_not_repeat() -> None:
    assert first_alarm([*range(100, 150), *([1, 2] * 20)]) == 50 + 2 + LOOP_TOKENS


def test_interrupted_repetition_starts_anew() -> None:
    assert first_alarm([*([1] * 20), 2, *([1] * 30)]) == 21 + 1 + LOOP_TOKENS


@settings(max_examples=150, deadline=None)
@given(
    head=st.lists(st.integers(0, 2), max_size=20),
    cycle=st.lists(st.integers(0, 2), min_size=1, max_size=30),
    times=st.integers(1, 30),
    tail=st.lists(st.integers(0, 2), max_size=5),
)
def test_detector_agrees_with_the_definition(
    head: list[int], cycle: list[int], times: int, tail: list[int]
) -> None:
    tokens = (head + cycle * times + tail)[:110]
    assert first_alarm(tokens) == first_loop(tokens)


# --- shared beginnings ---


@given(
    same=st.lists(st.integers(0, 3), max_size=8),
    one=st.lists(st.integers(0, 3), max_size=8),
    other=st.lists(st.integers(0, 3), max_size=8),
)
def test_shared_prefix_is_the_longest_common_beginning(
    same: list[int], one: list[int], other: list[int]
) -> None:
    left, right = same + one, same + other
    length = shared_prefix(left, right)
    assert left[:length] == right[:length]
    assert left[length : length + 1] != right[length : length + 1] or length in (
        len(left),
        len(right),
    )
    assert length >= len(same)
