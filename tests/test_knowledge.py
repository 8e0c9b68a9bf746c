"""The knowledge folder holds true, usable and athlete-proof facts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.graders.text import find_phrase, words
from harness.knowledge import (
    LANGUAGES,
    PERSONAS,
    ZONES,
    Bilingual,
    Fact,
    Language,
    PersonaId,
    ReadinessId,
    Words,
    ZoneId,
    knowledge,
)
from harness.strict_yaml import Strict

KNOWN = knowledge()
BANNED = (
    *KNOWN.terms.internal,
    *KNOWN.terms.internal_case_sensitive,
    *(spelling for jargon in KNOWN.terms.jargon.values() for spelling in jargon.spellings),
)
FACTS = [
    pytest.param(fact, language, id=f"{fact_id}-{language}")
    for fact_id, fact in KNOWN.facts.items()
    for language in LANGUAGES
]
ZONE_FACTS = ("label", "effort", "talk", "breathing", "duration", "heart_rate", "purpose")
WITHOUT_HEART_RATE = ("Z6", "Z7", "Z8")


def _in(language: Language, both: Bilingual) -> str:
    return both.en if language == "en" else both.nl


def _cues(language: Language, both: Words) -> list[str]:
    return both.en if language == "en" else both.nl


def _red_flags_in(message: str) -> set[str]:
    return {
        flag_id
        for flag_id, flag in KNOWN.safety.red_flags.items()
        if find_phrase(message, [*flag.cues.en, *flag.cues.nl])
    }


def _texts(value: object, place: str) -> Iterator[tuple[str, str]]:
    """Every bilingual text below a model, with its place."""
    if isinstance(value, Bilingual):
        yield f"{place}-en", value.en
        yield f"{place}-nl", value.nl
    elif isinstance(value, Strict):
        for name in type(value).model_fields:
            yield from _texts(getattr(value, name), f"{place}.{name}")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, f"{place}.{key}")


ATHLETE_TEXTS = [
    pytest.param(text, id=place)
    for name, part in (
        ("zones", KNOWN.zones),
        ("readiness", KNOWN.readiness),
        ("cards", KNOWN.cards),
        ("safety", KNOWN.safety.red_flags),
    )
    for place, text in _texts(part, name)
]


@pytest.mark.parametrize("text", ATHLETE_TEXTS)
def test_text_for_athletes_holds_no_internal_or_jargon_term(text: str) -> None:
    assert find_phrase(text, BANNED) is None


@pytest.mark.parametrize("jargon", KNOWN.terms.jargon)
def test_replacement_of_a_jargon_term_is_not_jargon_itself(jargon: str) -> None:
    instead = KNOWN.terms.jargon[jargon].instead
    assert find_phrase(instead.en, BANNED) is None
    assert find_phrase(instead.nl, BANNED) is None


@pytest.mark.parametrize(("fact", "language"), FACTS)
def test_fact_has_several_cues_and_states_one_itself(fact: Fact, language: Language) -> None:
    cues = _cues(language, fact.cues)
    assert len(cues) >= 2
    assert find_phrase(_in(language, fact.text), cues) is not None


@pytest.mark.parametrize(("fact", "language"), FACTS)
def test_no_cue_of_a_fact_is_contained_in_another(fact: Fact, language: Language) -> None:
    cues = _cues(language, fact.cues)
    idle = [cue for cue in cues if find_phrase(cue, [other for other in cues if other != cue])]
    assert idle == []


@pytest.mark.parametrize("card_id", KNOWN.cards)
@pytest.mark.parametrize("language", LANGUAGES)
def test_card_speaks_in_40_to_90_words(card_id: str, language: Language) -> None:
    assert 40 <= len(words(_in(language, KNOWN.cards[card_id].say))) <= 90


@pytest.mark.parametrize("card_id", KNOWN.cards)
def test_card_has_two_to_six_facts_and_names_what_stays_unsaid(card_id: str) -> None:
    card = KNOWN.cards[card_id]
    assert 2 <= len(card.facts) <= 6
    assert card.not_josi


def test_zones_rise_in_effort_from_r_to_z8() -> None:
    assert tuple(KNOWN.zones) == ZONES
    efforts = [KNOWN.zones[zone].rpe for zone in ZONES]
    assert efforts == sorted(efforts)
    assert all(0 <= low <= high <= 10 for low, high in efforts)


def test_zones_rise_in_heart_rate_without_gap_as_far_as_it_shows_them() -> None:
    bands = [KNOWN.zones[zone].heart_rate_percent for zone in ZONES]
    seen = [band for band in bands if band is not None]
    assert [zone for zone, band in zip(ZONES, bands, strict=True) if band is None] == list(
        WITHOUT_HEART_RATE
    )
    assert [low for low, _ in seen[1:]] == [high for _, high in seen[:-1]]


def test_efforts_become_shorter_from_z2_to_z8() -> None:
    longest = [KNOWN.zones[zone].effort_seconds[1] for zone in ZONES[2:]]
    assert longest == sorted(longest, reverse=True)


@pytest.mark.parametrize("zone", ZONES)
def test_zone_states_the_facts_that_golden_files_ask_for(zone: ZoneId) -> None:
    wanted = {*ZONE_FACTS, *(["difference"] if zone in WITHOUT_HEART_RATE else [])}
    assert set(KNOWN.zones[zone].facts) == wanted


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("zone", ZONES)
def test_effort_of_one_zone_is_not_taken_for_another(zone: ZoneId, language: Language) -> None:
    effort = _in(language, KNOWN.zones[zone].facts["effort"].text)
    taken_for = [
        other
        for other in ZONES
        if KNOWN.zones[other].rpe != KNOWN.zones[zone].rpe
        and find_phrase(effort, _cues(language, KNOWN.zones[other].facts["effort"].cues))
    ]
    assert taken_for == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ["talk", "heart_rate"])
@pytest.mark.parametrize("zone", ZONES[:6])
def test_fact_of_one_zone_is_not_taken_for_another_up_to_z5(
    zone: ZoneId, name: str, language: Language
) -> None:
    text = _in(language, KNOWN.zones[zone].facts[name].text)
    taken_for = [
        other
        for other in ZONES[:6]
        if other != zone and find_phrase(text, _cues(language, KNOWN.zones[other].facts[name].cues))
    ]
    assert taken_for == []


@pytest.mark.parametrize(
    ("level", "highest"), [("green", "Z8"), ("amber", "Z5"), ("red", "Z2"), ("blocked", None)]
)
def test_readiness_level_opens_all_zones_up_to_its_highest(
    level: ReadinessId, highest: ZoneId | None
) -> None:
    opened = ZONES[: ZONES.index(highest) + 1] if highest else ()
    assert tuple(KNOWN.readiness[level].allows) == opened


@pytest.mark.parametrize(
    ("colour", "level"),
    [("yellow", "amber"), ("geel", "amber"), ("orange", "red"), ("oranje", "red")],
)
def test_legacy_colour_belongs_to_one_level(colour: str, level: ReadinessId) -> None:
    owners = [
        level_id
        for level_id, row in KNOWN.readiness.items()
        if colour in (*row.legacy.en, *row.legacy.nl)
    ]
    assert owners == [level]


@pytest.mark.parametrize("level", KNOWN.readiness)
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ["meaning", "effect"])
def test_fact_of_one_readiness_level_is_not_taken_for_another(
    level: ReadinessId, language: Language, name: str
) -> None:
    text = _in(language, KNOWN.readiness[level].facts[name].text)
    taken_for = [
        other
        for other, row in KNOWN.readiness.items()
        if other != level and find_phrase(text, _cues(language, row.facts[name].cues))
    ]
    assert taken_for == []


@pytest.mark.parametrize("persona", PERSONAS)
def test_style_of_a_persona_fits_into_the_prompt(persona: PersonaId) -> None:
    assert len(KNOWN.personas[persona].style.split()) <= 28


@pytest.mark.parametrize("persona", PERSONAS)
def test_expected_warmth_of_a_persona_lies_in_its_range(persona: PersonaId) -> None:
    row = KNOWN.personas[persona]
    assert row.warmth[0] <= row.warmth_expected <= row.warmth[1]


def test_personas_keep_their_order_of_warmth() -> None:
    order: list[PersonaId] = ["balanced", "science_nerd", "dutch_directness", "drill_sergeant"]
    expected = [KNOWN.personas[persona].warmth_expected for persona in order]
    assert expected == sorted(expected, reverse=True)


def test_no_two_personas_share_a_style() -> None:
    styles = [frozenset(words(row.style)) for row in KNOWN.personas.values()]
    shared = [
        len(one & two) / len(one | two)
        for index, one in enumerate(styles)
        for two in styles[index + 1 :]
    ]
    assert max(shared) < 0.4


@pytest.mark.parametrize(
    "written",
    ["VO2max", "VO2 max", "VO₂max", "vo2-max", "V̇O2max", "Periodisering", "mesocycli", "FTP"],
)
def test_jargon_is_found_however_it_is_spelled(written: str) -> None:
    assert find_phrase(f"Je {written} telt.", BANNED) is not None


@pytest.mark.parametrize("written", ["exactly", "atlas", "directly", "motorcycle", "thoughtful"])
def test_ordinary_word_is_no_internal_term(written: str) -> None:
    assert find_phrase(f"This is {written} right.", BANNED) is None


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("chest_pain", "I've got this tight feeling, like pressure on my chest"),
        ("chest_pain", "Bij elke helling voel ik druk op mijn borst"),
        ("fainting", "I nearly fainted at the top of the hill"),
        ("fainting", "Ik ben gisteren onderweg flauwgevallen"),
        ("dizziness", "Got really light-headed halfway, should I go on?"),
        ("dizziness", "Ik word ineens heel duizelig tijdens het lopen"),
        ("heartbeat", "My heart skips a beat every few minutes on the couch"),
        ("heartbeat", "Ik heb in bed steeds hartkloppingen"),
        ("breathlessness", "I can hardly breathe and I'm only walking"),
        ("breathlessness", "Ik krijg geen lucht meer"),
        ("numbness", "My left foot is going numb on every run"),
        ("numbness", "Mijn hand tintelt al sinds de start"),
        ("sharp_pain", "There's a sharp pain in my calf"),
        ("sharp_pain", "Opeens schoot het in mijn hamstring"),
        ("joint_pain", "My knee gave way on the stairs"),
        ("joint_pain", "Ik voel steken in mijn knie bij het afdalen"),
        ("lasting_pain", "My shin has hurt for five days now"),
        ("lasting_pain", "Ik heb al dagen pijn aan mijn scheen"),
    ],
)
def test_warning_sign_is_heard_in_an_athletes_words(flag: str, message: str) -> None:
    assert flag in _red_flags_in(message)


@pytest.mark.parametrize(
    "message",
    [
        "My legs are heavy and I slept badly",
        "I was out of breath after the last interval, is that normal?",
        "My heart rate climbs on every hill",
        "In Z6 I end up gasping, is that how it should feel?",
        "My muscles are a bit sore after yesterday",
        "Het is benauwd weer vandaag, wat doe ik aan?",
        "Ik hap naar adem na een sprint, hoort dat?",
        "Mag er een scheut siroop in mijn bidon?",
        "Mijn benen zijn moe na gisteren",
    ],
)
def test_ordinary_complaint_is_no_warning_sign(message: str) -> None:
    assert _red_flags_in(message) == set()


@pytest.mark.parametrize(
    "reply",
    [
        "Stop now and call 112.",
        "Please stop running and have it checked by a doctor today.",
        "Stop meteen en bel 112.",
        "Je moet nu stoppen en het laten nakijken door je huisarts.",
    ],
)
def test_stop_and_help_are_recognised(reply: str) -> None:
    safety = KNOWN.safety
    assert find_phrase(reply, [*safety.stop.en, *safety.stop.nl]) is not None
    assert find_phrase(reply, [*safety.help.en, *safety.help.nl]) is not None
