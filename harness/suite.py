"""The suite as data: every case there is, and the dialogue each becomes.

Between conversations and the plan: takes the golden folder and the run's settings, gives tests
their parameters and engines their dialogues.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.conversation import Case, Conversation, expand, load_golden
from harness.errors import UsageError, hint
from harness.generation import Dialogue, Sampling
from harness.knowledge import LANGUAGES, PERSONAS, Knowledge
from harness.prompt import case_system
from harness.provenance import sha256_tree

MAX_TOKENS = {"en": 160, "nl": 240}
"""Reply limits: a 100-word reply and some air; Dutch takes more tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a run was asked to do, as far as it shapes replies."""

    sampling: Sampling
    samples: int
    max_tokens: dict[str, int]
    personas: frozenset[str]
    languages: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """One case in one sample: the parameter of one test."""

    case: Case
    sample: int

    @property
    def id(self) -> str:
        """The case's id, with `@k` for samples after the first."""
        return f"{self.case.id}@{self.sample}" if self.sample else self.case.id


class Suite:
    """All golden conversations and what the settings make of them.

    Raises:
        UsageError: if the golden folder is empty or an option names no such persona or language.
        FileError: naming file and line of the first problem in a golden file.
    """

    def __init__(self, golden: Path, known: Knowledge, settings: Settings) -> None:
        for option, chosen, there in (
            ("--persona", settings.personas, PERSONAS),
            ("--language", settings.languages, LANGUAGES),
        ):
            for name in chosen - set(there):
                raise UsageError(
                    f"{option} {name!r} is none of {', '.join(there)}.{hint(name, there)}"
                )
        self.known, self.settings = known, settings
        self.conversations: tuple[Conversation, ...] = load_golden(golden, known)
        self.golden_sha256 = sha256_tree(golden.glob("*/*.yaml"), golden)
        self.size = len(self.of(None)) * settings.samples
        """Tests in the whole suite, whatever was selected."""

    def of(self, behaviour: str | None) -> list[Case]:
        """All cases of a behaviour, or of the suite."""
        return [
            case
            for conversation in self.conversations
            if behaviour in (None, conversation.behaviour)
            for case in expand(conversation)
        ]

    def selected(self, behaviour: str) -> list[Sampled]:
        """The behaviour's tests in the personas and languages asked for."""
        settings = self.settings
        return [
            Sampled(case=case, sample=sample)
            for case in self.of(behaviour)
            if not settings.personas or case.persona in settings.personas
            if not settings.languages or case.conversation.language in settings.languages
            for sample in range(settings.samples)
        ]

    def dialogue(self, sampled: Sampled) -> Dialogue:
        """What an engine is to answer."""
        case = sampled.case
        return Dialogue(
            id=sampled.id,
            sample=sampled.sample,
            system=case_system(case, self.known).content,
            users=case.users,
            max_tokens=self.settings.max_tokens[case.conversation.language],
        )

    def dialogues(self, chosen: Iterable[Sampled]) -> Sequence[Dialogue]:
        """The dialogues of the chosen tests, in their order."""
        return [self.dialogue(sampled) for sampled in chosen]
