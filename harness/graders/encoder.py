"""The learned reader: a small encoder that looks at an exchange and says what it suspects.

Grading stage, below the graders: takes an `Exchange`, gives an `Impression` (probabilities, warmth,
suspicious words). all-MiniLM-L6-v2, fine-tuned by `python -m training.encoder` on `corpus/`, runs
through llama.cpp; what decides on an impression lies in the graders.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

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

    def evidence(self) -> tuple[int, int]:
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


def encode(exchange: Exchange, pieces: Callable[[str], tuple[int, ...]]) -> Encoded:
    """Lay out an exchange; long parts lose their beginnings (context and reply their ends).

    Args:
        exchange: what to lay out.
        pieces: the encoder's word pieces of one word.
    """

    def flat(text: str) -> list[int]:
        return [i for match in _PIECE.finditer(normalise(text)) for i in pieces(match.group())]

    situation = f"{exchange.persona} {exchange.language} {exchange.tier}. " + context_text(
        exchange.context, exchange.language, knowledge()
    )
    ids = [_CLS, *flat(situation)[:_SITUATION], _SEP]
    for message in exchange.history[-2:]:
        ids += [*flat(message.content)[-_EARLIER:], _SEP]
    ids += [*flat(exchange.user)[-_USER:], _SEP]
    start = len(ids)
    spans: list[tuple[int, int]] = []
    sources = sources_of(exchange)
    marks = {
        q.start: _GIVEN if sources.gives(q) or sources.athlete_said(q) else _NEW
        for q in quantities(exchange.reply)
    }
    for match in _PIECE.finditer(normalise(exchange.reply)):
        found = pieces(match.group())
        if match.start() in marks:
            found = (marks[match.start()], *found)
        found = found[: _REPLY - len(spans)]
        ids += found
        spans += [match.span()] * len(found)
        if len(spans) == _REPLY:
            break
    return Encoded([*ids, _SEP], range(start, len(ids)), spans)


def pooled(states: npt.NDArray[np.float32], reply: range) -> npt.NDArray[np.float32]:
    """Sum an exchange up: [CLS], the reply's mean, the reply's maximum; (n, d) to (3 d,)."""
    body = states[reply.start : reply.stop] if len(reply) else states[-1:]
    return np.concatenate([states[0], body.mean(axis=0), body.max(axis=0)])


class Encoder:
    """The fine-tuned model, loaded once.

    Args:
        folder: holds `encoder.gguf` and `heads.npz`.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        from harness.engines.bert import Bert  # llama.cpp is loaded when the first reply is graded

        self._bert = Bert(folder / "encoder.gguf")
        heads = np.load(folder / "heads.npz")
        self._weight, self._bias = heads["weight"], heads["bias"]  # (heads + 5, 3 d), (heads + 5,)
        self._token_weight, self._token_bias = heads["token_weight"], float(heads["token_bias"])

    def impression(self, exchange: Exchange) -> Impression:
        """Read one exchange."""
        encoded = encode(exchange, self._bert.pieces)
        states = self._bert.states(encoded.ids)
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
