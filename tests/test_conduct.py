"""The conduct grader: each rule of form, kept and broken."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.conversation import Context, Expect, Message
from harness.graders.conduct import follows_conduct
from harness.grading import Exchange, Outcome

PLAIN = (
    "You have recovered well, so the easy hour comes at a good moment. Keep it relaxed and you"
    " will be ready for more on Thursday."
)
PLAIN_NL = (
    "Je bent goed hersteld, dus dit rustige uur komt op een mooi moment. Houd het ontspannen, dan"
    " ben je donderdag weer klaar voor iets zwaarders."
)
ASKED = Exchange(
    persona="balanced",
    language="en",
    tier="coach",
    context=Context(),
    history=(),
    user="What does today's run do for me?",
    reply=PLAIN,
    expect=Expect(),
)

KEPT = {
    "plain text": PLAIN,
    "one question": f"{PLAIN} How do your legs feel?",
    "a range with a dash": f"{PLAIN} Think of it as a 2-3 out of 10.",
    "a quoted colon": f"{PLAIN} Remember: easy is the point.",
    "two questions inside a refusal": f"I can't change the session. {PLAIN} Is it the heat? Work?",
    "a warning with questions": (
        "Stop right now and call emergency services. Are you alone? Can someone stay with you? Tell"
        " them what you feel and sit down."
    ),
    "a colleague by the way": f"{PLAIN} Your coach plan shows the rest of the week.",
    "a repeated word on purpose": f"{PLAIN} It should be very, very easy.",
    "a short sentence twice": f"Rest today. {PLAIN} Rest today.",
    "no need for another": f"{PLAIN} You don't need to hire a coach for that.",
}

BROKEN = {
    "nothing": ("", "empty"),
    "too short": ("Because it is in the plan.", "too_short"),
    "too long": (" ".join(["This sentence number", "differs"] * 26) + ".", "too_long"),
    "two questions": (f"{PLAIN} How do you feel? Did you sleep well?", "questions"),
    "bullets": (f"{PLAIN}\n- keep it easy\n- drink enough", "list"),
    "numbers": (f"{PLAIN}\n1. keep it easy\n2. drink enough", "list"),
    "inline numbers": (f"{PLAIN} 1) keep it easy 2) drink enough", "list"),
    "heading": (f"## Today\n{PLAIN}", "heading"),
    "bold": (f"{PLAIN} Keep it **easy**.", "markup"),
    "table": (f"{PLAIN}\n| zone | feel |\n| Z2 | easy |", "table"),
    "json": ('{"reply": "' + PLAIN + '"}', "code"),
    "fence": (f"```\n{PLAIN}\n```", "code"),
    "control token": (f"{PLAIN}<|im_end|>", "code"),
    "emoji": (f"{PLAIN} \U0001f4aa", "emoji"),
    "role label": (f"{PLAIN}\nUser: and tomorrow?", "role_label"),
    "own label": (f"Josi: {PLAIN}", "role_label"),
    "placeholder": (f"Hello {{name}}. {PLAIN}", "placeholder"),
    "other language": (PLAIN_NL, "language"),
    "spanish": (
        "Hoy es un buen día para una carrera suave, porque tu cuerpo está muy bien y no hay que"
        " forzar más de lo que pide el plan.",
        "language",
    ),
    "switch half way": (
        f"{PLAIN} Je hebt vandaag niet veel nodig, maar wel een goed ritme van het begin tot het"
        " einde.",
        "language",
    ),
    "stutter": (f"{PLAIN} Keep keep it it easy.", "garble"),
    "broken characters": (f"{PLAIN} \ufffd\ufffd", "garble"),
    "sentence twice": (f"Keep the effort low all the way. {PLAIN} Keep the effort low all the way.",
                       "repeats"),
    "another app": (f"{PLAIN} You could use a different app for that.", "deflects"),
    "another coach": (f"{PLAIN} Please consult a certified coach about it.", "deflects"),
    "a professional": (f"{PLAIN} Ask a professional for the details.", "deflects"),
    "a website": (f"{PLAIN} Check out some websites about it.", "deflects"),
}  # fmt: skip

KEPT_NL = {
    "plain": PLAIN_NL,
    "zone names": f"{PLAIN_NL} Dat is Z2, en R blijft R.",
    "with one question": f"{PLAIN_NL} Hoe voelen je benen?",
}

BROKEN_NL = {
    "english": (PLAIN, "language"),
    "two questions": (f"{PLAIN_NL} Hoe voel je je? Heb je goed geslapen?", "questions"),
    "another coach": (f"{PLAIN_NL} Vraag het aan een echte trainer.", "deflects"),
    "list": (f"{PLAIN_NL}\n- rustig blijven\n- genoeg drinken", "list"),
}


def grade(reply: str, **changes: object):  # type: ignore[no-untyped-def]  # a Grade
    return follows_conduct(dataclasses.replace(ASKED, reply=reply, **changes))  # type: ignore[arg-type]  # by name


@pytest.mark.parametrize("reply", KEPT.values(), ids=KEPT.keys())
def test_proper_form_passes(reply: str) -> None:
    assert grade(reply).outcome is Outcome.PASS, grade(reply)


@pytest.mark.parametrize(("reply", "kind"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_rule_is_named(reply: str, kind: str) -> None:
    found = grade(reply)
    assert found.outcome is Outcome.FAIL
    assert kind in found.kinds
    assert found.evidence in reply


@pytest.mark.parametrize("reply", KEPT_NL.values(), ids=KEPT_NL.keys())
def test_proper_dutch_passes(reply: str) -> None:
    found = grade(reply, language="nl", user="Wat heb ik aan deze training?")
    assert found.outcome is Outcome.PASS, found


@pytest.mark.parametrize(("reply", "kind"), BROKEN_NL.values(), ids=BROKEN_NL.keys())
def test_a_broken_rule_in_dutch_is_named(reply: str, kind: str) -> None:
    assert kind in grade(reply, language="nl", user="Wat heb ik hieraan?").kinds


def test_the_drill_sergeant_may_be_short() -> None:
    reply = "Z2. Sixty minutes. You are ready."
    assert grade(reply, persona="drill_sergeant").outcome is Outcome.PASS
    assert grade(reply).kinds == ("too_short",)


@pytest.mark.parametrize("user", ["Thanks!", "hi josi", "Bedankt, tot morgen", "good morning"])
def test_thanks_and_greetings_may_be_answered_in_three_words(user: str) -> None:
    assert grade("Any time, enjoy.", user=user).outcome is Outcome.PASS
    assert grade("Sure.", user=user).kinds == ("too_short",)


def test_the_expected_length_replaces_the_usual_one() -> None:
    assert grade(PLAIN, expect=Expect(max_words=10)).kinds == ("too_long",)
    assert grade("Not today, rest.", expect=Expect(min_words=3)).outcome is Outcome.PASS


@pytest.mark.parametrize(("finish", "kind"), [("length", "cut_off"), ("loop", "loop")])
def test_the_engines_word_on_the_end_counts(finish: str, kind: str) -> None:
    assert kind in grade(PLAIN, finish=finish).kinds


def test_a_sentence_of_an_earlier_reply_may_not_return() -> None:
    history = (Message("user", "why?"), Message("assistant", PLAIN))
    found = grade(f"As before. {PLAIN}", history=history)
    assert found.kinds == ("repeats",)


def test_a_sentence_of_the_athlete_may_be_taken_up() -> None:
    history = (Message("user", PLAIN), Message("assistant", "Go on then."))
    assert grade(PLAIN, history=history).outcome is Outcome.PASS


def test_a_doctor_is_no_deflection_when_something_hurts() -> None:
    reply = f"{PLAIN} Please see a specialist about that knee."
    assert grade(reply, user="My knee hurts on every run").outcome is Outcome.PASS
    assert grade(reply).kinds == ("deflects",)


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.text(max_size=400),
        st.lists(st.sampled_from(["the", "the", "?", "-", "|", "\n", "ask", "a", "coach", "1."]))
        .map(" ".join),
    )
)  # fmt: skip
def test_any_text_gets_a_grade_whose_evidence_is_in_it(reply: str) -> None:
    found = grade(reply)
    assert found.outcome in (Outcome.PASS, Outcome.FAIL)
    assert found.evidence in reply
