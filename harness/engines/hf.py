"""Hugging Face checkpoints through transformers, optionally with a PEFT adapter.

Engine of the generation stage: batches of dialogues that share the KV cache of their common
beginning; rows that have ended leave the batch. Measured faster here than one `generate` per
batch (`benchmarks/hf.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache, GenerationConfig

from harness.conversation import Message
from harness.errors import EngineError, ModelError
from harness.generation import (
    Answer,
    Dialogue,
    EngineSpec,
    Finish,
    LoopDetector,
    ModelInfo,
    Reply,
    Sampling,
    request_seed,
    shared_prefix,
)
from harness.prompt import ChatTemplate

_END_TOKENS = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end|>", "<end_of_turn>", "</s>")


class HfEngine:
    """One checkpoint folder, in float32 on a CPU and its own precision on an accelerator.

    Raises:
        ModelError: if the folder, its template or the adapter cannot be used.
    """

    def __init__(self, spec: EngineSpec) -> None:
        self._spec = spec
        self.retries = 0
        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        torch.set_num_threads(spec.threads)
        try:
            self.tokenizer: Any = AutoTokenizer.from_pretrained(spec.path)
            self._config = transformers.AutoConfig.from_pretrained(spec.path)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{spec.path!r} cannot be opened by transformers: {error}") from error
        if spec.chat_template:
            source = Path(spec.chat_template).read_text(encoding="utf-8")
        else:
            source = self.tokenizer.chat_template
        if not isinstance(source, str):
            raise ModelError(
                f"{spec.path!r} carries no chat template; name a file with the Jinja template it "
                "was trained with: --chat-template FILE"
            )
        self.template = ChatTemplate(
            source, bos=self.tokenizer.bos_token or "", eos=self.tokenizer.eos_token or ""
        )
        accelerator = torch.accelerator.current_accelerator()
        self.device = accelerator if accelerator is not None else torch.device("cpu")
        self.dtype = _dtype(spec, self._config, self.device)
        self.info = ModelInfo(
            engine="transformers",
            engine_version=f"transformers {transformers.__version__}, torch {torch.__version__}",
            architecture=str(self._config.model_type),
            quantisation=str(self.dtype).removeprefix("torch."),
            template_sha256=self.template.sha256,
            context_tokens=int(getattr(self._config, "max_position_embeddings", 0) or 4096),
        )

    def load(self) -> None:
        """Read the weights; an adapter is merged into them."""
        try:
            model: Any = AutoModelForCausalLM.from_pretrained(self._spec.path, dtype=self.dtype)
            if self._spec.adapter:
                from peft import PeftModel

                model = PeftModel.from_pretrained(model, self._spec.adapter).merge_and_unload()
        except (OSError, ValueError, RuntimeError, KeyError, ImportError) as error:
            raise ModelError(f"{self._spec.path!r} cannot be loaded: {error}") from error
        self.model = model.to(self.device).eval()
        self._ends = self._end_tokens()

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of `messages` in the model's own format, up to where its reply begins."""
        text = self.template.render(messages)
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def generate(
        self, dialogues: Sequence[Dialogue], sampling: Sampling, tick: Callable[[int], None]
    ) -> Iterator[Answer]:
        """Answer a group turn by turn, in batches of similar length."""
        replies: list[list[str]] = [[] for _ in dialogues]
        running = list(range(len(dialogues)))
        width = 1 if sampling.exact else self._spec.parallel
        while running:
            prompts = {i: self.prompt(dialogues[i].messages(replies[i])) for i in running}
            for i in list(running):
                if len(prompts[i]) + dialogues[i].max_tokens > self.info.context_tokens:
                    running.remove(i)
                    yield _overflow(i, len(replies[i]), prompts.pop(i))
            order = sorted(running, key=lambda i: len(prompts[i]))
            waves = -(-len(order) // width)
            size = -(-len(order) // max(waves, 1))
            for start in range(0, len(order), max(size, 1)):
                rows = order[start : start + size]
                batch = _Batch(self, [prompts[i] for i in rows])
                seeds = [
                    request_seed(sampling, dialogues[i].sample, dialogues[i].messages(replies[i]))
                    for i in rows
                ]
                limits = [dialogues[i].max_tokens for i in rows]
                for row, reply in batch.run(limits, sampling, seeds, tick):
                    i = rows[row]
                    yield Answer(i, len(replies[i]), reply)
                    replies[i].append(reply.text)
            running = [i for i in running if len(replies[i]) < len(dialogues[i].users)]

    def is_end(self, token: int) -> bool:
        """Whether a token ends the reply; a model may have several such tokens."""
        return token in self._ends

    def close(self) -> None:
        """Free the model."""
        self.model = None

    def _end_tokens(self) -> frozenset[int]:
        ends: set[int] = set()
        configs = [self._config, self.model.generation_config]
        if (Path(self._spec.path) / "generation_config.json").is_file():
            configs.append(GenerationConfig.from_pretrained(self._spec.path))
        for config in configs:
            named = getattr(config, "eos_token_id", None)
            ends.update(named if isinstance(named, list) else [named] if named is not None else [])
        if self.tokenizer.eos_token_id is not None:
            ends.add(self.tokenizer.eos_token_id)
        vocabulary = self.tokenizer.get_added_vocab()
        ends.update(vocabulary[token] for token in _END_TOKENS if token in vocabulary)
        return frozenset(ends)


class _Batch:
    """Decodes prompts of similar length together; their common beginning is decoded once."""

    def __init__(self, engine: HfEngine, prompts: Sequence[list[int]]) -> None:
        self._engine = engine
        common = prompts[0]
        for prompt in prompts[1:]:
            common = common[: shared_prefix(common, prompt)]
        self._common = common[:-1] if len(prompts) > 1 else []
        self._prompts = prompts

    def run(
        self,
        limits: Sequence[int],
        sampling: Sampling,
        seeds: Sequence[int],
        tick: Callable[[int], None],
    ) -> Iterator[tuple[int, Reply]]:
        """Yield (row, reply) as rows end."""
        device = self._engine.device
        cache, logits, mask, positions = self._prefill(device)
        rows = list(range(len(self._prompts)))
        made: list[list[int]] = [[] for _ in rows]
        loops = [LoopDetector(limit) for limit in limits]
        draws = [torch.Generator(device="cpu").manual_seed(seed) for seed in seeds]
        while rows:
            chosen = _choose(logits, sampling, [draws[row] for row in rows])
            tick(len(rows))
            keep: list[int] = []
            for place, (row, token) in enumerate(zip(list(rows), chosen, strict=True)):
                finish: Finish | None = None
                if self._engine.is_end(token):
                    finish = "stop"
                else:
                    made[row].append(token)
                    if sampling.loop_stop and loops[row].add(token):
                        finish = "loop"
                    elif len(made[row]) >= limits[row]:
                        finish = "length"
                if finish is None:
                    keep.append(place)
                    continue
                text = self._engine.tokenizer.decode(made[row], skip_special_tokens=True)
                yield (
                    row,
                    Reply(
                        text=text.strip(),
                        finish=finish,
                        prompt_tokens=len(self._prompts[row]),
                        cached_tokens=len(self._common) if row else 0,
                        tokens=len(made[row]) + (finish == "stop"),
                    ),
                )
            if not keep:
                return
            if len(keep) < len(rows):
                kept = torch.tensor(keep, device=device)
                cache.batch_select_indices(kept)
                mask, positions = mask[kept], positions[kept]
                rows = [rows[place] for place in keep]
            tokens = torch.tensor([[made[row][-1]] for row in rows], device=device)  # (B, 1)
            mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)  # (B, T + 1)
            logits = self._forward(tokens, mask, positions, cache)
            positions = positions + 1

    def _prefill(
        self, device: torch.device
    ) -> tuple[DynamicCache, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Decode the prompts; give cache, last logits (B, V), mask (B, T), next positions (B, 1).

        A row's cells are: common beginning, padding that is masked out, the rest of its prompt.
        """
        cache = DynamicCache()
        shared, count = len(self._common), len(self._prompts)
        if shared:
            ids = torch.tensor([self._common], device=device)  # (1, P)
            at = torch.arange(shared, device=device)[None]
            self._forward(ids, torch.ones_like(ids), at, cache)
            cache.batch_repeat_interleave(count)
        rests = [prompt[shared:] for prompt in self._prompts]
        width = max(len(rest) for rest in rests)
        ids = torch.zeros((count, width), dtype=torch.long, device=device)  # (B, R)
        mask = torch.zeros((count, shared + width), dtype=torch.long, device=device)  # (B, P + R)
        mask[:, :shared] = 1
        positions = torch.zeros((count, width), dtype=torch.long, device=device)  # (B, R)
        for row, rest in enumerate(rests):
            start = width - len(rest)
            ids[row, start:] = torch.tensor(rest)
            mask[row, shared + start :] = 1
            positions[row, start:] = torch.arange(shared, shared + len(rest))
        logits = self._forward(ids, mask, positions, cache)
        return cache, logits, mask, positions[:, -1:] + 1

    def _forward(
        self, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: DynamicCache
    ) -> torch.Tensor:
        """Logits of the last position, (B, V) in float32."""
        try:
            with torch.inference_mode():
                out = self._engine.model(
                    input_ids=ids, attention_mask=mask, position_ids=positions,
                    past_key_values=cache, use_cache=True, logits_to_keep=1,
                )  # fmt: skip
                logits: torch.Tensor = out.logits[:, -1].float()
        except RuntimeError as error:
            raise EngineError(
                f"transformers failed on a batch of {tuple(ids.shape)}: {error}"
            ) from error
        return logits


def _choose(
    logits: torch.Tensor, sampling: Sampling, draws: Sequence[torch.Generator]
) -> list[int]:
    """Next token of every row: the likeliest, or drawn with the row's own generator."""
    if sampling.temperature <= 0:
        best: list[int] = logits.argmax(dim=-1).tolist()
        return best
    shares = torch.softmax(logits.cpu() / sampling.temperature, dim=-1)  # (B, V)
    full = torch.softmax(logits.cpu(), dim=-1)
    if sampling.min_p > 0:
        shares = shares.masked_fill(full < sampling.min_p * full.max(-1, keepdim=True).values, 0)
    if sampling.top_p < 1:
        ranked, order = full.sort(dim=-1, descending=True)
        beyond = ranked.cumsum(-1) - ranked >= sampling.top_p
        shares = shares.masked_fill(torch.zeros_like(beyond).scatter(-1, order, beyond), 0)
    return [
        int(torch.multinomial(row, 1, generator=draw))
        for row, draw in zip(shares, draws, strict=True)
    ]


def _overflow(index: int, turn: int, prompt: list[int]) -> Answer:
    reply = Reply(text="", finish="overflow", prompt_tokens=len(prompt), cached_tokens=0, tokens=0)
    return Answer(index, turn, reply)


def _dtype(spec: EngineSpec, config: Any, device: torch.device) -> torch.dtype:
    if spec.dtype != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}[spec.dtype]
    if device.type == "cpu":
        return torch.float32
    named = getattr(config, "dtype", None)
    return named if isinstance(named, torch.dtype) else torch.bfloat16
