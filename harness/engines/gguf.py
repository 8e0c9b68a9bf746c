"""GGUF files through llama.cpp: a continuous batcher on llama-cpp-python's low-level API.

Engine of the generation stage: takes groups of dialogues, gives their replies. One context per
group, sized to its need; sequences share the KV cells of equal beginnings; a finished
dialogue's next turn, or the next dialogue, joins the running batch at once.
"""

from __future__ import annotations

import ctypes
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np

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

_BATCH = 512
"""Most tokens in one llama_decode."""
_WORTH_SHARING = 16
"""A dialogue waits one step for another's prompt when that saves it as many tokens or more."""
_PROBE = (Message("system", "s"), Message("user", "u"), Message("assistant", "a"), Message("user", "u"))
_FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K",
    11: "Q3_K_S", 12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S",
    17: "Q5_K_M", 18: "Q6_K", 32: "BF16",
}  # fmt: skip  names of llama.h's llama_ftype

_complaints: deque[str] = deque(maxlen=20)


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]  # a ctypes function type
def _log(level: int, text: bytes, _: Any) -> None:
    if level in (3, 4):  # warnings and errors of ggml_log_level
        _complaints.append(text.decode(errors="replace").strip())


def _why(pattern: str = "error|fail|unknown|corrupt|invalid|not ") -> str:
    told = [line for line in _complaints if re.search(pattern, line, re.IGNORECASE)]
    return re.sub(r"^\w+: ", "", told[0]) if told else "llama.cpp gave no reason"


class GgufEngine:
    """One GGUF model, optionally with a GGUF LoRA adapter.

    Raises:
        ModelError: if the file, its template or the adapter cannot be used.
    """

    def __init__(self, spec: EngineSpec) -> None:
        self._spec = spec
        self._path = Path(spec.path)
        llama_cpp.llama_log_set(_log, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        self._adapter: Any = None
        self._model = self._open(vocab_only=True)
        self._vocab = llama_cpp.llama_model_get_vocab(self._model)
        self._refuse_embedding_model()
        self.template = self._chat_template()
        self.template.render(_PROBE)
        kind = self._meta("general.file_type")
        architecture = self._meta("general.architecture")
        self.info = ModelInfo(
            engine="llama.cpp",
            engine_version=f"llama-cpp-python {llama_cpp.__version__}",
            architecture=architecture,
            quantisation=_FILE_TYPES.get(int(kind), f"type {kind}") if kind else "unknown",
            template_sha256=self.template.sha256,
            context_tokens=int(self._meta(f"{architecture}.context_length") or 0),
        )

    def load(self) -> None:
        """Map the weights and attach the adapter."""
        llama_cpp.llama_model_free(self._model)
        self._model = self._open(vocab_only=False)
        self._vocab = llama_cpp.llama_model_get_vocab(self._model)
        if self._spec.adapter:
            self._adapter = llama_cpp.llama_adapter_lora_init(
                self._model, self._spec.adapter.encode()
            )
            if not self._adapter:
                raise ModelError(
                    f"adapter {self._spec.adapter!r} does not fit {self._path.name}: {_why()}; "
                    "give the base model it was trained on, and the adapter as GGUF"
                )

    def generate(
        self, dialogues: Sequence[Dialogue], sampling: Sampling, tick: Callable[[int], None]
    ) -> Iterator[Answer]:
        """Answer a group; with `sampling.exact`, one dialogue after the other, each alone."""
        if not sampling.exact:
            yield from _Batch(self, dialogues, sampling, tick).run()
            return
        for index, dialogue in enumerate(dialogues):
            for answer in _Batch(self, [dialogue], sampling, tick).run():
                yield answer._replace(dialogue=index)

    def tokenize(self, text: str) -> list[int]:
        """Token ids of an already rendered prompt; special tokens in it are parsed."""
        raw = text.encode()
        room = len(raw) + 8
        ids = (llama_cpp.llama_token * room)()
        count = llama_cpp.llama_tokenize(self._vocab, raw, len(raw), ids, room, False, True)  # noqa: FBT003  a C function has no keywords
        if count < 0:
            raise EngineError(f"llama.cpp cannot tokenize a prompt of {len(raw)} bytes")
        return list(ids[:count])

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of `messages` in the model's own format, up to where its reply begins."""
        return self.tokenize(self.template.render(messages))

    def text(self, tokens: Sequence[int]) -> str:
        """The text of generated tokens; control tokens are left out."""
        return b"".join(self._piece(token, special=False) for token in tokens).decode(errors="replace")

    def new_context(self, cells: int, sequences: int) -> Any:
        """Make a context with room for `cells` tokens in `sequences` sequences."""
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = cells
        params.n_batch = params.n_ubatch = _BATCH
        params.n_seq_max = sequences
        params.n_outputs_max = sequences
        params.n_threads = params.n_threads_batch = self._spec.threads
        params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED
        params.kv_unified = True
        params.no_perf = True
        context = llama_cpp.llama_init_from_model(self._model, params)
        if not context:
            raise EngineError(
                f"llama.cpp cannot make a context of {cells} tokens for {self._path.name}: {_why()}"
            )
        if self._adapter:
            adapters = (llama_cpp.llama_adapter_lora_p_ctypes * 1)(self._adapter)
            llama_cpp.llama_set_adapters_lora(context, adapters, 1, (ctypes.c_float * 1)(1.0))
        return context

    def is_end(self, token: int) -> bool:
        """Whether a token ends the reply; a model may have several such tokens."""
        return bool(llama_cpp.llama_vocab_is_eog(self._vocab, token))

    @property
    def vocabulary(self) -> int:
        """Number of tokens the model knows."""
        return int(llama_cpp.llama_vocab_n_tokens(self._vocab))

    @property
    def parallel(self) -> int:
        """Most sequences decoded together."""
        return self._spec.parallel

    def close(self) -> None:
        """Free the model and its adapter."""
        if self._model:
            llama_cpp.llama_model_free(self._model)
            self._model = None

    def _open(self, *, vocab_only: bool) -> Any:
        _complaints.clear()
        params = llama_cpp.llama_model_default_params()
        params.vocab_only = vocab_only
        params.n_gpu_layers = 999
        # Weights stay mapped: processes share one copy. Repacking them would copy every one.
        params.use_extra_bufts = False
        model = llama_cpp.llama_model_load_from_file(str(self._path).encode(), params)
        if not model:
            raise ModelError(
                f"{self._spec.path!r} cannot be loaded: {_why()}; check that the file is complete "
                "and that llama.cpp knows its architecture"
            )
        return model

    def _refuse_embedding_model(self) -> None:
        architecture = self._meta("general.architecture")
        pooling = self._meta(f"{architecture}.pooling_type")
        if "bert" in architecture or self._meta(f"{architecture}.attention.causal") == "false" or (
            pooling not in ("", "0")
        ):
            raise ModelError(
                f"{self._spec.path!r} is an embedding model ({architecture}): it cannot chat; give "
                "a GGUF file of a chat model"
            )

    def _chat_template(self) -> ChatTemplate:
        tokens = {
            name: self._piece(find(self._vocab), special=True).decode(errors="replace")
            for name, find in (("bos", llama_cpp.llama_vocab_bos), ("eos", llama_cpp.llama_vocab_eos))
        }
        if self._spec.chat_template:
            source = Path(self._spec.chat_template).read_text(encoding="utf-8")
        else:
            raw = llama_cpp.llama_model_chat_template(self._model, None)
            if not raw:
                raise ModelError(
                    f"{self._spec.path!r} carries no chat template; name a file with the Jinja "
                    "template it was trained with: --chat-template FILE"
                )
            source = raw.decode(errors="replace")
        return ChatTemplate(source, bos=tokens["bos"], eos=tokens["eos"])

    def _piece(self, token: int, *, special: bool) -> bytes:
        if token < 0:
            return b""
        room = ctypes.create_string_buffer(512)
        count = llama_cpp.llama_token_to_piece(self._vocab, token, room, len(room), 0, special)
        return room.raw[: max(count, 0)]

    def _meta(self, key: str) -> str:
        room = ctypes.create_string_buffer(256)
        count = llama_cpp.llama_model_meta_val_str(self._model, key.encode(), room, len(room))  # type: ignore[arg-type]  # the binding says bytes, C writes into it
        return room.value.decode(errors="replace") if count >= 0 else ""


@dataclass(slots=True, kw_only=True)
class _Slot:
    """One sequence of the context and the dialogue that it holds."""

    sequence: int
    dialogue: int
    cached: list[int] = field(default_factory=list)
    """Tokens whose KV cells stand."""
    pending: list[int] = field(default_factory=list)
    """Tokens still to decode; the next token is chosen when none is left."""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    replies: list[str] = field(default_factory=list)
    generated: list[int] = field(default_factory=list)
    sampler: Any = None
    loop: LoopDetector | None = None


class _Batch:
    """Decodes one group in one context."""

    def __init__(
        self,
        engine: GgufEngine,
        dialogues: Sequence[Dialogue],
        sampling: Sampling,
        tick: Callable[[int], None],
    ) -> None:
        self._engine, self._dialogues, self._sampling, self._tick = engine, dialogues, sampling, tick
        self._prompts = [engine.prompt(dialogue.messages([])) for dialogue in dialogues]
        self._slots: list[_Slot] = []
        self._limit = slots_for(len(dialogues), engine.parallel)
        self._waiting = deque(range(len(dialogues)))
        # Sequence 0 keeps what all prompts share, so that it is decoded once per group.
        self._common = self._prompts[0]
        for prompt in self._prompts[1:]:
            self._common = self._common[: shared_prefix(self._common, prompt)]
        self._common = self._common[:-1] if len(dialogues) > 1 else []
        self._free = list(range(self._limit, 0, -1))
        self._vocabulary = engine.vocabulary

    def run(self) -> Iterator[Answer]:
        self._context = self._engine.new_context(self._cells_needed(), self._limit + 1)
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._batch = llama_cpp.llama_batch_init(_BATCH, 0, 1)
        try:
            for start in range(0, len(self._common), _BATCH):
                part = self._common[start : start + _BATCH]
                self._fill([(token, start + i, 0, False) for i, token in enumerate(part)])
                self._decode()
            while self._waiting or self._slots:
                yield from self._admit()
                if self._slots:
                    yield from self._step()
        finally:
            for slot in self._slots:
                self._drop_sampler(slot)
            llama_cpp.llama_batch_free(self._batch)
            llama_cpp.llama_free(self._context)

    def _cells_needed(self) -> int:
        """Cells for the most demanding dialogues at once, beyond what all share."""
        needs = []
        for index, dialogue in enumerate(self._dialogues):
            turns = len(dialogue.users)
            whole = len(self._engine.prompt(dialogue.messages([""] * (turns - 1))))
            # A reply read back from its text may split into a few more tokens than were generated.
            needs.append(max(whole, len(self._prompts[index])) + turns * (dialogue.max_tokens + 16))
        longest = self._engine.info.context_tokens
        needs = [min(need, longest) - len(self._common) for need in needs]
        cells = len(self._common) + sum(sorted(needs, reverse=True)[: self._limit])
        return -(-cells // 256) * 256

    def _admit(self) -> Iterator[Answer]:
        """Start waiting dialogues in free sequences, on the best beginning that is cached."""
        held: list[int] = []
        while self._waiting and self._free:
            index = self._waiting.popleft()
            prompt = self._prompts[index]
            room = self._engine.info.context_tokens - self._dialogues[index].max_tokens
            if len(prompt) > room:
                yield self._overflow(index, 0, prompt)
                continue
            donor, shared = 0, len(self._common)
            soon = 0
            for slot in self._slots:
                ready = shared_prefix(slot.cached, prompt[:-1])
                if ready > shared:
                    donor, shared = slot.sequence, ready
                soon = max(soon, shared_prefix(slot.cached + slot.pending, prompt[:-1]))
            if soon >= shared + _WORTH_SHARING:
                held.append(index)
                continue
            slot = _Slot(sequence=self._free.pop(), dialogue=index)
            if shared:
                llama_cpp.llama_memory_seq_cp(self._memory, donor, slot.sequence, 0, shared)
                slot.cached = prompt[:shared]
            self._start_turn(slot, prompt)
            self._slots.append(slot)
        self._waiting.extendleft(reversed(held))

    def _start_turn(self, slot: _Slot, prompt: list[int]) -> None:
        """Keep what `slot` has cached of `prompt`, queue the rest."""
        keep = shared_prefix(slot.cached, prompt[:-1])
        if keep < len(slot.cached):
            llama_cpp.llama_memory_seq_rm(self._memory, slot.sequence, keep, -1)
        slot.cached = prompt[:keep]
        slot.pending = prompt[keep:]
        slot.prompt_tokens, slot.cached_tokens = len(prompt), keep
        slot.generated = []
        dialogue = self._dialogues[slot.dialogue]
        if self._sampling.loop_stop:
            slot.loop = LoopDetector(dialogue.max_tokens)
        if self._sampling.temperature > 0:
            self._drop_sampler(slot)
            slot.sampler = _sampler(
                self._sampling,
                request_seed(self._sampling, dialogue.sample, dialogue.messages(slot.replies)),
            )

    def _step(self) -> Iterator[Answer]:
        """Decode one batch: a token of every running reply, and as much prompt as fits."""
        rows: list[tuple[int, int, int, bool]] = []
        ready: list[tuple[_Slot, int]] = []
        # Replies first (one pending token each), so that no running reply waits for a prompt.
        for slot in sorted(self._slots, key=lambda slot: len(slot.pending) > 1):
            part = slot.pending[: _BATCH - len(rows)]
            if not part:
                break
            done = len(part) == len(slot.pending)
            start = len(slot.cached)
            rows += [
                (token, start + i, slot.sequence, done and i == len(part) - 1)
                for i, token in enumerate(part)
            ]
            slot.cached += part
            slot.pending = slot.pending[len(part) :]
            if done:
                ready.append((slot, len(rows) - 1))
        self._fill(rows)
        self._decode()
        self._tick(len(ready))
        for slot, row in ready:
            yield from self._take(slot, self._choose(slot, row))

    def _take(self, slot: _Slot, token: int) -> Iterator[Answer]:
        """Add a token to a reply; finish the turn where it ends."""
        dialogue = self._dialogues[slot.dialogue]
        finish: Finish | None = None
        if self._engine.is_end(token):
            finish = "stop"
        else:
            slot.generated.append(token)
            slot.pending = [token]
            if slot.loop and slot.loop.add(token):
                finish = "loop"
            elif len(slot.generated) >= dialogue.max_tokens:
                finish = "length"
        if finish is None:
            return
        text = self._engine.text(slot.generated).strip()
        turn = len(slot.replies)
        slot.replies.append(text)
        yield Answer(
            slot.dialogue,
            turn,
            Reply(
                text=text,
                finish=finish,
                prompt_tokens=slot.prompt_tokens,
                cached_tokens=slot.cached_tokens,
                tokens=len(slot.generated) + (finish == "stop"),
            ),
        )
        if turn + 1 < len(dialogue.users):
            prompt = self._engine.prompt(dialogue.messages(slot.replies))
            if len(prompt) <= self._engine.info.context_tokens - dialogue.max_tokens:
                self._start_turn(slot, prompt)
                return
            yield self._overflow(slot.dialogue, turn + 1, prompt)
        self._release(slot)

    def _overflow(self, index: int, turn: int, prompt: list[int]) -> Answer:
        """Tell that a prompt does not fit; later turns of the dialogue are not asked."""
        reply = Reply(
            text="", finish="overflow", prompt_tokens=len(prompt), cached_tokens=0, tokens=0
        )
        return Answer(index, turn, reply)

    def _release(self, slot: _Slot) -> None:
        llama_cpp.llama_memory_seq_rm(self._memory, slot.sequence, -1, -1)
        self._drop_sampler(slot)
        self._slots.remove(slot)
        self._free.append(slot.sequence)

    def _drop_sampler(self, slot: _Slot) -> None:
        if slot.sampler:
            llama_cpp.llama_sampler_free(slot.sampler)
            slot.sampler = None

    def _choose(self, slot: _Slot, row: int) -> int:
        if slot.sampler:
            return int(llama_cpp.llama_sampler_sample(slot.sampler, self._context, row))
        logits = llama_cpp.llama_get_logits_ith(self._context, row)
        scores = np.ctypeslib.as_array(logits, shape=(self._vocabulary,))  # (V,)
        return int(scores.argmax())

    def _fill(self, rows: Sequence[tuple[int, int, int, bool]]) -> None:
        """Write (token, position, sequence, wants logits) rows into the batch."""
        batch = self._batch
        batch.n_tokens = len(rows)
        for i, (token, position, sequence, wanted) in enumerate(rows):
            batch.token[i] = token
            batch.pos[i] = position
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = sequence
            batch.logits[i] = wanted

    def _decode(self) -> None:
        code = llama_cpp.llama_decode(self._context, self._batch)
        if code != 0:
            raise EngineError(
                f"llama_decode returned {code} for a batch of {self._batch.n_tokens} tokens: {_why()}"
            )


def slots_for(dialogues: int, parallel: int) -> int:
    """Sequences for a group: at most `parallel`, shared out so that the last wave is not small."""
    waves = -(-dialogues // parallel)
    return -(-dialogues // waves)


def _sampler(sampling: Sampling, seed: int) -> Any:
    """Build llama.cpp's chain top-p, min-p, temperature, draw."""
    chain = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
    if sampling.top_p < 1:
        llama_cpp.llama_sampler_chain_add(chain, llama_cpp.llama_sampler_init_top_p(sampling.top_p, 1))
    if sampling.min_p > 0:
        llama_cpp.llama_sampler_chain_add(chain, llama_cpp.llama_sampler_init_min_p(sampling.min_p, 1))
    llama_cpp.llama_sampler_chain_add(chain, llama_cpp.llama_sampler_init_temp(sampling.temperature))
    llama_cpp.llama_sampler_chain_add(chain, llama_cpp.llama_sampler_init_dist(seed))
    return chain
