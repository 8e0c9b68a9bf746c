"""The facts grader: true and false claims on zones and readiness, in both languages."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.conversation import Context, Expect, Session
from harness.graders.facts import facts_by_rules
from harness.grading import Exchange, Outcome

ASKED = Exchange(
    persona="balanced",
    language="en",
    tier="coach",
    context=Context(readiness="amber", session=Session(zone="Z2", minutes=50)),
    history=(),
    user="Can you explain that to me?",
    reply="",
    expect=Expect(),
)

TRUE = {
    "talk test of an easy zone": "In Z2 you should manage long sentences without gulping for air.",
    "conversation in the very light zone": "Z1 means you could hold a full conversation all day.",
    "effort as a range": "Zone 4 is a 6 to 7 out of 10.",
    "effort in words": "Zone five sits at nine out of ten.",
    "effort of recovery": "R is about 1 out of 10, barely moving.",
    "heart rate inside the band": "Z3 is roughly 82 to 87 % of your maximum heart rate.",
    "heart rate cannot show it": "Your pulse is far too slow to show Z8, so ignore the watch.",
    "heart rate of two short zones": "Heart rate is not reliable in Z6 and Z7.",
    "about a minute in the near-maximal zone": "A Z7 effort lasts seconds to about a minute.",
    "tens of seconds": "Z6 efforts last 30 to 90 seconds and leave you gasping.",
    "a few seconds": "Z8 is over in a few seconds.",
    "two zones, each its own": "Z3 allows short sentences, while Z4 leaves only a few words.",
    "numbers before and after": "Z1 is a 1 or 2 out of 10, Z4 a 6 or 7 out of 10.",
    "denied conversation": "You can't hold a conversation in Z5.",
    "right order": "Z3 is harder than Z2.",
    "denied sprint": "Z6 is not a sprint; that name belongs to Z8.",
    "gap named between neighbours": "R is easier than Z1.",
    "nothing above the sprint": "There is nothing above Z8.",
    "what the zone is not": "If you can chat, it isn't Z4 any more; a few words is all it leaves.",
    "a sign of too much": "Z2 allows long sentences. Once sentences get short, you go too fast.",
    "a cap is no end of the scale": "You're amber, so some caution and nothing above Z5 today.",
    "too long": "A minute is too long for Z8, which ends after a few seconds.",
    "another thing is rested": "A rested mind is one thing, and you're amber, so take some care.",
    "rather than": "Red is a sign to recover rather than a sign that you can go hard.",
    "easy work below the limit": "You're amber and below the limit of Z5. The ride is relaxed.",
    "outdated colour, right meaning": "You're in the yellow, so a bit of fatigue is left.",
    "full recovery": "Z7 asks for full recovery between efforts.",
    "dutch talk test": "In Z2 praat je nog in lange zinnen.",
    "dutch effort": "Z4 voelt als een 6 à 7 op 10.",
    "dutch few words": "In Z4 komen er nog een paar woorden uit.",
    "dutch heart rate": "In Z7 is je hartslag onbruikbaar.",
    "dutch silence": "In zone vijf kun je niet meer praten.",
    "amber": "Amber means there is still some fatigue around, so a bit of caution.",
    "amber is no ban": "You're on amber, and that isn't a ban on training.",
    "red": "Red means you haven't recovered yet, so rest comes first.",
    "green": "Green means you're recovered and ready for what the plan holds.",
    "denied green": "On amber you are not as fresh as on green.",
    "dutch amber": "Amber betekent dat er nog wat vermoeidheid in je lijf zit.",
    "dutch red": "Rood wil zeggen dat je nog niet hersteld bent.",
    "state of the context": "You're amber today, so the hour stays light.",
}

FALSE = {
    "chatting in the hard zone": "Z5 is easy enough to chat with a friend.",
    "silence in the easy zone": "In Z2 you can't talk at all.",
    "few words in tempo": "Z3 leaves you just a few words at a time.",
    "effort far too low": "Z4 is about a 3 out of 10.",
    "effort far too high": "Zone 1 is an 8 out of 10.",
    "heart rate of another zone": "Z2 sits at 87 to 92 percent of your maximum heart rate.",
    "a steady pulse for sprints": "For Z8, keep your heart rate at 95 % of maximum.",
    "heart rate as a guide": "Heart rate is the best guide in Z7.",
    "long sprint": "A Z8 sprint lasts about three minutes.",
    "half an hour near all-out": "You can hold Z7 for half an hour.",
    "minutes of the short zone": "Z6 efforts last ten minutes each.",
    "second of two is wrong": "Z2 allows long sentences, and Z5 allows long sentences too.",
    "first of two is wrong": "Z1 leaves you gasping and silent: no talking, while Z5 is hard.",
    "wrong order": "Z2 is harder than Z4.",
    "order at the bottom": "R is more intense than Z1.",
    "wrong name": "Z2 is the threshold zone.",
    "sprint at the wrong place": "Z6 is a pure sprint.",
    "scale ends too early": "There is nothing above Z5.",
    "five only": "There are just five zones in the app.",
    "relaxed all-out": "Z6 feels relaxed.",
    "too little rest": "Z8 works best with incomplete recovery.",
    "no fatigue at all": "Green guarantees that there is zero fatigue in your body.",
    "dutch chat": "In Z5 kun je gewoon gezellig kletsen.",
    "dutch effort": "Z1 voelt als een 7 op 10.",
    "dutch duration": "Z8 houd je zo'n tien minuten vol.",
    "dutch heart rate": "Let op je hartslag, die is in Z6 heel betrouwbaar.",
    "dutch order": "Z3 is zwaarder dan Z5.",
    "red as the best": "Red means you are fully recovered and fresh.",
    "amber as fresh": "Amber means you're fully rested.",
    "amber as a ban": "Amber means training is forbidden today.",
    "amber as missing data": "Amber means there is not enough data about you.",
    "green as tired": "Green means you are too tired to train.",
    "another state": "You're green today, so off you go.",
    "counted colours": "Two ambers make a red.",
    "red as permission": "Red means you can go hard.",
    "dutch red": "Rood betekent dat je helemaal uitgerust bent.",
    "dutch amber": "Amber betekent dat trainen verboden is.",
    "dutch state": "Je staat op groen vandaag.",
}

NO_CLAIM = {
    "rest is not an effort": "Z8 needs two to three minutes of rest after every sprint.",
    "small talk": "Good to hear from you! What a lovely morning.",
    "the session by name": "Today's 50 minutes in Z2 are what the plan holds.",
    "sleep advice": "Sleep is when your muscles rebuild, so an early night helps.",
    "red flag of another kind": "A red flag would be pain that gets worse with every step.",
    "dutch thanks": "Graag gedaan, tot morgen!",
    "refusal": "I can't move the session, the plan does that.",
}


def ask(reply: str, **changes: object) -> Exchange:
    """The exchange with this reply; Dutch where the reply is."""
    return dataclasses.replace(ASKED, reply=reply, **changes)  # type: ignore[arg-type]  # by name


@pytest.mark.parametrize("reply", TRUE.values(), ids=TRUE.keys())
def test_a_true_claim_passes(reply: str) -> None:
    grade = facts_by_rules(ask(reply))
    assert grade.outcome is Outcome.PASS, grade


@pytest.mark.parametrize("reply", FALSE.values(), ids=FALSE.keys())
def test_a_false_claim_fails_with_its_words(reply: str) -> None:
    grade = facts_by_rules(ask(reply))
    assert grade.outcome is Outcome.FAIL, grade
    assert grade.evidence
    assert grade.evidence in reply


@pytest.mark.parametrize("reply", NO_CLAIM.values(), ids=NO_CLAIM.keys())
def test_without_a_claim_nothing_is_graded(reply: str) -> None:
    grade = facts_by_rules(ask(reply))
    assert grade.outcome is Outcome.UNGRADED, grade
    assert grade.kinds == ("no_claim",)


def test_an_answer_is_read_with_the_zone_of_the_question() -> None:
    asked = dataclasses.replace(ASKED, user="What does zone 6 feel like?")
    assert (
        facts_by_rules(
            dataclasses.replace(asked, reply="Like a relaxed chat in long sentences.")
        ).outcome
        is Outcome.FAIL
    )
    assert (
        facts_by_rules(dataclasses.replace(asked, reply="Gasping, and no talking.")).outcome
        is Outcome.PASS
    )


def test_the_length_of_the_planned_efforts_is_no_claim() -> None:
    planned = Context(session=Session(zone="Z8", minutes=40, structure="6 x 20 s Z8"))
    grade = facts_by_rules(ask("Today brings Z8, 20 s each.", context=planned))
    assert grade.outcome is not Outcome.FAIL


def test_an_expected_fact_must_be_stated() -> None:
    wanted = Expect(facts=["readiness.amber.meaning"])
    silent = facts_by_rules(ask("Enjoy the ride today.", expect=wanted))
    assert silent.outcome is Outcome.FAIL
    assert silent.kinds == ("missing",)
    said = facts_by_rules(ask("You carry some fatigue, so a little caution today.", expect=wanted))
    assert said.outcome is Outcome.PASS


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.text(max_size=300),
        st.lists(
            st.sampled_from(
                [
                    "Z1",
                    "Z6",
                    "zone",
                    "R",
                    "5",
                    "60",
                    "%",
                    "seconds",
                    "is",
                    "not",
                    "red",
                    "amber",
                    "heart",
                    "rate",
                    "long",
                    "sentences",
                    "than",
                    ",",
                    ".",
                    "?",
                    "half",
                    "een",
                    "op",
                    "10",
                    "groen",
                    "hartslag",
                    "to",
                    "-",
                ]
            ),
            max_size=40,
        ).map(" ".join),
    )
)
def test_any_text_gets_a_grade_whose_evidence_is_in_it(reply: str) -> None:
    grade = facts_by_rules(ask(reply))
    assert grade.evidence in reply
    assert 0 <= grade.confidence <= 1
