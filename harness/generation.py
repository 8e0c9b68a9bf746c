"""What is to be generated: dialogues, the plan that cuts them into groups, and what comes back.

Stage between prompts and engines: takes the selected dialogues and the settings, gives `Group`s.
A group is decoded on a clean cache by one engine, so its replies depend on nothing outside it. The
plan is a pure function of selection and settings: a repeated run repeats.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt

from harness.conversation import Message
from harness.prompt import write_messages
from harness.provenance import sha256_json

GROUP_LIMIT = 64
"""Most dialogues in a group: what a killed run may have to repeat."""
MIN_GROUPS = 8
"""Groups of any selection of 64 dialogues or more, so that several processes share it evenly."""
LOOP_TOKENS = 24
"""A cycle that repeats for this many tokens is a loop."""

Finish = Literal["stop", "length", "loop", "overflow"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How tokens are chosen; the same for a whole run."""

    temperature: float = 0.0
    """0 is greedy."""
    top_p: float = 1.0
    min_p: float = 0.0
    seed: int = 0
    loop_stop: bool = True
    exact: bool = False
    """Decode every dialogue alone: the canonical reply, free of batching noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSpec:
    """Which model to open and how; crosses a process boundary as JSON."""

    kind: Literal["gguf", "hf", "http", "replay"]
    name: str
    path: str
    """Of the file or folder; of a server its URL."""
    adapter: str | None = None
    chat_template: str | None = None
    """File that replaces the model's own template."""
    threads: int = 1
    parallel: int = 16
    """Sequences decoded together, or asked of a server at a time."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """What an engine tells about the model it opened."""

    engine: str
    engine_version: str
    architecture: str
    quantisation: str
    template_sha256: str | None
    """None where only a server knows it."""
    context_tokens: int
    """Longest context the model was trained for; 0 if unknown."""
    listing_sha256: str = ""
    """Hash of URL, name and what the server tells of the model, which stand in for its file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialogue:
    """One case in one sample, as an engine sees it."""

    id: str
    sample: int
    system: str
    users: tuple[str, ...]
    max_tokens: int
    """Limit of each reply."""

    def messages(self, replies: Sequence[str]) -> list[Message]:
        """The messages sent for turn `len(replies)`."""
        return write_messages(Message("system", self.system), self.users, replies)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the model said in one turn. Token counts are of the decoding that made it."""

    text: str
    finish: Finish
    prompt_tokens: int
    cached_tokens: int
    """Part of the prompt that was not decoded again."""
    tokens: int


class Answer(NamedTuple):
    """A reply on its way from an engine: dialogue `dialogue` of the group answered turn `turn`."""

    dialogue: int
    turn: int
    reply: Reply


class Engine(Protocol):
    """Opens one model and answers whole groups of dialogues."""

    info: ModelInfo
    retries: int
    """Requests sent again so far; 0 where nothing is sent."""

    def load(self) -> None:
        """Read the weights; called once, before the first group."""

    def generate(
        self, dialogues: Sequence[Dialogue], sampling: Sampling, tick: Callable[[int], None]
    ) -> Iterator[Answer]:
        """Answer every turn of every dialogue, on a clean cache.

        Args:
            dialogues: the group.
            sampling: how tokens are chosen.
            tick: called with the completion tokens decoded since the last call.

        Raises:
            EngineError: if decoding fails.
        """

    def close(self) -> None:
        """Free the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Dialogues that are decoded together; `plan` names everything that shapes their replies."""

    index: int
    plan: str
    dialogues: tuple[Dialogue, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The whole run: groups in the order they are decoded in, and the keys of their replies."""

    groups: tuple[Group, ...]
    sampling: Sampling
    identity: str
    """Hash of model, adapter, template, engine and its version."""
    group_of: dict[str, int] = field(repr=False)

    @classmethod
    def of(
        cls, dialogues: Sequence[Dialogue], sampling: Sampling, identity: str, spec: EngineSpec
    ) -> Self:
        """Cut `dialogues` into groups of about equal size, at most 64 each.

        Dialogues that take equally long go together, the longest first: sequences that are decoded
        together end together, and no process is left with a long group at the end. Among these,
        equal beginnings stand side by side, so that they share their KV cells.
        """
        dialogues = sorted(dialogues, key=lambda d: (-len(d.users) * d.max_tokens, d.system))
        shape = {
            "identity": identity,
            "sampling": asdict(sampling),
            "parallel": spec.parallel,
            "threads": spec.threads,
        }
        groups = tuple(
            Group(
                index=index,
                plan=sha256_json([shape, [asdict(dialogue) for dialogue in part]]),
                dialogues=tuple(part),
            )
            for index, part in enumerate(_cut(dialogues))
        )
        group_of = {d.id: group.index for group in groups for d in group.dialogues}
        return cls(groups=groups, sampling=sampling, identity=identity, group_of=group_of)

    def key(self, dialogue: Dialogue, replies: Sequence[str]) -> str:
        """Name the reply after `replies` by all that may shape it, apart from its group."""
        return sha256_json(
            [
                self.identity,
                asdict(self.sampling),
                dialogue.max_tokens,
                dialogue.sample,
                dialogue.messages(replies),
            ]
        )


def _cut(dialogues: Sequence[Dialogue]) -> Iterator[Sequence[Dialogue]]:
    total = len(dialogues)
    if not total:
        return
    count = max(math.ceil(total / GROUP_LIMIT), min(MIN_GROUPS, math.ceil(total / MIN_GROUPS)))
    # Multiples of four, which is how many sequences llama.cpp's kernels take at a time.
    ends = [4 * round(total * part / count / 4) for part in range(count)] + [total]
    for start, end in itertools.pairwise(ends):
        yield dialogues[start:end]


def request_seed(sampling: Sampling, sample: int, messages: Sequence[Message]) -> int:
    """Draw a 32-bit seed for one reply, from its content alone."""
    return int(sha256_json([sampling.seed, sample, messages])[:8], 16)


class LoopDetector:
    """Tells when generated tokens have fallen into a cycle.

    A cycle of length p counts once a whole further cycle, and at least 24 tokens, repeat what came
    p tokens before.
    """

    def __init__(self, limit: int) -> None:
        self._tokens: npt.NDArray[np.int64] = np.empty(limit + 1, dtype=np.int64)
        # runs[p - 1]: for how many tokens up to now each equals the one p before.
        self._runs: npt.NDArray[np.int64] = np.zeros(limit + 1, dtype=np.int64)
        self._needed = np.maximum(LOOP_TOKENS, np.arange(1, limit + 2))
        self._count = 0

    def add(self, token: int) -> bool:
        """Take the next token; True once a loop stands."""
        n = self._count
        before = self._tokens[:n][::-1]  # (n,) nearest first
        self._runs[:n] = np.where(before == token, self._runs[:n] + 1, 0)
        self._tokens[n] = token
        self._count = n + 1
        return bool((self._runs[:n] >= self._needed[:n]).any())


def shared_prefix(one: Sequence[int], other: Sequence[int]) -> int:
    """Length of the common beginning of two token lists."""
    limit = min(len(one), len(other))
    if one[:limit] == other[:limit]:
        return limit
    return next(i for i in range(limit) if one[i] != other[i])


def project_root() -> Path:
    """The folder that holds `golden/`, `evals/` and `harness/`."""
    return Path(__file__).resolve().parent.parent
