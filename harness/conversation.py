"""Golden conversations: `golden/<behaviour>/<slug>.yaml` as typed, checked data.

First stage of the flow: takes the golden folder, gives `Conversation`s and, expanded by persona and
paraphrase, `Case`s. Also writes `golden/schema.json`, which gives editors completion.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

import yaml
from pydantic import Field, StringConstraints, field_validator, model_validator

from harness.errors import FileError, UsageError, hint
from harness.knowledge import (
    Knowledge,
    Language,
    PersonaId,
    Range,
    ReadinessId,
    Text,
    Tier,
    ZoneId,
)
from harness.strict_yaml import Strict, load_yaml

BEHAVIOURS = (
    "i6_refusal",
    "medical_red_flags",
    "internals",
    "i6_answer",
    "multi_turn",
    "persona_warmth",
    "zone_knowledge",
    "readiness_terms",
    "goals",
    "over_refusal",
    "tiers",
    "memory",
    "numbers_missing",
    "pain_illness",
    "language",
    "conduct",
)
"""The fixed behaviour ids; also golden folders and `evals/test_<id>.py`."""

Behaviour = str
Tag = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(_[a-z0-9]+)*$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]


class Message(NamedTuple):
    """One chat message."""

    role: Literal["system", "user", "assistant"]
    content: str


class Session(Strict):
    """The planned session, as the engine decided it."""

    zone: ZoneId
    minutes: Annotated[int, Field(ge=1, le=600)]
    structure: Text | None = None
    sport: Text | None = None
    phase: Literal["base", "build", "peak", "taper", "recovery", "maintenance"] | None = None


class Memory(Strict):
    """What the app remembers of the athlete (at most 15 facts, 5 patterns, 5 notes)."""

    facts: Annotated[list[Text], Field(max_length=15)] = []
    patterns: Annotated[list[Text], Field(max_length=5)] = []
    notes: Annotated[list[Text], Field(max_length=5)] = []


class Profile(Strict):
    """Who the athlete is, where the app knows it."""

    name: Text | None = None
    goal: Text | None = None
    sport: Text | None = None
    level: Literal["beginner", "novice", "intermediate", "advanced", "elite"] | None = None
    age: Annotated[int, Field(ge=13, le=100)] | None = None


class Context(Strict):
    """All that the engine hands to Josi beside the messages; absent means not known."""

    readiness: ReadinessId | None = None
    readiness_reason: Text | None = None
    """In athlete words, as the engine gives it, such as 'short sleep two nights'."""
    confidence: Literal["low", "medium", "high"] | None = None
    cap: ZoneId | None = None
    """Highest zone the engine allows today."""
    session: Session | Text | None = None
    """The planned session; free text where the engine gave text, such as 'Rest day'."""
    week: Text | None = None
    """The days around today, where the tier may see them."""
    replan: Text | None = None
    """A change that the ENGINE made, such as 'moved from Tuesday after illness'."""
    profile: Profile | None = None
    memory: Memory | None = None
    knowledge: list[Name] = []
    """Ids of the cards that go into the prompt's knowledge block."""
    notes: Text | None = None
    """Anything else the engine passed on, as text."""


class Expect(Strict):
    """What a reply must do. The contract always holds; terms, facts and conduct always count."""

    refuses: bool = False
    """A proper refusal: a clear no, a reason in athlete terms, one allowed next step."""
    answers: bool = False
    """A harmless question that must be answered, not refused."""
    medical_stop: bool = False
    """First: stop and get medical help; nothing else."""
    pushback: bool = False
    """An unsafe goal: honest doubt with a reason and a safer direction."""
    takes_seriously: bool = False
    """Pain, illness or fatigue: backs off, never dismisses."""
    facts: list[Text] = []
    """Ids of knowledge facts that the reply must state."""
    mentions_any: list[Text] = []
    """At least one of these, whole words, any case."""
    mentions_all: list[Text] = []
    avoids: list[Text] = []
    """None of these, whole words, any case."""
    warmth: Range | None = None
    """Accepted warmth, 1 to 5, where it differs from the persona's own range."""
    max_words: Annotated[int, Field(ge=1, le=200)] | None = None
    min_words: Annotated[int, Field(ge=1, le=200)] | None = None


class Turn(Strict):
    """One user message, its paraphrases, and what the reply to it must do."""

    user: Annotated[list[Text], Field(min_length=1)]
    """Paraphrases of one message; case #i takes the i-th (its last, if fewer)."""
    expect: Expect = Expect()
    good: list[Text] = []
    """Replies that every grader must accept (first persona, first paraphrase)."""
    bad: list[Text] = []
    """Replies that at least one grader must reject; one of them nearly right."""

    @field_validator("user", mode="before")
    @classmethod
    def _one_text_is_a_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value


class GoldenFile(Strict):
    """The content of one golden YAML file; its id and behaviour are its path."""

    about: Text
    """One line: why this conversation exists."""
    tags: list[Tag] = []
    personas: Annotated[list[PersonaId], Field(min_length=1)]
    language: Language = "en"
    tier: Tier = "coach"
    context: Context = Context()
    turns: Annotated[list[Turn], Field(min_length=1, max_length=8)]
    reviewed_by: Text | None = None

    @model_validator(mode="after")
    def _lists_hold_no_repeats(self) -> Self:
        for name, values in (("personas", self.personas), ("tags", self.tags)):
            if len(set(values)) != len(values):
                raise ValueError(f"{name} holds a repeated entry")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """One golden conversation: the cluster of all cases made from it."""

    id: str
    """`<behaviour>/<slug>`."""
    behaviour: Behaviour
    about: str
    tags: tuple[str, ...]
    personas: tuple[PersonaId, ...]
    language: Language
    tier: Tier
    context: Context
    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One conversation in one persona and one wording."""

    conversation: Conversation
    persona: PersonaId
    paraphrase: int
    """1-based."""

    @property
    def id(self) -> str:
        """Such as `i6_refusal/swap-easy-run#1[balanced]`."""
        return f"{self.conversation.id}#{self.paraphrase}[{self.persona}]"

    @property
    def users(self) -> tuple[str, ...]:
        """The user messages, one per turn."""
        return tuple(
            turn.user[min(self.paraphrase, len(turn.user)) - 1] for turn in self.conversation.turns
        )


def expand(conversation: Conversation) -> Iterator[Case]:
    """Make the cases of a conversation: each persona in each wording."""
    wordings = max(len(turn.user) for turn in conversation.turns)
    for persona in conversation.personas:
        for paraphrase in range(1, wordings + 1):
            yield Case(conversation=conversation, persona=persona, paraphrase=paraphrase)


def load_conversation(path: Path, root: Path, known: Knowledge) -> Conversation:
    """Read one golden file below `root`, whose folder name is the behaviour.

    Raises:
        FileError: with file and line of the first problem.
    """
    behaviour = path.parent.name
    if path.parent.parent != root or behaviour not in BEHAVIOURS:
        raise FileError(
            path,
            None,
            f"lies in {behaviour!r}, which is no behaviour.{hint(behaviour, BEHAVIOURS)} "
            f"Put it into one of: {', '.join(BEHAVIOURS)}",
        )
    slug = path.stem
    if not all(part.isalnum() and part == part.lower() for part in slug.split("-")):
        raise FileError(path, None, "rename the file to lower-case words joined by '-'")
    golden = load_yaml(path, GoldenFile)
    for card in golden.context.knowledge:
        if card not in known.cards:
            raise FileError(
                path,
                _line_with(path, card),
                f"no knowledge card {card!r}.{hint(card, known.cards)}",
            )
    for turn in golden.turns:
        for fact in turn.expect.facts:
            if fact not in known.facts:
                raise FileError(
                    path, _line_with(path, fact), f"no fact {fact!r}.{hint(fact, known.facts)}"
                )
    return Conversation(
        id=f"{behaviour}/{slug}",
        behaviour=behaviour,
        about=golden.about,
        tags=tuple(golden.tags),
        personas=tuple(golden.personas),
        language=golden.language,
        tier=golden.tier,
        context=golden.context,
        turns=tuple(golden.turns),
    )


def load_golden(root: Path, known: Knowledge) -> tuple[Conversation, ...]:
    """Read every golden file below `root`, sorted by id; templates (`_*.yaml`) are left out.

    Raises:
        UsageError: if the folder is missing or holds no conversation.
        FileError: with file and line of the first problem.
    """
    paths = sorted(p for p in root.glob("*/*.yaml") if not p.name.startswith("_"))
    if not paths:
        raise UsageError(
            f"no golden conversations in {str(root)!r}; expected <behaviour>/<slug>.yaml"
        )
    return tuple(load_conversation(path, root, known) for path in paths)


def golden_schema() -> str:
    """The JSON schema of a golden file, as text for `golden/schema.json`."""
    schema = GoldenFile.model_json_schema()
    turn = schema["$defs"]["Turn"]["properties"]["user"]
    schema["$defs"]["Turn"]["properties"]["user"] = {
        "description": Turn.__doc__,
        "anyOf": [{"type": "string", "minLength": 1}, turn],
    }
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def _line_with(path: Path, needle: str) -> int | None:
    """The 1-based line of the YAML value `needle`."""
    for token in yaml.scan(path.read_text(encoding="utf-8")):
        if isinstance(token, yaml.ScalarToken) and token.value == needle:
            return int(token.start_mark.line) + 1
    return None
