"""The transformers engine on a tiny random checkpoint; runs where the extra `hf` is installed."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from harness.engines import open_engine, resolve_model
from harness.errors import ModelError
from harness.generation import Answer, Dialogue, Engine, Sampling

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.skipif(find_spec("torch") is None, reason="needs the extra hf"),
]

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    import transformers
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    path = tmp_path_factory.mktemp("checkpoint")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bpe = Tokenizer(models.BPE({sign: i for i, sign in enumerate(alphabet)}, []))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.add_special_tokens([AddedToken(t, special=True) for t in ("<|im_start|>", "<|im_end|>")])
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token="<|im_end|>", chat_template=CHATML
    )
    tokenizer.save_pretrained(path)
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=400,
        initializer_range=0.4, eos_token_id=tokenizer.eos_token_id, bos_token_id=None,
    )  # fmt: skip
    transformers.LlamaForCausalLM(config).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def engine(folder: Path) -> Engine:
    opened = open_engine(resolve_model(str(folder)))
    opened.load()
    return opened


def dialogues(count: int, turns: int = 1, max_tokens: int = 24) -> list[Dialogue]:
    return [
        Dialogue(
            id=str(i),
            sample=0,
            system="You are a coach.",
            users=tuple(f"Question {i}, {'more ' * (i % 5)}turn {k}?" for k in range(turns)),
            max_tokens=max_tokens,
        )
        for i in range(count)
    ]


def answers(engine: Engine, asked: list[Dialogue], sampling: Sampling) -> list[Answer]:
    found = list(engine.generate(asked, sampling, lambda _: None))
    return sorted(found, key=lambda answer: (answer.dialogue, answer.turn))


def test_a_group_decoded_twice_gives_the_same_replies(engine: Engine) -> None:
    asked = dialogues(9, turns=2)
    assert answers(engine, asked, Sampling()) == answers(engine, asked, Sampling())


def test_every_turn_of_every_dialogue_is_answered(engine: Engine) -> None:
    found = answers(engine, dialogues(5, turns=3), Sampling())
    assert [(a.dialogue, a.turn) for a in found] == [(i, k) for i in range(5) for k in range(3)]


def test_batched_replies_are_those_of_single_decoding_on_a_model_without_near_ties(
    engine: Engine,
) -> None:
    asked = dialogues(7, max_tokens=6)
    batched = [a.reply.text for a in answers(engine, asked, Sampling())]
    exact = [a.reply.text for a in answers(engine, asked, Sampling(exact=True))]
    assert batched == exact


def test_the_reply_is_what_generate_gives(engine: Engine, folder: Path) -> None:
    import torch
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    (asked,) = dialogues(1, max_tokens=12)
    ids = torch.tensor([engine.prompt(asked.messages([]))])  # type: ignore[attr-defined]
    out = model.generate(ids, do_sample=False, max_new_tokens=12)
    text = engine.tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)  # type: ignore[attr-defined]
    (answer,) = answers(engine, [asked], Sampling(loop_stop=False))
    assert answer.reply.text == text.strip()


def test_prompts_are_those_of_apply_chat_template(engine: Engine) -> None:
    messages = dialogues(1)[0].messages([])
    theirs = engine.tokenizer.apply_chat_template(  # type: ignore[attr-defined]
        [m._asdict() for m in messages], add_generation_prompt=True, return_dict=False
    )
    assert engine.prompt(messages) == list(theirs)  # type: ignore[attr-defined]


def test_a_seed_repeats_and_another_seed_differs(engine: Engine) -> None:
    asked = dialogues(3)
    warm = Sampling(temperature=1.5, top_p=0.95, min_p=0.001, seed=1)
    assert answers(engine, asked, warm) == answers(engine, asked, warm)
    assert answers(engine, asked, warm) != answers(engine, asked, replace(warm, seed=2))


def test_a_prompt_that_does_not_fit_overflows_with_its_token_count(engine: Engine) -> None:
    (asked,) = dialogues(1, max_tokens=390)
    (answer,) = answers(engine, [asked], Sampling())
    assert answer.reply.finish == "overflow"
    assert answer.reply.prompt_tokens > 12


def test_a_loop_is_stopped_unless_told_otherwise(folder: Path) -> None:
    import torch

    engine = open_engine(resolve_model(str(folder)))
    engine.load()
    for layer in engine.model.model.layers:  # type: ignore[attr-defined]
        # Without its layers a model's next token depends on the last one only: it must cycle.
        torch.nn.init.zeros_(layer.self_attn.o_proj.weight)
        torch.nn.init.zeros_(layer.mlp.down_proj.weight)
    asked = dialogues(6, max_tokens=300)
    stopped = answers(engine, asked, Sampling())
    free = answers(engine, asked, Sampling(loop_stop=False))
    assert {a.reply.finish for a in stopped} <= {"loop", "stop"}
    assert any(a.reply.finish == "loop" for a in stopped)
    assert all(a.reply.finish != "loop" for a in free)


def test_an_adapter_gives_the_logits_of_peft_itself(folder: Path, tmp_path: Path) -> None:
    import torch
    import transformers

    peft = pytest.importorskip("peft")
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tuned = peft.get_peft_model(model, peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"]))
    for name, weights in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=0.1)
    tuned.save_pretrained(tmp_path)
    engine = open_engine(resolve_model(str(folder), adapter=str(tmp_path)))
    engine.load()
    ids = torch.arange(20)[None]
    with torch.inference_mode():
        ours, theirs = engine.model(ids).logits, tuned(ids).logits  # type: ignore[attr-defined]
    assert torch.allclose(ours, theirs, atol=1e-3)


def test_a_checkpoint_without_a_template_says_how_to_name_one(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        if path.name != "chat_template.jinja":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(ModelError, match="--chat-template FILE"):
        open_engine(resolve_model(str(tmp_path)))
