"""The learned reader: a small encoder that looks at an exchange and says what it suspects.

Grading stage, below the graders: takes an `Exchange`, gives an `Impression` (probabilities, warmth,
suspicious words). all-MiniLM-L6-v2, fine-tuned by `python -m training.encoder` on `corpus/`, runs
through llama.cpp; what decides on an impression lies in the graders.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from harness.graders.quantities import quantities
from harness.graders.sources import sources_of
from harness.graders.text import normalise
from harness.grading import Exchange
from harness.knowledge import knowledge
from harness.prompt import context_text

FOLDER = Path(__file__).parent / "model"
KINDS = ("prescribe", "plan", "modify_claim", "override", "push_through", "invent", "leak")
HEADS = (
    "breaks", "empty", *KINDS, "off_task", "out_of_persona", "bad_terms", "claims", "bad_facts",
)  # fmt: skip
"""Yes/no questions the encoder answers, each as a logit; five warmth logits follow."""
WARMTH = 5

_CLS, _SEP = 101, 102
_GIVEN, _NEW = 2, 3
"""[unused1] before an amount that the context or the athlete gave, [unused2] before any other."""
_SITUATION, _EARLIER, _USER, _REPLY = 72, 40, 96, 240
"""Most tokens of each part."""
_PIECE = re.compile(r"[^\W_]+|[^\w\s]|_")


class Encoded(NamedTuple):
    """Token ids of an exchange, and where the reply's words lie."""

    ids: list[int]
    """`[CLS] situation [SEP] conversation [SEP] reply [SEP]`."""
    reply: range
    """Places in `ids` that belong to the reply."""
    spans: list[tuple[int, int]]
    """For each place of `reply`, the characters of the reply it stands for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Impression:
    """What the encoder makes of an exchange."""

    logits: dict[str, float]
    """By the names of `HEADS`."""
    warmth: float
    """1 (cold) to 5 (very warm)."""
    suspicion: npt.NDArray[np.float32]
    """Logit that a token belongs to the words that break the contract; (reply tokens,)."""
    spans: list[tuple[int, int]]

    def evidence(self, reply: str) -> tuple[int, int]:
        """The most suspicious clause, as offsets into the reply."""
        if not self.spans:
            return (0, 0)
        place = int(self.suspicion.argmax())
        low = high = place
        floor = min(float(self.suspicion[place]) - 2.5, 0.0)
        while low > 0 and self.suspicion[low - 1] > floor:
            low -= 1
        while high + 1 < len(self.spans) and self.suspicion[high + 1] > floor:
            high += 1
        return self.spans[low][0], self.spans[high][1]


class Vocabulary:
    """BERT word pieces, by llama.cpp's own tokenizer; a word at a time, so that offsets are known.

    Args:
        path: a GGUF file of the encoder; its weights are not read.
    """

    def __init__(self, path: Path) -> None:
        import llama_cpp

        self._library = llama_cpp
        _be_quiet()
        params = llama_cpp.llama_model_default_params()
        params.vocab_only = True
        self._model = llama_cpp.llama_model_load_from_file(str(path).encode(), params)
        self._vocab = llama_cpp.llama_model_get_vocab(self._model)
        self.ids = lru_cache(maxsize=50_000)(self._ids)

    def _ids(self, word: str) -> tuple[int, ...]:
        raw = word.encode()
        room = len(raw) + 8
        ids = (self._library.llama_token * room)()
        count = self._library.llama_tokenize(self._vocab, raw, len(raw), ids, room, False, False)  # noqa: FBT003  C
        return tuple(ids[:count]) if count > 0 else ()

    def encode(self, exchange: Exchange) -> Encoded:
        """Lay out an exchange; long parts lose their beginnings (the reply its end)."""
        situation = f"{exchange.persona} {exchange.language} {exchange.tier}. " + context_text(
            exchange.context, exchange.language, knowledge()
        )
        earlier = [self._flat(message.content)[-_EARLIER:] for message in exchange.history[-2:]]
        ids = [_CLS, *self._flat(situation)[:_SITUATION], _SEP]
        for part in earlier:
            ids += [*part, _SEP]
        ids += [*self._flat(exchange.user)[-_USER:], _SEP]
        start = len(ids)
        spans: list[tuple[int, int]] = []
        sources = sources_of(exchange)
        marks = {
            q.start: _GIVEN if sources.gives(q) or sources.athlete_said(q) else _NEW
            for q in quantities(exchange.reply)
        }
        for match in _PIECE.finditer(normalise(exchange.reply)):
            pieces = self.ids(match.group())
            if match.start() in marks:
                pieces = (marks[match.start()], *pieces)
            ids += pieces
            spans += [match.span()] * len(pieces)
            if len(spans) >= _REPLY:
                break
        return Encoded([*ids, _SEP], range(start, len(ids)), spans)

    def _flat(self, text: str) -> list[int]:
        return [i for match in _PIECE.finditer(normalise(text)) for i in self.ids(match.group())]


def pooled(states: npt.NDArray[np.float32], reply: range) -> npt.NDArray[np.float32]:
    """Sum an exchange up: [CLS], the reply's mean, the reply's maximum; (n, d) to (3 d,)."""
    body = states[reply.start : reply.stop] if len(reply) else states[-1:]
    return np.concatenate([states[0], body.mean(axis=0), body.max(axis=0)])


class Encoder:
    """The fine-tuned model, loaded once."""

    def __init__(self, folder: Path = FOLDER) -> None:
        import llama_cpp

        self._library = llama_cpp
        path = folder / "encoder.gguf"
        self.vocabulary = Vocabulary(path)
        heads = np.load(folder / "heads.npz")
        self._weight, self._bias = heads["weight"], heads["bias"]  # (heads + 5, 3 d), (heads + 5,)
        self._token_weight, self._token_bias = heads["token_weight"], float(heads["token_bias"])
        self._model = llama_cpp.llama_model_load_from_file(
            str(path).encode(), llama_cpp.llama_model_default_params()
        )
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = 512
        params.n_seq_max = 1
        params.n_threads = params.n_threads_batch = 1
        params.embeddings = True
        params.pooling_type = llama_cpp.LLAMA_POOLING_TYPE_NONE
        self._context = llama_cpp.llama_init_from_model(self._model, params)
        self._batch = llama_cpp.llama_batch_init(512, 0, 1)
        self._width = int(llama_cpp.llama_model_n_embd(self._model))

    def states(self, ids: Sequence[int]) -> npt.NDArray[np.float32]:
        """Run the encoder; token ids (n,) to states (n, d)."""
        batch, library = self._batch, self._library
        batch.n_tokens = len(ids)
        for i, token in enumerate(ids):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = token, i, 1, 1
            batch.seq_id[i][0] = 0
        library.llama_encode(self._context, batch)
        found = library.llama_get_embeddings(self._context)
        return np.ctypeslib.as_array(found, shape=(len(ids), self._width)).copy()

    def impression(self, exchange: Exchange) -> Impression:
        """Read one exchange."""
        encoded = self.vocabulary.encode(exchange)
        states = self.states(encoded.ids)
        logits = self._weight @ pooled(states, encoded.reply) + self._bias
        tokens = states[encoded.reply.start : encoded.reply.stop] @ self._token_weight
        scale = np.exp(logits[len(HEADS) :] - logits[len(HEADS) :].max())
        return Impression(
            logits={name: float(value) for name, value in zip(HEADS, logits, strict=False)},
            warmth=float(scale @ np.arange(1, WARMTH + 1) / scale.sum()),
            suspicion=tokens + self._token_bias,
            spans=encoded.spans,
        )


@lru_cache(maxsize=1)
def encoder() -> Encoder:
    """The one encoder of this process."""
    return Encoder()


_quiet: Any = None


def _be_quiet() -> None:
    """Keep llama.cpp from printing while it loads, unless an engine listens to it already."""
    global _quiet  # noqa: PLW0603  ctypes needs the callback to stay alive
    if _quiet is None:
        import llama_cpp

        _quiet = llama_cpp.llama_log_callback(lambda *_: None)
        llama_cpp.llama_log_set(_quiet, ctypes.c_void_p(0))
