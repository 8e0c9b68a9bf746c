"""Hugging Face checkpoints: the same prompts, the same model, and faster than `generate`.

    python -m benchmarks.hf [--cases 48]

On one checkpoint as a folder and as f16 GGUF (made from the embedded model):
1. prompt token ids: ours against `apply_chat_template`, and the GGUF tokenizer against both, for
   every golden case;
2. teacher-forced KL divergence between the two engines on the folder's own greedy replies;
3. outcomes that differ between the two engines, beside those that differ by batching alone;
4. speed: `generate` one by one and on padded batches, transformers' continuous batching, ours;
5. a PEFT folder against the merged checkpoint: largest difference of logits.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.make_models import make_models
from benchmarks.noise import compare, decode, some_cases
from harness.engines import resolve_model
from harness.engines.gguf import GgufEngine
from harness.engines.hf import HfEngine
from harness.generation import Dialogue, EngineSpec, Sampling, project_root

Logs = npt.NDArray[np.float64]


def same_prompts(gguf: GgufEngine, hf: HfEngine) -> None:
    """1: every case of the suite, first turn."""
    suite, cases = some_cases(10**6)
    wrong = 0
    for dialogue in suite.dialogues(cases):
        messages = dialogue.messages([])
        theirs = hf.tokenizer.apply_chat_template(
            [message._asdict() for message in messages],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=False,
        )
        wrong += not (list(theirs) == hf.prompt(messages) == gguf.prompt(messages))
    print(f"prompt token ids: {wrong} of {len(cases)} cases differ")


def divergence(
    gguf: GgufEngine, hf: HfEngine, dialogues: Sequence[Dialogue], replies: Sequence[str]
) -> None:
    """2: mean KL(folder || GGUF) in nats over reply tokens, and the share of equal top tokens."""
    import torch

    found: list[float] = []
    same: list[bool] = []
    for dialogue, reply in zip(dialogues, replies, strict=True):
        prompt = hf.prompt(dialogue.messages([]))
        tokens = hf.tokenizer(reply, add_special_tokens=False)["input_ids"]
        if not tokens:
            continue
        with torch.inference_mode():
            ids = torch.tensor([prompt + tokens])  # (1, T)
            logits = hf.model(input_ids=ids).logits[0, len(prompt) - 1 : -1]  # (R, V)
        theirs = _log_softmax(logits.double().numpy())
        ours = _log_softmax(gguf_logits(gguf, prompt + tokens, len(prompt) - 1))
        found += (np.exp(theirs) * (theirs - ours)).sum(axis=1).tolist()
        same += (theirs.argmax(axis=1) == ours.argmax(axis=1)).tolist()
    print(
        f"teacher-forced KL, folder float32 against f16 GGUF: mean {np.mean(found):.6f} nats, "
        f"99th percentile {np.percentile(found, 99):.6f}, same top token "
        f"{100 * float(np.mean(same)):.2f} % of {len(found)} tokens"
    )


def gguf_logits(engine: GgufEngine, tokens: Sequence[int], first: int) -> Logs:
    """Logits after each of `tokens[first:-1]`, (R, V)."""
    import llama_cpp

    cells = -(-len(tokens) // 256) * 256
    context = engine.new_context(cells, 1, cells, cells)
    batch = llama_cpp.llama_batch_init(len(tokens), 0, 1)
    batch.n_tokens = len(tokens)
    for i, token in enumerate(tokens):
        batch.token[i], batch.pos[i], batch.n_seq_id[i] = token, i, 1
        batch.seq_id[i][0] = 0
        batch.logits[i] = first <= i < len(tokens) - 1
    assert llama_cpp.llama_decode(context, batch) == 0
    rows = [
        np.ctypeslib.as_array(
            llama_cpp.llama_get_logits_ith(context, i), shape=(engine.vocabulary,)
        ).astype(np.float64)
        for i in range(first, len(tokens) - 1)
    ]
    llama_cpp.llama_batch_free(batch)
    llama_cpp.llama_free(context)
    return np.stack(rows)


def _log_softmax(logits: Logs) -> Logs:
    shifted = logits - logits.max(axis=1, keepdims=True)
    result: Logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result


def speed(hf: HfEngine, spec: EngineSpec, dialogues: Sequence[Dialogue], processes: int) -> None:
    """4: completion tokens per second, prompts included; loops run on."""
    sampling = Sampling(loop_stop=False)
    singles = [replace(dialogue, users=dialogue.users[:1]) for dialogue in dialogues]

    def padded(size: int) -> tuple[int, float]:
        import torch

        tokens = 0
        started = time.perf_counter()
        ends = sorted(hf._ends)
        for start in range(0, len(singles), size):
            part = [hf.prompt(dialogue.messages([])) for dialogue in singles[start : start + size]]
            width = max(len(ids) for ids in part)
            pad = ends[0]
            ids = torch.tensor([[pad] * (width - len(p)) + p for p in part])  # (B, T)
            mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in part])
            with torch.inference_mode():
                out = hf.model.generate(
                    input_ids=ids, attention_mask=mask, do_sample=False, eos_token_id=ends,
                    pad_token_id=pad, max_new_tokens=singles[start].max_tokens,
                )  # fmt: skip
            for row in out[:, width:].tolist():
                end = next((i for i, token in enumerate(row) if token in hf._ends), len(row) - 1)
                tokens += end + 1
        return tokens, time.perf_counter() - started

    def ours() -> tuple[int, float]:
        started = time.perf_counter()
        answers = list(hf.generate(singles, sampling, lambda _: None))
        return sum(answer.reply.tokens for answer in answers), time.perf_counter() - started

    def continuous() -> tuple[int, float]:
        from transformers import GenerationConfig

        config = GenerationConfig(
            max_new_tokens=max(dialogue.max_tokens for dialogue in singles),
            eos_token_id=sorted(hf._ends), pad_token_id=min(hf._ends), do_sample=False,
        )  # fmt: skip
        started = time.perf_counter()
        out: dict[str, Any] = hf.model.generate_batch(
            inputs=[hf.prompt(dialogue.messages([])) for dialogue in singles],
            generation_config=config,
        )
        tokens = sum(len(one.generated_tokens) for one in out.values())
        return tokens, time.perf_counter() - started

    rates: dict[str, float] = {}
    ways = {
        "ours": ours,
        "generate, batches of 16": lambda: padded(16),
        "generate one by one": lambda: padded(1),
        "continuous batching": continuous,
    }
    for name, way in ways.items():
        try:
            tokens, elapsed_s = way()
        except (RuntimeError, ValueError, AttributeError, ImportError, TypeError) as error:
            why = f"{type(error).__name__}: {str(error)[:120]}"
            print(f"{name}: not possible here ({why})")
            continue
        rates[name] = tokens / elapsed_s
        print(f"{name}: {tokens} tokens in {elapsed_s:.1f} s: {rates[name]:.1f} tokens/s")
    print(f"ours / one by one = {rates['ours'] / rates['generate one by one']:.2f}")


def adapter(folder: Path, lora: Path, hf: HfEngine) -> None:
    """5: our loading of a PEFT folder against peft's own unmerged model."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    engine = HfEngine(replace(hf._spec, adapter=str(lora)))
    engine.load()
    base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    merged = PeftModel.from_pretrained(base, lora).merge_and_unload()
    target = folder.with_name("merged")
    merged.save_pretrained(target)
    saved = AutoModelForCausalLM.from_pretrained(target, dtype=torch.float32)
    _, cases = some_cases(8)
    suite, _ = some_cases(8)
    worst, change = 0.0, 0.0
    with torch.inference_mode():
        for dialogue in suite.dialogues(cases):
            ids = torch.tensor([hf.prompt(dialogue.messages([]))])
            ours = engine.model(input_ids=ids).logits
            worst = max(worst, float((ours - saved(input_ids=ids).logits).abs().max()))
            change = max(change, float((ours - hf.model(input_ids=ids).logits).abs().max()))
    print(f"PEFT folder against merged checkpoint: logits differ by at most {worst:.2e} "
          f"(the adapter changes them by up to {change:.2f})")  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--cases", type=int, default=48)
    options = parser.parse_args()
    paths = make_models(project_root() / "build" / "models")
    processes = os.cpu_count() or 1
    folder_spec = replace(resolve_model(str(paths["checkpoint"])), threads=processes)
    file_spec = resolve_model(str(paths["f16.gguf"]))
    gguf, hf = GgufEngine(replace(file_spec, threads=processes)), HfEngine(folder_spec)
    gguf.load()
    hf.load()
    same_prompts(gguf, hf)
    suite, cases = some_cases(options.cases)
    dialogues = list(suite.dialogues(cases))
    batched = decode(folder_spec, dialogues, Sampling(), 1)
    divergence(gguf, hf, dialogues[:24], [replies[0].text for replies in batched[:24]])
    gguf_batched = decode(file_spec, dialogues, Sampling(), processes)
    gguf_exact = decode(file_spec, dialogues, Sampling(exact=True), processes)
    for name, other in (("folder against GGUF", batched), ("GGUF exact against GGUF", gguf_exact)):
        print(name, compare(suite, cases, other, gguf_batched))
    adapter(paths["checkpoint"], paths["lora"], hf)
    speed(hf, folder_spec, dialogues, processes)


if __name__ == "__main__":
    main()
