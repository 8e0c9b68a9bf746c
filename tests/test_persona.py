"""The persona grader: warmth, directness and the marks that speak against each voice."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.conversation import Context, Expect
from harness.graders.persona import directness, persona_by_rules, warmth
from harness.grading import Exchange, Outcome
from harness.knowledge import Language, PersonaId

ASKED = Exchange(
    persona="balanced",
    language="en",
    tier="coach",
    context=Context(readiness="green"),
    history=(),
    user="What does today's ride do?",
    reply="",
    expect=Expect(),
)

WARMER: dict[str, tuple[Language, str, str]] = {
    "empathy over a bare fact": (
        "en",
        "I'm sorry to hear that, a week in bed is hard on anyone. Your fitness will wait for you.",
        "A week in bed has little effect on fitness. The plan continues after that.",
    ),
    "praise over a verdict": (
        "en",
        "Well done, that was a lovely piece of pacing and you can be proud of it!",
        "The pacing of that session was even from the start to the end of it.",
    ),
    "an explanation over an order": (
        "en",
        "The easy hour helps your legs recover before the harder day on Thursday.",
        "Ride easy. One hour. Go.",
    ),
    "an order over mockery": (
        "en",
        "Ride easy. One hour. Then rest.",
        "Stop whining. You're pathetic. Ride.",
    ),
    "filler words are no warmth": (
        "en",
        "That sounds tiring, and I understand why you'd like a break.",
        "You're on the plan, that's the session, and let's say it's an hour.",
    ),
    "dutch empathy": (
        "nl",
        "Wat vervelend dat je zo slecht slaapt, ik snap goed dat je geen zin hebt.",
        "Slecht slapen heeft invloed op het herstel van de spieren en het hoofd.",
    ),
    "dutch explanation over orders": (
        "nl",
        "Het rustige uur helpt je benen om te herstellen voor de zwaardere dag.",
        "Fietsen. Een uur. Klaar.",
    ),
    "dutch order over mockery": (
        "nl",
        "Fiets rustig. Een uur. Rust daarna.",
        "Stel je niet aan. Niet zeuren. Fietsen.",
    ),
}

STYLES: dict[PersonaId, str] = {
    "balanced": (
        "It's understandable that you wonder about that. The easy hour gives your legs time to"
        " recover, so enjoy the calm and the harder day will feel better."
    ),
    "drill_sergeant": "Easy hour. Keep the pace low. Legs recover. Thursday is hard.",
    "dutch_directness": (
        "Honestly, this hour is meant to be easy. Going harder adds nothing and costs you Thursday."
    ),
    "science_nerd": (
        "At this effort the muscle fibres build more mitochondria, because oxygen supply covers"
        " the whole demand and the signal can last for the full hour."
    ),
}

AGAINST: dict[str, tuple[PersonaId, str, str]] = {
    "mockery": ("balanced", "You're so lazy, grow up and get on with the ride you were given.",
                "harsh"),
    "cold for balanced": ("balanced", "No. Ride. One hour. Done.", "too_cold"),
    "gushing slang": ("balanced", "OMG you slay!!! Literally iconic, queen!!!", "gushing"),
    "loose slang": ("science_nerd", "It helps your heart, dunno how lol, nah.", "gushing"),
    "disclaimer": ("balanced", "As an AI language model, I have no opinion on your training.",
                   "disclaimer"),
    "pirate": ("balanced", "Arr matey, the easy hour be yours, and fair winds to your legs.",
               "other_voice"),
    "bare data": ("balanced", "readiness_state = green; session = Z2; minutes = 60", "bare_data"),
    "loud sergeant": ("drill_sergeant", "Z2. Sixty minutes. Move!", "exclamation"),
    "insulting sergeant": ("drill_sergeant", "Quit whining. Pathetic. Ride the hour.", "harsh"),
    "chatty sergeant": (
        "drill_sergeant",
        "The easy hour that the plan has set aside for you today gives your legs all of the time"
        " that they may need in order to recover before the harder day that follows.",
        "long_winded",
    ),
    "hype instead of science": (
        "science_nerd", "This ride is your ROCKET FUEL!!! Smash it, legend!", "hype"),
    "science as orders": ("science_nerd", "Ride easy. Stop early. Sleep.", "commands_only"),
    "sugar": (
        "dutch_directness",
        "You are an absolute star, darling! Every ride of yours is a miracle and so beautiful!",
        "too_warm",
    ),
}  # fmt: skip


def grade(reply: str, persona: PersonaId = "balanced", **changes: object):  # type: ignore[no-untyped-def]  # a Grade
    asked = dataclasses.replace(ASKED, reply=reply, persona=persona, **changes)  # type: ignore[arg-type]  # by name
    return persona_by_rules(asked)


@pytest.mark.parametrize(("language", "more", "less"), WARMER.values(), ids=WARMER.keys())
def test_warmth_orders_a_pair_as_a_reader_would(language: Language, more: str, less: str) -> None:
    assert warmth(more, language) > warmth(less, language)


def test_warmth_of_no_text_is_neutral() -> None:
    assert warmth("", "en") == 3.0
    assert warmth("...", "nl") == 3.0


def test_analytic_words_are_not_coldness() -> None:
    assert 2.5 <= warmth(STYLES["science_nerd"], "en") <= 3.6


def test_a_plain_medical_stop_is_not_cold() -> None:
    text = "Please stop right away and call your emergency number. Sit down and let someone know."
    assert warmth(text, "en") >= 3


def test_directness_orders_the_voices() -> None:
    blunt, kind = STYLES["drill_sergeant"], STYLES["balanced"]
    assert directness(blunt, "en") > directness(STYLES["dutch_directness"], "en")
    assert directness(STYLES["dutch_directness"], "en") > directness(kind, "en")
    assert directness("Perhaps you might like to wait a bit, maybe.", "en") < 0.8


@pytest.mark.parametrize("persona", STYLES)
def test_each_voice_fits_itself(persona: PersonaId) -> None:
    found = grade(STYLES[persona], persona)
    assert found.outcome is Outcome.PASS, found
    assert found.value == warmth(STYLES[persona], "en")


@pytest.mark.parametrize(("persona", "reply", "kind"), AGAINST.values(), ids=AGAINST.keys())
def test_a_mark_against_the_voice_is_named(persona: PersonaId, reply: str, kind: str) -> None:
    found = grade(reply, persona)
    assert found.outcome is Outcome.FAIL, found
    assert kind in found.kinds
    assert found.evidence in reply


def test_a_harsh_word_that_is_denied_is_no_mockery() -> None:
    reply = "You're not lazy at all, and wanting a rest day is perfectly normal after such a week."
    assert grade(reply).outcome is Outcome.PASS


def test_the_sergeant_is_kinder_when_the_athlete_is_unwell() -> None:
    reply = "No. Denied. Enough. Move on. Next."
    assert grade(reply, "drill_sergeant").outcome is Outcome.PASS
    hurt = grade(reply, "drill_sergeant", user="My knee hurts and I have a fever")
    assert hurt.kinds == ("too_cold",)


def test_the_expected_warmth_replaces_the_range_of_the_persona() -> None:
    reply = STYLES["science_nerd"]
    assert grade(reply, expect=Expect(warmth=[4.5, 5])).kinds == ("too_cold",)
    assert grade(reply, expect=Expect(warmth=[2, 4])).outcome is Outcome.PASS


def test_an_empty_reply_has_no_voice() -> None:
    assert grade("").kinds == ("empty",)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=300), st.sampled_from(list(STYLES)))
def test_any_text_gets_a_grade_and_numbers_in_range(reply: str, persona: PersonaId) -> None:
    found = grade(reply, persona)
    assert found.evidence in reply
    assert 1 <= warmth(reply, "en") <= 5
    assert 0 <= directness(reply, "nl") <= 1
