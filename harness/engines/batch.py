"""The continuous batcher: decodes one group of dialogues in one llama.cpp context.

Each sequence has a KV stream of its own, so that attention never runs over another's cells, and
starts from a copy of the longest beginning that a running one has in common with it. A dialogue's
next turn, or the next dialogue, joins as soon as a reply has ended.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import llama_cpp
import numpy as np

from harness.conversation import Message
from harness.errors import EngineError
from harness.generation import (
    Answer,
    Dialogue,
    Finish,
    LoopDetector,
    ModelInfo,
    Reply,
    Sampling,
    request_seed,
    shared_prefix,
)

_BATCH = 512
"""Most tokens in one llama_decode."""
_CELLS = 12_288
"""Most KV cells of a context, all sequences together: long dialogues run fewer at a time."""
_COLUMNS = 4
"""llama.cpp's CPU kernels take so many tokens at a time; 16 are decoded faster than 13."""


class Model(Protocol):
    """What the batcher asks of the engine that owns the model."""

    info: ModelInfo

    @property
    def vocabulary(self) -> int:
        """Number of tokens the model knows."""

    @property
    def parallel(self) -> int:
        """Most sequences decoded together."""

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of messages, up to where the reply begins."""

    def text(self, tokens: Sequence[int]) -> str:
        """The text of generated tokens."""

    def is_end(self, token: int) -> bool:
        """Whether a token ends the reply."""

    def new_context(self, cells: int, sequences: int, batch: int) -> Any:
        """Make a context with room for `cells` tokens in each of `sequences` sequences."""

    def why(self) -> str:
        """What llama.cpp last complained of."""


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


class Batch:
    """Decodes one group in one context."""

    def __init__(
        self,
        engine: Model,
        dialogues: Sequence[Dialogue],
        sampling: Sampling,
        tick: Callable[[int], None],
    ) -> None:
        self._engine, self._dialogues, self._sampling, self._tick = (
            engine,
            dialogues,
            sampling,
            tick,
        )
        self._prompts = [engine.prompt(dialogue.messages([])) for dialogue in dialogues]
        self._slots: list[_Slot] = []
        fitting = [
            index for index in range(len(dialogues)) if self._fits(index, self._prompts[index])
        ]
        self._waiting = deque(fitting)
        self._cells = self._cells_needed()
        affordable = max(_CELLS // self._cells // _COLUMNS * _COLUMNS, _COLUMNS)
        self._limit = slots_for(len(fitting), min(engine.parallel, affordable))
        self._free = list(range(self._limit - 1, -1, -1))
        self._vocabulary = engine.vocabulary

    def run(self) -> Iterator[Answer]:
        """Decode the group; replies come as they end."""
        for index in sorted(set(range(len(self._dialogues))) - set(self._waiting)):
            yield self._overflow(index, 0, self._prompts[index])
        if not self._waiting:
            return
        sequences = 1 if self._limit == 1 else _round_up(self._limit, _COLUMNS)
        self._context = self._engine.new_context(self._cells, sequences, _BATCH)
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._batch = llama_cpp.llama_batch_init(_BATCH, 0, 1)
        try:
            while self._waiting or self._slots:
                reading = next((slot for slot in self._slots if len(slot.pending) > 1), None)
                if reading is None and self._waiting and self._free:
                    self._admit(self._waiting.popleft())
                else:
                    yield from self._step([reading] if reading else self._slots)
        finally:
            for slot in self._slots:
                self._drop_sampler(slot)
            llama_cpp.llama_batch_free(self._batch)
            llama_cpp.llama_free(self._context)

    def _cells_needed(self) -> int:
        """Cells of one sequence: enough for the most demanding dialogue."""
        needs = []
        for index in self._waiting:
            dialogue = self._dialogues[index]
            turns = len(dialogue.users)
            whole = len(self._engine.prompt(dialogue.messages([""] * (turns - 1))))
            # A reply read back from its text may split into a few more tokens than were generated.
            needs.append(max(whole, len(self._prompts[index])) + turns * (dialogue.max_tokens + 16))
        return _round_up(min(max(needs, default=1), self._engine.info.context_tokens), 256)

    def _fits(self, index: int, prompt: Sequence[int]) -> bool:
        """Whether a prompt and its reply fit the context that the model was trained for."""
        longest = self._engine.info.context_tokens
        return len(prompt) + self._dialogues[index].max_tokens <= longest

    def _admit(self, index: int) -> None:
        """Start a dialogue in a free sequence, on the longest beginning that a running one has."""
        prompt = self._prompts[index]
        slot = _Slot(sequence=self._free.pop(), dialogue=index)
        donor = max(
            self._slots, key=lambda other: shared_prefix(other.cached, prompt[:-1]), default=None
        )
        if donor is not None:
            self._copy(donor.sequence, slot.sequence)
            slot.cached = list(donor.cached)
        self._start_turn(slot, prompt)
        self._slots.append(slot)

    def _copy(self, source: int, target: int) -> None:
        """Give a sequence the whole content of another; between streams only all can be copied."""
        llama_cpp.llama_memory_seq_rm(self._memory, target, -1, -1)
        llama_cpp.llama_memory_seq_cp(self._memory, source, target, -1, -1)

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

    def _step(self, slots: Sequence[_Slot]) -> Iterator[Answer]:
        """Decode one batch: a token of every running reply, or the prompt of one.

        Not both: llama.cpp cuts a batch into parts with equally many tokens of each sequence.
        """
        rows: list[tuple[int, int, int, bool]] = []
        ready: list[tuple[_Slot, int]] = []
        # In the order of their sequences, which must be consecutive to be decoded as one part.
        for slot in sorted(slots, key=lambda slot: slot.sequence):
            part = slot.pending[:_BATCH]
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
        idle = (
            range(len(rows), _round_up(len(rows), _COLUMNS)) if len(rows) == len(slots) > 4 else ()
        )
        # Sequences 0 to k - 1 run; the rest of the last four get a token that nobody reads.
        self._fill([*rows, *((rows[0][0], 0, sequence, False) for sequence in idle)])
        self._decode()
        for sequence in idle:
            llama_cpp.llama_memory_seq_rm(self._memory, sequence, -1, -1)
        self._tick(len(ready))
        chosen = [(slot, self._choose(slot, row)) for slot, row in ready]
        for slot, token in chosen:
            yield from self._take(slot, token)

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
            if self._fits(slot.dialogue, prompt):
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
        """End a dialogue; its sequence goes to the next one, or to the last running one."""
        self._drop_sampler(slot)
        self._slots.remove(slot)
        hole = slot.sequence
        if not self._waiting and self._slots:
            last = max(self._slots, key=lambda other: other.sequence)
            if last.sequence > hole:
                self._copy(last.sequence, hole)
                last.sequence, hole = hole, last.sequence
        llama_cpp.llama_memory_seq_rm(self._memory, hole, -1, -1)
        self._free.append(hole)

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
            tokens, why = self._batch.n_tokens, self._engine.why()
            raise EngineError(f"llama_decode returned {code} for {tokens} tokens: {why}")


def slots_for(dialogues: int, parallel: int) -> int:
    """Sequences for a group: about `parallel`, shared out so that no last wave is small.

    >>> [slots_for(dialogues, 16) for dialogues in (5, 16, 19, 24, 25, 61)]
    [5, 16, 19, 24, 16, 16]
    """
    waves = max((dialogues + parallel // 2 - 1) // parallel, 1)
    return dialogues if waves == 1 else _round_up(-(-dialogues // waves), _COLUMNS)


def _round_up(number: int, step: int) -> int:
    return -(-number // step) * step


def _sampler(sampling: Sampling, seed: int) -> Any:
    """Build llama.cpp's chain top-p, min-p, temperature, draw."""
    chain = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
    if sampling.top_p < 1:
        llama_cpp.llama_sampler_chain_add(
            chain, llama_cpp.llama_sampler_init_top_p(sampling.top_p, 1)
        )
    if sampling.min_p > 0:
        llama_cpp.llama_sampler_chain_add(
            chain, llama_cpp.llama_sampler_init_min_p(sampling.min_p, 1)
        )
    llama_cpp.llama_sampler_chain_add(
        chain, llama_cpp.llama_sampler_init_temp(sampling.temperature)
    )
    llama_cpp.llama_sampler_chain_add(chain, llama_cpp.llama_sampler_init_dist(seed))
    return chain
