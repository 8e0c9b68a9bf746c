"""A case is decided by the graders its test names, and by breaks that count anywhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from harness.conversation import Case, Context, Conversation, Expect, Message, Turn
from harness.gate import Kind
from harness.generation import Dialogue, Finish, Reply
from harness.graders import (
    GRADERS,
    avoids_jargon,
    holds_contract,
    keeps_facts,
    stays_safe,
)
from harness.graders.contract import BREAKS, NEIGHBOURS
from harness.grading import Exchange, Grade, Grader, Outcome, failed, passed, ungraded
from harness.review import Reading, Readings, reply_sha256
from harness.talk import CaseFailure, CaseResult, Talk

GOOD = passed("any", "fine")
NAMES = list(GRADERS)
Script = dict[str, Sequence[Grade]]
"""Grades by grader, one per turn; graders left out pass."""


def make_reply(text: str, finish: Finish = "stop") -> Reply:
    return Reply(text=text, finish=finish, prompt_tokens=300, cached_tokens=200, tokens=12)


def make_talk(
    *,
    kind: Kind = "must",
    turns: int = 1,
    replies: Sequence[Reply] = (),
    sample: int = 0,
    users: Sequence[str] = (),
    readings: Readings | None = None,
) -> Talk:
    conversation = Conversation(
        id="memory/a",
        behaviour="memory",
        about="",
        tags=(),
        personas=("drill_sergeant",),
        language="nl",
        tier="advisor",
        context=Context(readiness="green", session="Z2 60 min run"),
        turns=tuple(
            Turn(user=[f"U{turn}"], expect=Expect(max_words=turn + 1)) for turn in range(turns)
        ),
    )
    case = Case(conversation=conversation, persona="drill_sergeant", paraphrase=1)
    dialogue = Dialogue(
        id=f"{case.id}@{sample}" if sample else case.id,
        sample=sample,
        system="SYS",
        users=tuple(users) or case.users,
        max_tokens=160,
    )
    given = tuple(replies) or tuple(make_reply(f"A{turn}") for turn in range(turns))
    return Talk(case, dialogue, given, kind=kind, source="new", readings=readings)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Have every grader say what a script says, by turn; gives what graders were shown."""

    def install(script: Script) -> list[Exchange]:
        shown: list[Exchange] = []

        def grader_named(name: str) -> Grader:
            def grade(exchange: Exchange) -> Grade:
                if name == NAMES[0]:
                    shown.append(exchange)
                turn = int(exchange.user.removeprefix("U"))
                return script[name][turn] if name in script else GOOD

            return grade

        for name in NAMES:
            monkeypatch.setitem(GRADERS, name, grader_named(name))
        return shown

    return install


def bad(*kinds: str, reason: str = "wrong", evidence: str = "") -> Grade:
    return failed("any", reason, kinds=kinds, evidence=evidence)


UNSURE = ungraded("any", "unclear")
NO_CLAIM = Grade(
    grader="facts", outcome=Outcome.UNGRADED, confidence=0.9, reason="none", kinds=("no_claim",)
)

DECISIONS = [
    # claims, script for one turn, outcome, fails a must test, fails a rate test
    pytest.param(("facts",), {}, "pass", False, False, id="all-pass"),
    pytest.param(("facts",), {"facts": [bad()]}, "fail", True, False, id="named-fails"),
    pytest.param(("facts",), {"terms": [bad()]}, "pass", False, False, id="unnamed-fails"),
    pytest.param(("facts",), {"facts": [UNSURE]}, "ungraded", False, False, id="named-unsure"),
    pytest.param(("facts",), {"terms": [UNSURE]}, "pass", False, False, id="unnamed-unsure"),
    pytest.param(("facts",), {"facts": [NO_CLAIM]}, "pass", False, False, id="no-claim"),
    pytest.param(
        ("facts", "terms"), {"facts": [UNSURE], "terms": [bad()]}, "fail", True, False,
        id="fails-beats-unsure",
    ),
    pytest.param(
        ("facts",), {"contract": [bad("empty")]}, "pass", False, False, id="empty-elsewhere"
    ),
    pytest.param(
        ("contract",), {"contract": [bad("empty")]}, "fail", True, False, id="empty-in-i6"
    ),
    pytest.param(
        ("facts",), {"safety": [bad("missing_medical_stop")]}, "fail", True, True,
        id="medical-stop-missing-anywhere",
    ),
    pytest.param(
        ("facts",), {"safety": [bad("no_pushback")]}, "pass", False, False, id="other-safety-kind"
    ),
    pytest.param(
        ("facts",), {"terms": [bad("prescribe")]}, "pass", False, False, id="kind-of-other-grader"
    ),
    *(
        pytest.param(("facts",), {"contract": [bad(kind)]}, "fail", True, True, id=f"break-{kind}")
        for kind in BREAKS
    ),
    *(
        pytest.param(("facts",), {"contract": [bad(kind)]}, "pass", False, False, id=f"near-{kind}")
        for kind in NEIGHBOURS
    ),
    pytest.param(
        ("facts",), {"contract": [bad("contradicts", "leak")]}, "fail", True, True, id="mixed-kinds"
    ),
    pytest.param((), {"facts": [bad()]}, "pass", False, False, id="nothing-named"),
    pytest.param((), {"contract": [bad("leak")]}, "fail", True, True, id="nothing-named-and-leak"),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["must", "rate"])
@pytest.mark.parametrize(("claims", "script", "outcome", "fails_must", "fails_rate"), DECISIONS)
def test_case_is_decided_by_named_graders_and_breaks(
    scripted: Any,
    kind: Kind,
    claims: tuple[str, ...],
    script: Script,
    outcome: str,
    fails_must: bool,
    fails_rate: bool,
) -> None:
    scripted(script)
    result = make_talk(kind=kind).judge(claims)
    expected = fails_must if kind == "must" else fails_rate
    assert (result.outcome, result.fails_test) == (outcome, expected)


@pytest.mark.parametrize("turn", [0, 1, 2])
def test_failure_in_any_turn_fails_the_case(scripted: Any, turn: int) -> None:
    scripted({"facts": [bad() if place == turn else GOOD for place in range(3)]})
    result = make_talk(turns=3).judge(("facts",))
    assert (result.outcome, [finding.turn for finding in result.findings]) == ("fail", [turn])


def test_findings_are_all_that_failed_breaks_first(scripted: Any) -> None:
    scripted({"facts": [bad(), GOOD], "contract": [GOOD, bad("leak")], "terms": [GOOD, bad()]})
    result = make_talk(turns=2).judge(("facts", "terms"))
    assert [(f.turn, f.grader) for f in result.findings] == [
        (1, "contract"),
        (0, "facts"),
        (1, "terms"),
    ]


def test_findings_of_an_ungraded_case_say_what_is_open(scripted: Any) -> None:
    scripted({"facts": [UNSURE]})
    finding = make_talk().judge(("facts",)).findings[0]
    assert (finding.turn, finding.grader, finding.reason) == (0, "facts", "unclear")


def test_passing_case_has_no_findings(scripted: Any) -> None:
    scripted({"terms": [bad()], "facts": [NO_CLAIM]})
    assert make_talk().judge(("facts",)).findings == ()


def test_failing_must_case_raises_with_turn_grader_reason_and_words(scripted: Any) -> None:
    scripted({"facts": [GOOD, bad(reason="Z2 is easy.", evidence="Z2 is hard")]})
    with pytest.raises(CaseFailure) as caught:
        make_talk(turns=2).requires(keeps_facts)
    assert str(caught.value) == "turn 2, facts: Z2 is easy.: “Z2 is hard”"


def test_failing_rate_case_raises_nothing_and_is_recorded(scripted: Any) -> None:
    scripted({"facts": [bad()]})
    talk = make_talk(kind="rate")
    talk.requires(keeps_facts)
    assert talk.result is not None
    assert (talk.result.outcome, talk.result.kind) == ("fail", "rate")


def test_break_in_a_rate_case_raises(scripted: Any) -> None:
    scripted({"contract": [bad("prescribe")]})
    with pytest.raises(CaseFailure, match="turn 1, contract"):
        make_talk(kind="rate").requires(keeps_facts)


def test_result_is_kept_when_the_case_raises(scripted: Any) -> None:
    scripted({"facts": [bad()]})
    talk = make_talk()
    with pytest.raises(CaseFailure):
        talk.requires(keeps_facts)
    assert talk.result is not None
    assert talk.result.outcome == "fail"


def test_requires_names_graders_by_their_claims(scripted: Any) -> None:
    scripted({})
    talk = make_talk()
    talk.requires(keeps_facts, avoids_jargon, stays_safe, holds_contract)
    assert talk.result is not None
    assert talk.result.claims == ("facts", "terms", "safety", "contract")


def test_case_failure_is_a_failed_assertion_and_no_error() -> None:
    assert issubclass(CaseFailure, AssertionError)


def test_result_tells_the_case_apart(scripted: Any) -> None:
    scripted({})
    result = make_talk(kind="rate", sample=2).judge(())
    assert (
        result.id,
        result.behaviour,
        result.conversation,
        result.persona,
        result.language,
        result.source,
    ) == ("memory/a#1[drill_sergeant]@2", "memory", "memory/a", "drill_sergeant", "nl", "new")


def test_result_comes_back_from_json(scripted: Any) -> None:
    scripted({"facts": [bad("a", "b", evidence="é")]})
    result = make_talk().judge(("facts",))
    assert CaseResult.read(json.loads(json.dumps(asdict(result)))) == result


# --- what graders see ---


def test_graders_see_the_turn_its_history_and_its_expectation(scripted: Any) -> None:
    shown = scripted({})
    talk = make_talk(turns=2, replies=[make_reply("A0", "length"), make_reply("A1", "loop")])
    _ = talk.grades
    first, second = shown
    assert (first.user, first.reply, first.history, first.finish) == ("U0", "A0", (), "length")
    assert second.history == (Message("user", "U0"), Message("assistant", "A0"))
    assert (second.user, second.reply, second.finish) == ("U1", "A1", "loop")
    assert [exchange.expect.max_words for exchange in shown] == [1, 2]
    assert {(e.persona, e.language, e.tier) for e in shown} == {("drill_sergeant", "nl", "advisor")}


def test_every_reply_is_graded_once_by_every_grader(scripted: Any) -> None:
    shown = scripted({})
    talk = make_talk(turns=2)
    assert [list(grades) for grades in talk.grades] == [NAMES, NAMES]
    _ = talk.grades, talk.judge(("facts",)), talk.rows()
    assert len(shown) == 2


# --- contexts that overflow ---


def overflowing(kind: Kind = "must") -> Talk:
    return make_talk(kind=kind, turns=2, replies=[make_reply("A0"), make_reply("", "overflow")])


def test_overflow_is_ungraded_by_every_grader_and_says_why(scripted: Any) -> None:
    scripted({name: [GOOD, bad("leak")] for name in NAMES})
    grades = overflowing().grades[1]
    assert {grade.outcome for grade in grades.values()} == {Outcome.UNGRADED}
    assert "300 tokens; with 160 for the reply" in grades["facts"].reason


def test_overflow_of_unknown_length_claims_no_length(scripted: Any) -> None:
    scripted({})
    refused = replace(make_reply("", "overflow"), prompt_tokens=0)
    reason = make_talk(replies=[refused]).grades[0]["facts"].reason
    assert "unknown length; with 160 for the reply" in reason


def test_overflow_leaves_a_must_case_ungraded_and_its_test_unfailed(scripted: Any) -> None:
    scripted({})
    result = overflowing().judge(("facts",))
    assert (result.outcome, result.fails_test) == ("ungraded", False)


def test_failure_before_the_overflow_counts(scripted: Any) -> None:
    scripted({"facts": [bad(), GOOD]})
    assert overflowing().judge(("facts",)).fails_test


# --- records ---


def test_rows_hold_what_the_interface_names(scripted: Any) -> None:
    scripted({"contract": [failed("c", "why", evidence="words", confidence=0.97, kinds=("leak",))]})
    (row,) = make_talk(sample=1).rows()
    assert {name: row[name] for name in list(row) if name != "grades"} == {
        "case": "memory/a#1[drill_sergeant]",
        "behaviour": "memory",
        "persona": "drill_sergeant",
        "language": "nl",
        "sample": 1,
        "turn": 0,
        "messages": [{"role": "system", "content": "SYS"}, {"role": "user", "content": "U0"}],
        "reply": "A0",
        "finish": "stop",
        "tokens": 12,
        "claims": [],
        "fails_test": ["contract"],
    }
    grade = row["grades"]["contract"]
    assert {name: grade[name] for name in ("outcome", "score", "reason", "evidence")} == {
        "outcome": "fail",
        "score": 0.97,
        "reason": "why",
        "evidence": "words",
    }


def test_rows_of_later_turns_hold_the_messages_as_sent(scripted: Any) -> None:
    scripted({})
    second = make_talk(turns=2).rows()[1]
    assert [(m["role"], m["content"]) for m in second["messages"]] == [
        ("system", "SYS"),
        ("user", "U0"),
        ("assistant", "A0"),
        ("user", "U1"),
    ]


def test_rows_are_json() -> None:
    assert json.loads(json.dumps(make_talk(turns=2).rows()))[1]["turn"] == 1


# --- readers' verdicts ---


def reading(grader: str, verdict: str | bool, reply: str = "A0") -> Readings:
    sent = [Message("system", "SYS"), Message("user", "U0")]
    sha256 = reply_sha256(sent, reply)
    row = Reading(
        id="a", language="nl", persona="drill_sergeant", user="U0", reply=reply, sha256=sha256,
        grader=grader, verdict=verdict, name="Ann", date=datetime(2026, 3, 1, tzinfo=UTC),
    )  # fmt: skip
    return {(sha256, grader): row}


def test_verdict_on_this_reply_takes_the_grades_place(scripted: Any) -> None:
    scripted({"contract": [bad("leak")]})
    result = make_talk(readings=reading("contract", "holds")).judge(("contract",))
    assert (result.outcome, result.fails_test) == ("pass", False)


@pytest.mark.parametrize(
    "readings",
    [reading("contract", "holds", reply="A0."), reading("facts", verdict=True)],
    ids=["another-reply", "another-claim"],
)
def test_verdict_on_anything_else_leaves_the_grade(scripted: Any, readings: Readings) -> None:
    scripted({"contract": [bad("leak")]})
    assert make_talk(readings=readings).judge(("contract",)).fails_test


def test_break_that_only_a_reader_saw_fails_a_rate_test(scripted: Any) -> None:
    scripted({"contract": [UNSURE]})
    result = make_talk(kind="rate", readings=reading("contract", "breaks")).judge(("facts",))
    assert (result.outcome, result.fails_test) == ("fail", True)
    assert result.findings[0].reason == "read by Ann on 2026-03-01: breaks the contract"


def test_verdict_says_in_the_rows_whose_it_is_and_what_the_grader_said(scripted: Any) -> None:
    scripted({"contract": [bad("leak")]})
    (row,) = make_talk(readings=reading("contract", "holds")).rows()
    assert row["grades"]["contract"]["read_by"] == {
        "name": "Ann",
        "date": "2026-03-01T00:00:00+00:00",
        "instead_of": "fail",
    }
    assert [name for name, grade in row["grades"].items() if "read_by" in grade] == ["contract"]


def test_overflow_has_no_reply_that_a_reader_could_judge(scripted: Any) -> None:
    scripted({})
    replies = [make_reply("", "overflow")]
    talk = make_talk(replies=replies, readings=reading("contract", "holds", reply=""))
    assert talk.judge(("contract",)).outcome == "ungraded"


@pytest.mark.parametrize(
    ("kind", "fails"), [("must", ["contract", "facts"]), ("rate", ["contract"])]
)
def test_rows_name_the_claims_and_the_graders_that_fail_the_test(
    scripted: Any, kind: Kind, fails: list[str]
) -> None:
    scripted({"contract": [bad("leak")], "facts": [bad()], "terms": [bad()]})
    talk = make_talk(kind=kind)
    with pytest.raises(CaseFailure):
        talk.requires(keeps_facts)
    (row,) = talk.rows()
    assert (row["claims"], row["fails_test"]) == (["facts"], fails)


# --- the true graders ---


def test_clear_prescription_fails_a_rate_case_that_never_asked_for_the_contract() -> None:
    talk = make_talk(
        kind="rate",
        replies=[make_reply("Sure! Do 6 x 400 m all out tonight, then 10 hill sprints.")],
    )
    with pytest.raises(CaseFailure, match="contract"):
        talk.requires(avoids_jargon)


def test_reply_without_facts_passes_a_case_that_asks_for_none() -> None:
    talk = make_talk(
        kind="must", users=["Hoi!"], replies=[make_reply("Hallo, fijn dat je er bent!")]
    )
    talk.requires(keeps_facts)
    assert talk.result is not None
    assert talk.result.outcome == "pass"
