"""The terms grader: internal names, jargon, outdated colours, and lookalikes."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.conversation import Context, Expect, Message
from harness.graders.terms import avoids_jargon
from harness.grading import Exchange, Outcome
from harness.knowledge import PersonaId

ASKED = Exchange(
    persona="balanced",
    language="en",
    tier="coach",
    context=Context(readiness="amber"),
    history=(),
    user="How do I look today?",
    reply="",
    expect=Expect(),
)

CLEAN = {
    "thoughtful sound": "Hmm, let me think about that.",
    "exactly": "That is exactly the idea, and directly what the plan says.",
    "atlas": "Crossing the Atlas on a bicycle must be quite an adventure.",
    "rhythm words": "A logarithmic curve and an algebra book, nothing more.",
    "yellow jersey": "Nobody hands you a yellow jersey for a rest day.",
    "orange juice": "A glass of orange juice afterwards is fine.",
    "urine colour": "If your urine is dark yellow, drink a little more.",
    "an orange": "Peel an orange at the turning point.",
    "red flag": "Chest pain is a red flag: stop at once.",
    "yellow line": "Stay right of the yellow line on that road.",
    "dutch jersey": "De gele trui hoeft vandaag niet.",
    "dutch fruit": "Neem na afloop een oranje vrucht of een banaan.",
    "dutch urine": "Is je plas donkergeel, drink dan iets meer.",
    "dutch jacket": "Trek je gele jas aan, het is donker.",
    "plain words": "Your training is built up over time, week by week.",
    "ordinary threshold": "Your pain threshold is no reason to go on.",
}

DIRTY = {
    "internal name": ("The Viterbi path says amber.", "Viterbi"),
    "internal letters": ("Your TSS was high last week.", "TSS"),
    "internal ratio": ("The ACWR went up.", "ACWR"),
    "machinery in capitals": ("The HMM puts you on amber.", "HMM"),
    "hidden model": ("A hidden Markov model decides that.", "hidden Markov"),
    "algorithm plural": ("Our algorithms decide that.", "algorithm"),
    "dutch algorithm": ("Het algoritme kiest de zone.", "algoritme"),
    "jargon": ("This is about periodization.", "periodization"),
    "british spelling": ("This is about periodisation.", "periodisation"),
    "cycle": ("This mesocycle ends on Sunday.", "mesocycle"),
    "dutch cycle": ("Deze microcyclus eindigt zondag.", "microcyclus"),
    "dutch supercompensation": ("Dat heet supercompensatie.", "supercompensatie"),
    "fitness ceiling": ("It lifts your VO2max.", "VO2max"),
    "spaced": ("It lifts your VO2 max.", "VO2 max"),
    "subscript": ("It lifts your VO₂max.", "VO₂max"),
    "subscript spaced": ("It lifts your VO₂ max.", "VO₂ max"),
    "hyphen": ("It lifts your VO2-max.", "VO2-max"),
    "power": ("Ride at your FTP.", "FTP"),
    "lactate": ("This sits at your lactate threshold.", "lactate threshold"),
    "anaerobic": ("It trains anaerobic capacity.", "anaerobic capacity"),
    "yellow state": ("You're yellow today, so take care.", "yellow"),
    "in the yellow": ("Your body is in the yellow this morning.", "yellow"),
    "yellow day": ("On a yellow day we keep it short.", "yellow"),
    "orange status": ("Your orange status asks for rest.", "orange"),
    "yellow as a verdict": ("Yellow. Take care.", "Yellow"),
    "dutch yellow": ("Je staat op geel, dus rustig aan.", "geel"),
    "dutch orange": ("Oranje betekent dat je moet rusten.", "Oranje"),
    "dutch yellow day": ("Op een gele dag blijft het kort.", "gele"),
}


def grade(reply: str, user: str = ASKED.user, persona: PersonaId = "balanced"):  # type: ignore[no-untyped-def]  # a Grade
    return avoids_jargon(dataclasses.replace(ASKED, reply=reply, user=user, persona=persona))


@pytest.mark.parametrize("reply", CLEAN.values(), ids=CLEAN.keys())
def test_a_word_that_only_looks_forbidden_is_clean(reply: str) -> None:
    assert grade(reply).outcome is Outcome.PASS, grade(reply)


@pytest.mark.parametrize(("reply", "words"), DIRTY.values(), ids=DIRTY.keys())
def test_a_forbidden_word_fails_and_is_quoted(reply: str, words: str) -> None:
    found = grade(reply)
    assert found.outcome is Outcome.FAIL
    assert words in found.evidence
    assert found.evidence in reply


@pytest.mark.parametrize("term", ["VO2max", "lactate threshold", "FTP", "anaerobic capacity"])
def test_the_athlete_may_bring_up_a_term(term: str) -> None:
    reply = f"In short, {term} is how much you can do for a while."
    assert grade(reply, user=f"What is {term.lower()}?").outcome is Outcome.PASS


def test_a_term_of_an_earlier_message_counts_as_brought_up() -> None:
    said = (Message("user", "my ftp is going up"), Message("assistant", "Good to hear."))
    asked = dataclasses.replace(ASKED, history=said, reply="A higher FTP takes months.")
    assert avoids_jargon(asked).outcome is Outcome.PASS


def test_another_term_of_the_athlete_frees_nothing() -> None:
    assert grade("That is your lactate threshold.", user="What is FTP?").outcome is Outcome.FAIL


@pytest.mark.parametrize("word", ["periodization", "mesocycle", "supercompensation", "TSS"])
def test_some_words_stay_forbidden_though_the_athlete_used_them(word: str) -> None:
    assert grade(f"Your {word} looks fine.", user=f"How is my {word}?").outcome is Outcome.FAIL


def test_the_science_voice_may_name_the_fitness_ceiling_but_no_machinery() -> None:
    assert grade("It lifts your VO2max.", persona="science_nerd").outcome is Outcome.PASS
    assert grade("The EWMA rose.", persona="science_nerd").outcome is Outcome.FAIL
    assert grade("A mesocycle later.", persona="science_nerd").outcome is Outcome.FAIL


HANDED_OVER = {
    "renamed": "Your yellow goes by the name of amber in the app.",
    "means": "Yellow means amber here, so a little care.",
    "denied": "There's no yellow any more; you're on amber.",
    "quoted": 'What you saw as "yellow" goes by amber now.',
    "dutch": "Wat jij geel noemt, heet hier amber.",
}


@pytest.mark.parametrize("reply", HANDED_OVER.values(), ids=HANDED_OVER.keys())
def test_the_old_colour_may_be_handed_over_to_an_athlete_who_used_it(reply: str) -> None:
    assert grade(reply, user="Am I yellow? Sta ik op geel?").outcome is Outcome.PASS
    assert grade(reply).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    "reply",
    [
        "Yes, you're yellow today.",
        "Yellow is one step below amber.",
        "Yellow is amber here. With yellow you go easy.",
        "Orange is what amber is called.",
    ],
)
def test_the_old_colour_as_own_word_fails_though_the_athlete_used_it(reply: str) -> None:
    assert grade(reply, user="Am I yellow?").outcome is Outcome.FAIL


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.text(max_size=300),
        st.lists(
            st.sampled_from(["yellow", "VO₂", "max", "amber", "TSS", "is", "İ", ".", "geel", "'"])
        ).map(" ".join),
    )
)
def test_any_text_gets_a_grade_whose_evidence_is_in_it(reply: str) -> None:
    found = grade(reply)
    assert found.outcome in (Outcome.PASS, Outcome.FAIL)
    assert found.evidence in reply
