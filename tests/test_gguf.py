"""The GGUF batcher answers groups repeatably, whole and within the context, on a tiny model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.engines import resolve_model
from harness.errors import ModelError
from harness.generation import LOOP_TOKENS, Dialogue, EngineSpec, Reply, Sampling, shared_prefix
from tests.tiny_gguf import (
    MALICIOUS,
    Shape,
    write_gguf,
    write_lora,
    write_random,
    write_scripted,
)

if TYPE_CHECKING:
    from harness.engines.gguf import GgufEngine

GREEDY = Sampling()
Answers = dict[tuple[int, int], Reply]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def model(folder: Path) -> Path:
    return write_random(folder / "random.gguf")


@pytest.fixture(scope="module")
def engine(model: Path) -> Iterator[GgufEngine]:
    yield from _loaded(model)


@pytest.fixture(scope="module")
def endless(folder: Path) -> Iterator[GgufEngine]:
    """A random model that never ends a reply by itself."""
    yield from _loaded(write_random(folder / "endless.gguf", Shape(ends=False)))


@pytest.fixture(scope="module")
def short_context(folder: Path) -> Iterator[GgufEngine]:
    yield from _loaded(write_random(folder / "short.gguf", Shape(context=256, ends=False)))


def opened(spec: EngineSpec) -> GgufEngine:
    """Open a model; llama_cpp is imported only now, not when tests are collected."""
    from harness.engines.gguf import GgufEngine

    return GgufEngine(spec)


def _loaded(path: Path, **options: str) -> Iterator[GgufEngine]:
    made = opened(resolve_model(str(path), **options))
    made.load()
    yield made
    made.close()


def _scripted(path: Path, follows: Mapping[str, str]) -> GgufEngine:
    made = opened(resolve_model(str(write_scripted(path, follows))))
    made.load()
    return made


def _dialogue(
    name: str = "d",
    *users: str,
    sample: int = 0,
    max_tokens: int = 40,
    system: str = "You are Josi.",
) -> Dialogue:
    return Dialogue(
        id=name,
        sample=sample,
        system=system,
        users=users or (f"Question {name}?",),
        max_tokens=max_tokens,
    )


def _answers(engine: GgufEngine, group: Sequence[Dialogue], sampling: Sampling = GREEDY) -> Answers:
    found: Answers = {}
    for answer in engine.generate(group, sampling, lambda _: None):
        assert (answer.dialogue, answer.turn) not in found
        found[answer.dialogue, answer.turn] = answer.reply
    return found


def _texts(answers: Answers) -> dict[tuple[int, int], str]:
    return {place: reply.text for place, reply in answers.items()}


GROUP = [_dialogue(f"d{i}", f"Question {i}?", "Why is that?", "And then?") for i in range(6)]
SAMPLED = [
    pytest.param(Sampling(temperature=0.9, seed=3), id="temperature"),
    pytest.param(Sampling(temperature=0.9, top_p=0.8, seed=3), id="top-p"),
    pytest.param(Sampling(temperature=0.9, min_p=0.1, seed=3), id="min-p"),
    pytest.param(Sampling(temperature=0.9, top_p=0.8, min_p=0.1, seed=3), id="top-p-and-min-p"),
]
MODES = [pytest.param(GREEDY, id="batched"), pytest.param(Sampling(exact=True), id="exact")]


# Repeatability


@pytest.mark.parametrize("sampling", [*MODES, *SAMPLED])
def test_the_same_group_twice_gives_equal_replies(engine: GgufEngine, sampling: Sampling) -> None:
    assert _answers(engine, GROUP, sampling) == _answers(engine, GROUP, sampling)


def test_a_group_does_not_depend_on_the_group_before_it(engine: GgufEngine) -> None:
    fresh = _answers(engine, GROUP[:3])
    _answers(engine, GROUP[3:], Sampling(temperature=1.0, seed=9))
    assert _answers(engine, GROUP[:3]) == fresh


def test_another_engine_on_the_same_file_gives_equal_replies(
    engine: GgufEngine, model: Path
) -> None:
    for other in _loaded(model):
        assert _answers(other, GROUP) == _answers(engine, GROUP)


@pytest.mark.parametrize("sampling", MODES)
def test_every_turn_of_every_dialogue_is_answered_once(
    engine: GgufEngine, sampling: Sampling
) -> None:
    expected = {(place, turn) for place in range(len(GROUP)) for turn in range(3)}
    assert set(_answers(engine, GROUP, sampling)) == expected


@pytest.mark.parametrize("turns", [1, 3])
def test_exact_equals_each_dialogue_decoded_alone(engine: GgufEngine, turns: int) -> None:
    group = [_dialogue(d.id, *d.users[:turns]) for d in GROUP]
    together = _answers(engine, group, Sampling(exact=True))
    alone = {
        (place, turn): reply
        for place, dialogue in enumerate(group)
        for (_, turn), reply in _answers(engine, [dialogue]).items()
    }
    assert together == alone


def test_a_group_of_one_equals_exact(engine: GgufEngine) -> None:
    assert _answers(engine, GROUP[:1]) == _answers(engine, GROUP[:1], Sampling(exact=True))


def test_batched_replies_keep_to_their_own_prompts(engine: GgufEngine) -> None:
    # A mix-up of sequences would give other words; floating-point order may move a single choice.
    together, alone = _answers(engine, GROUP), _answers(engine, GROUP, Sampling(exact=True))
    firsts = [
        together[place, 0].text[:4] == alone[place, 0].text[:4] for place in range(len(GROUP))
    ]
    assert sum(firsts) >= len(GROUP) - 1


@pytest.mark.parametrize("dialogues", [1, 5, 16, 17, 40])
def test_a_group_may_be_larger_or_smaller_than_parallel(engine: GgufEngine, dialogues: int) -> None:
    group = [_dialogue(f"d{i}", max_tokens=6) for i in range(dialogues)]
    assert set(_answers(engine, group)) == {(i, 0) for i in range(dialogues)}


# How a reply ends


def test_a_reply_stops_at_the_end_token_and_leaves_it_out(folder: Path) -> None:
    engine = _scripted(folder / "stop.gguf", {"\n": "O", "O": "k", "k": "."})
    reply = _answers(engine, [_dialogue()])[0, 0]
    engine.close()
    assert (reply.text, reply.finish, reply.tokens) == ("Ok.", "stop", len("Ok.") + 1)


def test_a_reply_that_ends_at_once_is_empty(folder: Path) -> None:
    engine = _scripted(folder / "empty.gguf", {"\n": ""})
    reply = _answers(engine, [_dialogue()])[0, 0]
    engine.close()
    assert (reply.text, reply.finish, reply.tokens) == ("", "stop", 1)


@pytest.mark.parametrize("limit", [1, 7, 23])
def test_a_reply_ends_at_its_limit(endless: GgufEngine, limit: int) -> None:
    reply = _answers(endless, [_dialogue(max_tokens=limit)])[0, 0]
    assert (reply.finish, reply.tokens, len(reply.text)) == ("length", limit, limit)


def test_limits_are_each_dialogues_own(endless: GgufEngine) -> None:
    group = [_dialogue(f"d{limit}", max_tokens=limit) for limit in (3, 9, 5)]
    answers = _answers(endless, group)
    assert [answers[place, 0].tokens for place in range(3)] == [3, 9, 5]


def test_a_looping_reply_is_cut_after_the_loop_stands(folder: Path) -> None:
    engine = _scripted(folder / "loop.gguf", {"\n": "h", "h": "a", "a": "h"})
    reply = _answers(engine, [_dialogue(max_tokens=200)])[0, 0]
    engine.close()
    assert (reply.finish, reply.tokens) == ("loop", 2 + LOOP_TOKENS)


def test_without_loop_stop_a_looping_reply_runs_to_its_limit(folder: Path) -> None:
    engine = _scripted(folder / "looplong.gguf", {"\n": "h", "h": "a", "a": "h"})
    reply = _answers(engine, [_dialogue(max_tokens=200)], Sampling(loop_stop=False))[0, 0]
    engine.close()
    assert (reply.finish, reply.tokens, reply.text) == ("length", 200, "ha" * 100)


# What is decoded once and used again


def test_a_next_turn_reuses_the_turn_before(engine: GgufEngine) -> None:
    dialogue = _dialogue("d0", "Question?", "Why?", "And then?")
    answers = _answers(engine, [dialogue])
    texts = [answers[0, turn].text for turn in range(3)]
    for turn in (1, 2):
        before = engine.prompt(dialogue.messages(texts[: turn - 1]))
        assert answers[0, turn].cached_tokens >= len(before)


def test_reuse_does_not_change_replies(engine: GgufEngine) -> None:
    equal = []
    for i in range(10):
        dialogue = _dialogue("d", f"Question {i}?", "Why?")
        first, reused = _answers(engine, [dialogue]).values()
        # The same tokens in one user message, so that nothing of them is cached.
        turns = (
            f"Question {i}?<|im_end|>\n<|im_start|>assistant\n{first.text}<|im_end|>\n"
            "<|im_start|>user\nWhy?"
        )
        flat = _dialogue("flat", turns)
        assert engine.prompt(flat.messages([])) == engine.prompt(dialogue.messages([first.text]))
        equal.append(_answers(engine, [flat])[0, 0].text == reused.text)
    # Cached cells were decoded in other batches: floating-point order may move a close choice.
    assert sum(equal) >= 8


def test_nothing_is_cached_for_a_dialogue_alone(engine: GgufEngine) -> None:
    assert _answers(engine, [_dialogue()])[0, 0].cached_tokens == 0


def test_prompt_tokens_count_the_whole_prompt(engine: GgufEngine) -> None:
    answers = _answers(engine, GROUP)
    for (place, turn), reply in answers.items():
        earlier = [answers[place, t].text for t in range(turn)]
        assert reply.prompt_tokens == len(engine.prompt(GROUP[place].messages(earlier)))


def test_a_common_beginning_is_decoded_once_for_all(engine: GgufEngine) -> None:
    system = "You are Josi. " * 20
    group = [_dialogue(f"d{i}", f"{i} Question?", system=system) for i in range(4)]
    prompts = [engine.prompt(dialogue.messages([])) for dialogue in group]
    common = min(shared_prefix(prompts[0], prompt) for prompt in prompts[1:])
    answers = _answers(engine, group)
    assert common > 250
    # The first reads its whole prompt; the others start from a copy of its beginning.
    assert answers[0, 0].cached_tokens == 0
    assert all(answers[place, 0].cached_tokens >= common - 1 for place in range(1, 4))


def test_samples_of_one_case_share_all_but_the_last_token(engine: GgufEngine) -> None:
    group = [_dialogue("d", sample=sample) for sample in range(4)]
    answers = _answers(engine, group, Sampling(temperature=1.0))
    later = [answers[place, 0] for place in range(1, 4)]
    assert all(reply.cached_tokens >= reply.prompt_tokens - 2 for reply in later)


def test_neighbours_share_what_the_group_does_not(engine: GgufEngine) -> None:
    long = "This athlete has run for many years and likes hills. " * 4
    group = [
        _dialogue("a1", "One?", system=f"A {long}"),
        _dialogue("a2", "Two?", system=f"A {long}"),
        _dialogue("b1", "One?", system=f"B {long}"),
        _dialogue("b2", "Two?", system=f"B {long}"),
    ]
    answers = _answers(engine, group)
    assert [answers[place, 0].cached_tokens > len(long) for place in range(4)] == [
        False,
        True,
        False,
        True,
    ]


# Long prompts


def test_a_prompt_longer_than_one_batch_is_answered(engine: GgufEngine) -> None:
    reply = _answers(engine, [_dialogue("d", "Many words. " * 110)])[0, 0]
    assert reply.prompt_tokens > 1024
    assert reply.finish != "overflow"


def test_a_prompt_that_does_not_fit_gives_overflow_with_its_length(
    short_context: GgufEngine,
) -> None:
    dialogue = _dialogue("d", "Far too long. " * 30)
    (reply,) = _answers(short_context, [dialogue]).values()
    length = len(short_context.prompt(dialogue.messages([])))
    assert (reply.finish, reply.text, reply.prompt_tokens, reply.tokens) == (
        "overflow",
        "",
        length,
        0,
    )


@pytest.mark.parametrize("sampling", MODES)
def test_a_turn_that_does_not_fit_ends_its_dialogue_alone(
    short_context: GgufEngine, sampling: Sampling
) -> None:
    group = [
        _dialogue("long", "Hello?", "Go on. " * 20, "Never asked."),
        _dialogue("fits", "Hello?", "Go on."),
    ]
    finishes = {
        place: reply.finish for place, reply in _answers(short_context, group, sampling).items()
    }
    assert finishes == {
        (0, 0): "length",
        (0, 1): "overflow",
        (1, 0): "length",
        (1, 1): "length",
    }


def test_the_longest_prompt_that_fits_is_answered(short_context: GgufEngine) -> None:
    spare = 256 - 40 - len(short_context.prompt(_dialogue("d", "x").messages([])))
    answers = _answers(
        short_context, [_dialogue("d", "x" * (spare + 1)), _dialogue("d", "x" * (spare + 2))]
    )
    assert [answers[place, 0].finish for place in (0, 1)] == ["length", "overflow"]


@pytest.mark.parametrize("dialogues", [2, 16])
def test_a_common_beginning_longer_than_the_context_gives_overflow_for_all(
    short_context: GgufEngine, dialogues: int
) -> None:
    group = [_dialogue(f"d{i}", system="Far too long. " * 60) for i in range(dialogues)]
    answers = _answers(short_context, group)
    assert {reply.finish for reply in answers.values()} == {"overflow"}


def test_a_full_context_in_every_sequence_fits_the_cache(short_context: GgufEngine) -> None:
    group = [_dialogue(f"d{i}", chr(97 + i) * 100, max_tokens=100) for i in range(16)]
    answers = _answers(short_context, group)
    assert {reply.finish for reply in answers.values()} <= {"length", "loop"}


# Sampling


@pytest.mark.parametrize("sampling", SAMPLED)
def test_another_seed_gives_other_replies(engine: GgufEngine, sampling: Sampling) -> None:
    other = Sampling(
        temperature=sampling.temperature, top_p=sampling.top_p, min_p=sampling.min_p, seed=4
    )
    assert _texts(_answers(engine, GROUP, sampling)) != _texts(_answers(engine, GROUP, other))


def test_samples_of_one_case_differ(engine: GgufEngine) -> None:
    group = [_dialogue("d", sample=sample) for sample in range(4)]
    answers = _answers(engine, group, Sampling(temperature=1.0))
    assert len(set(_texts(answers).values())) == 4


def test_greedy_samples_of_one_case_are_equal(engine: GgufEngine) -> None:
    group = [_dialogue("d", sample=sample) for sample in range(4)]
    answers = _answers(engine, group, Sampling(exact=True))
    assert len(set(_texts(answers).values())) == 1


@pytest.mark.parametrize(
    "sampling",
    [
        pytest.param(Sampling(temperature=1.0, top_p=0.01, seed=1), id="top-p"),
        pytest.param(Sampling(temperature=1.0, min_p=1.0, seed=1), id="min-p"),
    ],
)
def test_a_nucleus_of_one_token_is_greedy(engine: GgufEngine, sampling: Sampling) -> None:
    assert _texts(_answers(engine, GROUP[:1], sampling)) == _texts(_answers(engine, GROUP[:1]))


# Adapters


def test_an_adapter_changes_replies(engine: GgufEngine, model: Path, folder: Path) -> None:
    adapter = write_lora(folder / "fits.gguf")
    for adapted in _loaded(model, adapter=str(adapter)):
        assert _texts(_answers(adapted, GROUP)) != _texts(_answers(engine, GROUP))


@pytest.mark.parametrize(
    ("width", "layers"),
    [pytest.param(96, 2, id="another-width"), pytest.param(64, 3, id="another-depth")],
)
def test_an_adapter_of_another_base_is_refused_before_the_first_group(
    model: Path, folder: Path, width: int, layers: int
) -> None:
    adapter = write_lora(folder / f"other-{width}-{layers}.gguf", width=width, layers=layers)
    spec = resolve_model(str(model), adapter=str(adapter))
    with pytest.raises(ModelError, match=r"does not fit random\.gguf.*base model"):
        opened(spec).load()


# Files that cannot be used


@pytest.mark.parametrize(
    ("shape", "what", "next_step"),
    [
        pytest.param(
            Shape(architecture="nonsense"),
            "unknown model architecture: 'nonsense'",
            "llama.cpp knows its architecture",
            id="unsupported-architecture",
        ),
        pytest.param(
            Shape(architecture="bert", more={"bert.attention.causal": False}),
            "embedding model (bert)",
            "give a GGUF file of a chat model",
            id="bert",
        ),
        pytest.param(
            Shape(more={"llama.pooling_type": 1}),
            "embedding model (llama)",
            "give a GGUF file of a chat model",
            id="pooling",
        ),
        pytest.param(
            Shape(more={"llama.attention.causal": False}),
            "embedding model (llama)",
            "give a GGUF file of a chat model",
            id="not-causal",
        ),
        pytest.param(
            Shape(template=None), "no chat template", "--chat-template FILE", id="no-template"
        ),
        pytest.param(
            Shape(template="{% if %}"), "not valid Jinja", "--chat-template FILE", id="bad-template"
        ),
        pytest.param(
            Shape(template="{{ raise_exception('no system role') }}"),
            "no system role",
            "--chat-template FILE",
            id="refusing-template",
        ),
        pytest.param(
            Shape(template=MALICIOUS),
            "tries to reach Python objects",
            "do not run this file",
            id="malicious-template",
        ),
    ],
)
def test_a_model_that_cannot_chat_is_refused_when_opened(
    tmp_path: Path, shape: Shape, what: str, next_step: str
) -> None:
    spec = resolve_model(str(write_random(tmp_path / "odd.gguf", shape)))
    with pytest.raises(ModelError) as told:
        opened(spec)
    assert what in str(told.value)
    assert next_step in str(told.value)


@pytest.mark.parametrize("share", [0.001, 0.01, 0.5, 0.99])
def test_a_truncated_file_is_refused_when_opened(tmp_path: Path, model: Path, share: float) -> None:
    whole = model.read_bytes()
    path = tmp_path / "cut.gguf"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ModelError, match=r"cut\.gguf.* cannot be loaded: .*file is complete"):
        opened(resolve_model(str(path)))


def test_a_gguf_file_without_a_model_is_refused(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "none.gguf", {"general.name": "nothing"}, {})
    with pytest.raises(ModelError, match=r"none\.gguf"):
        opened(resolve_model(str(path)))


def test_a_chat_template_file_replaces_a_malicious_one(tmp_path: Path) -> None:
    template = tmp_path / "chat.jinja"
    template.write_text("{% for m in messages %}{{ m.content }}\n{% endfor %}", encoding="utf-8")
    path = write_random(tmp_path / "odd.gguf", Shape(template=MALICIOUS))
    for engine in _loaded(path, chat_template=str(template)):
        assert engine.template.render(_dialogue("d", "Hi").messages([])) == "You are Josi.\nHi\n"


def test_the_model_tells_what_it_is(engine: GgufEngine) -> None:
    assert (engine.info.engine, engine.info.architecture) == ("llama.cpp", "llama")
    assert (engine.info.quantisation, engine.info.context_tokens) == ("F32", 2048)
