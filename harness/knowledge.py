"""The facts: `knowledge/*.yaml` as typed tables and cards.

Prompts, graders and golden references read facts only from here; nothing else in the harness may
hold a zone number, a jargon word or a warning sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from harness.errors import FileError
from harness.strict_yaml import Strict, load_yaml

KNOWLEDGE_DIR = Path(__file__).resolve().parent.parent / "knowledge"

Language = Literal["en", "nl"]
LANGUAGES: tuple[Language, ...] = ("en", "nl")
PersonaId = Literal["balanced", "drill_sergeant", "dutch_directness", "science_nerd"]
PERSONAS: tuple[PersonaId, ...] = ("balanced", "drill_sergeant", "dutch_directness", "science_nerd")
Tier = Literal["monitor", "advisor", "coach"]
ReadinessId = Literal["green", "amber", "red", "blocked"]
ZoneId = Literal["R", "Z1", "Z2", "Z3", "Z4", "Z5", "Z6", "Z7", "Z8"]
ZONES: tuple[ZoneId, ...] = ("R", "Z1", "Z2", "Z3", "Z4", "Z5", "Z6", "Z7", "Z8")

Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
Range = Annotated[list[float], Field(min_length=2, max_length=2)]


class Bilingual(Strict):
    """One statement in both product languages."""

    en: Text
    nl: Text


class Words(Strict):
    """Alternative wordings per language, any of which counts; matched as whole words."""

    en: list[Text]
    nl: list[Text]


class Fact(Strict):
    """A statement that a golden conversation can ask for by id.

    A reply states the fact when it holds any of `cues` for its language.
    """

    text: Bilingual
    cues: Words


class Sourced(Strict):
    """What every knowledge file carries: where its facts come from and when they were read."""

    title: Text
    source: list[Text]
    reviewed: date


class Zone(Strict):
    """One effort level; ranges are inclusive [low, high]."""

    label: Text
    speakable: Bilingual
    purpose: Bilingual
    rpe: Range
    """Perceived effort on the 0 to 10 scale."""
    heart_rate_percent: Range | None
    """Per cent of maximal heart rate; None where heart rate cannot show the zone."""
    talk_test: Bilingual
    breathing: Bilingual
    feel: Bilingual
    effort_seconds: Range
    """How long one effort in the zone lasts."""
    facts: dict[str, Fact]


class ZoneTable(Sourced):
    """`zones.yaml`."""

    zones: dict[ZoneId, Zone]


class Level(Strict):
    """One readiness level."""

    meaning: Bilingual
    allows: list[ZoneId]
    """Zones open at this level when the context gives no cap."""
    word: Bilingual
    """The word Josi uses."""
    legacy: Words
    """Older colour words an athlete may use for it; Josi never does."""
    facts: dict[str, Fact]


class ReadinessTable(Sourced):
    """`readiness.yaml`."""

    levels: dict[ReadinessId, Level]


class Persona(Strict):
    """One voice of Josi. Warmth is on the 1 (cold) to 5 (very warm) scale."""

    name: Text
    style: Text
    """The sentence(s) of the system prompt that set this voice."""
    warmth: Range
    warmth_expected: float
    directness: float
    """0 (roundabout) to 1 (blunt)."""
    min_words: int
    target_words: Range
    max_sentence_words: int
    """Upper end of a natural mean sentence length for this voice."""


class PersonaTable(Sourced):
    """`personas.yaml`."""

    personas: dict[PersonaId, Persona]


class Jargon(Strict):
    """A technical term and what to say instead."""

    spellings: list[Text]
    instead: Bilingual
    science_nerd: bool
    """Whether the science_nerd persona may use it."""
    athlete_first: bool
    """Whether any persona may use it once the athlete has."""


class TermTable(Sourced):
    """`terms.yaml`: words Josi's athletes must not meet."""

    internal: list[Text]
    internal_case_sensitive: list[Text]
    jargon: dict[str, Jargon]


class RedFlag(Strict):
    """A warning sign that means: stop and get medical help."""

    complaint: Bilingual
    cues: Words


class SafetyTable(Sourced):
    """`safety.yaml`."""

    red_flags: dict[str, RedFlag]
    stop: Words
    """Ways to tell the athlete to stop."""
    help: Words
    """Ways to send the athlete to medical help."""
    emergency_numbers: list[Text]


class Card(Sourced):
    """`cards/<id>.yaml`: one subject, as the engine would hand it to Josi."""

    say: Bilingual
    """The paragraph that goes into a prompt's knowledge block."""
    not_josi: list[Text]
    """What the subject also holds but Josi never tells an athlete."""
    facts: dict[str, Fact]


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """Everything under `knowledge/`, loaded and checked."""

    zones: dict[ZoneId, Zone]
    readiness: dict[ReadinessId, Level]
    personas: dict[PersonaId, Persona]
    terms: TermTable
    safety: SafetyTable
    cards: dict[str, Card]
    facts: dict[str, Fact]
    """By id: `zone.z2.effort`, `readiness.amber.meaning`, `card.recovery.sleep`."""


def load_knowledge(folder: Path = KNOWLEDGE_DIR) -> Knowledge:
    """Read and check the knowledge folder.

    Raises:
        FileError: naming file and line of the first problem.
    """
    zones = load_yaml(folder / "zones.yaml", ZoneTable).zones
    readiness = load_yaml(folder / "readiness.yaml", ReadinessTable).levels
    personas = load_yaml(folder / "personas.yaml", PersonaTable).personas
    for path, found, wanted in (
        ("zones.yaml", set(zones), set(ZONES)),
        ("personas.yaml", set(personas), set(PERSONAS)),
        ("readiness.yaml", set(readiness), {"green", "amber", "red", "blocked"}),
    ):
        if found != wanted:
            raise FileError(folder / path, None, f"lacks {sorted(wanted - found)}; add them")
    cards = {path.stem: load_yaml(path, Card) for path in sorted((folder / "cards").glob("*.yaml"))}
    facts: dict[str, Fact] = {}
    for zone_id, zone in zones.items():
        facts |= {f"zone.{zone_id.lower()}.{name}": fact for name, fact in zone.facts.items()}
    for level_id, level in readiness.items():
        facts |= {f"readiness.{level_id}.{name}": fact for name, fact in level.facts.items()}
    for card_id, card in cards.items():
        facts |= {f"card.{card_id}.{name}": fact for name, fact in card.facts.items()}
    return Knowledge(
        zones=zones,
        readiness=readiness,
        personas=personas,
        terms=load_yaml(folder / "terms.yaml", TermTable),
        safety=load_yaml(folder / "safety.yaml", SafetyTable),
        cards=cards,
        facts=facts,
    )


@cache
def knowledge() -> Knowledge:
    """The project's own knowledge folder, read once per process."""
    return load_knowledge()
