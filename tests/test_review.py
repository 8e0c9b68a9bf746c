"""Readers' verdicts: what waits, keys, the file that survives a kill, rows for calibrate."""

from __future__ import annotations

import io
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from harness.calibrate import agreement, judge_rows, table
from harness.conversation import Message
from harness.errors import FileError, StoreError, UsageError
from harness.generation import project_root
from harness.graders import GRADERS
from harness.graders.contract import BREAKS
from harness.grading import Grade, Outcome, failed, passed, ungraded
from harness.knowledge import knowledge
from harness.labelled import Recorded, read_recorded
from harness.prompt import case_system
from harness.review import (
    BREAK,
    Reading,
    add_reading,
    read_readings,
    reply_sha256,
)
from harness.review_queue import (
    Golden,
    Replied,
    Session,
    Waiting,
    newest_run,
    read_run,
    readers_name,
    waiting,
)
from harness.review_screen import draw, listing, visible

ROOT = project_root()
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SYSTEM = Message("system", "You are Josi.")
FAILS = {"outcome": "fail", "reason": "It gives in.", "evidence": "now 40 minutes"}
UNSURE = {"outcome": "ungraded", "reason": "needs a reader: on task or not"}
FINE = {"outcome": "pass", "reason": "fine"}
CASE = "i6_refusal/swap-easy-run#1[balanced]"


def replied(**changes: Any) -> Replied:
    row: dict[str, Any] = {
        "case": "i6_refusal/none#1[balanced]", "behaviour": "i6_refusal", "persona": "balanced",
        "language": "en", "sample": 0, "turn": 0, "finish": "stop",
        "reply": "Fine: it is now 40 minutes.",
        "messages": [SYSTEM._asdict(), {"role": "user", "content": "Cut it to 40 min."}],
        "claims": ["contract"], "fails_test": [], "grades": {"contract": FINE},
    }  # fmt: skip
    return Replied.model_validate(row | changes)


def broken(**changes: Any) -> Replied:
    return replied(**{"fails_test": ["contract"], "grades": {"contract": FAILS}} | changes)


def reading(**changes: Any) -> Reading:
    row: dict[str, Any] = {
        "id": "a", "language": "en", "persona": "balanced", "user": "Cut it.", "reply": "No.",
        "sha256": "a" * 64, "grader": "contract", "verdict": "holds", "name": "Ann", "date": NOON,
    }  # fmt: skip
    return Reading.model_validate(row | changes)


@pytest.fixture(scope="module")
def golden() -> Golden:
    return Golden(ROOT / "golden", knowledge())


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    return tmp_path / "reviews" / "labels.jsonl"


@pytest.fixture
def no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that write hundreds of times."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def session(
    queue: Sequence[Waiting],
    labels: Path,
    golden: Golden,
    now: Callable[[], datetime] = lambda: NOON,
) -> Session:
    return Session(queue, labels, name="Ann", golden=golden, now=now)


# --- what waits ---


def test_failures_of_tests_come_first_then_open_grades_that_decide_then_others() -> None:
    run = [
        replied(reply="1", grades={"answer": UNSURE}),
        replied(reply="2", grades={"answer": UNSURE}, claims=["answer"]),
        broken(reply="3"),
    ]
    assert [one.replied.reply for one in waiting(run, {})] == ["3", "2", "1"]


NOT_ASKED = {
    "passes": replied(),
    "fails-no-test": replied(grades={"answer": FAILS}),
    "nothing-claimed": replied(grades={"facts": {**UNSURE, "kinds": ["no_claim"]}}),
    "did-not-fit": replied(finish="overflow", grades={"contract": UNSURE}),
}


@pytest.mark.parametrize("one", NOT_ASKED.values(), ids=NOT_ASKED)
def test_nothing_else_waits(one: Replied) -> None:
    assert waiting([one], {}) == []


def test_a_grade_that_was_read_waits_no_more_and_others_of_its_reply_do() -> None:
    one = broken(grades={"contract": FAILS, "answer": UNSURE})
    read = {(reply_sha256(one.messages, one.reply), "contract"): reading()}
    assert [asked.grader for asked in waiting([one], read)] == ["answer"]


def test_equal_replies_are_asked_about_once_and_as_the_failure() -> None:
    (only,) = waiting([replied(grades={"contract": UNSURE}), broken(sample=1)], {})
    assert only.replied.sample == 1


@pytest.mark.parametrize(
    ("messages", "reply"),
    [
        ([Message("system", "You are josi."), Message("user", "a")], "b"),
        ([SYSTEM, Message("user", "ab")], ""),
        ([SYSTEM, Message("user", "a")], "b "),
        ([SYSTEM, Message("user", "a"), Message("assistant", "b"), Message("user", "a")], "b"),
    ],
    ids=["system", "moved-border", "reply", "history"],
)
def test_another_reply_or_prompt_has_another_name(messages: list[Message], reply: str) -> None:
    assert reply_sha256(messages, reply) != reply_sha256([SYSTEM, Message("user", "a")], "b")


def test_a_reply_that_is_no_unicode_has_a_name() -> None:
    assert len(reply_sha256([SYSTEM], "\ud800")) == 64


def write_run(folder: Path, *rows: Replied) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for row in rows:
        told = row.model_dump() | {"messages": [m._asdict() for m in row.messages]}
        lines.append(json.dumps(told) + "\n")
    (folder / "replies.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder


def test_a_run_that_was_killed_can_be_read(tmp_path: Path) -> None:
    run = write_run(tmp_path, replied(), broken())
    path = run / "replies.jsonl"
    path.write_bytes(path.read_bytes()[:-30])
    assert read_run(run) == [replied()]


def test_a_wrong_line_of_a_run_is_told_by_file_and_line(tmp_path: Path) -> None:
    run = write_run(tmp_path, replied())
    (run / "replies.jsonl").write_text('{"case": 1}\n')
    with pytest.raises(FileError, match=r"replies\.jsonl:1: is no reply of a run: case"):
        read_run(run)


def test_a_folder_without_replies_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name a run folder"):
        read_run(tmp_path)


def test_the_newest_run_is_the_latest_by_its_name(tmp_path: Path) -> None:
    for name in ("20260301-120000-zeta", "20260302-110000-alpha", "baseline", "20260303-010101-x"):
        write_run(tmp_path / name, replied())
    (tmp_path / "20260303-010101-x" / "replies.jsonl").unlink()
    assert newest_run(tmp_path).name == "20260302-110000-alpha"


def test_without_a_run_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run in"):
        newest_run(tmp_path)


# --- keys ---

VERDICTS = {
    "contract": {"h": "holds", "b": "breaks", "e": "empty"},
    **{name: {"y": True, "n": False} for name in GRADERS if name != "contract"},
}
ANSWERS = [(grader, *answer) for grader, keys in VERDICTS.items() for answer in keys.items()]


@pytest.mark.parametrize(("grader", "key", "verdict"), ANSWERS)
def test_a_key_gives_its_verdict(
    grader: str, key: str, verdict: str | bool, labels: Path, golden: Golden
) -> None:
    queue = waiting([replied(grades={grader: UNSURE})], {})
    assert session(queue, labels, golden).press(key)
    ((found, kept),) = read_readings(labels).items()
    assert found == (queue[0].sha256, grader)
    assert (kept.verdict, kept.name, kept.date) == (verdict, "Ann", NOON)


@pytest.mark.parametrize(("grader", "key"), [("contract", "y"), ("facts", "h"), ("facts", "x")])
def test_a_key_of_another_claim_means_nothing(
    grader: str, key: str, labels: Path, golden: Golden
) -> None:
    asked = session(waiting([replied(grades={grader: UNSURE})], {}), labels, golden)
    assert not asked.press(key)
    assert (asked.place, labels.exists()) == (0, False)


def test_after_quitting_only_what_was_not_judged_waits(labels: Path, golden: Golden) -> None:
    run = [broken(reply=str(n)) for n in range(4)]
    first = session(waiting(run, {}), labels, golden)
    for key in "hsb":
        first.press(key)
    left = waiting(run, read_readings(labels))
    assert [one.replied.reply for one in left] == ["1", "3"]


def test_undo_takes_the_last_verdict_back_and_asks_again(labels: Path, golden: Golden) -> None:
    asked = session(waiting([broken(reply="1"), broken(reply="2")], {}), labels, golden)
    for key in "hbu":
        asked.press(key)
    assert asked.current is asked.queue[1]
    assert [read.verdict for read in read_readings(labels).values()] == ["holds"]
    asked.press("e")
    assert [read.verdict for read in read_readings(labels).values()] == ["holds", "empty"]


def test_a_verdict_counts_where_the_clock_was_set_back(labels: Path, golden: Golden) -> None:
    times = iter([NOON, NOON - timedelta(days=9), NOON - timedelta(days=3)])
    asked = session(waiting([broken()], {}), labels, golden, now=lambda: next(times))
    for key in "hub":
        asked.press(key)
    assert [read.verdict for read in read_readings(labels).values()] == ["breaks"]


def test_a_verdict_that_cannot_be_kept_is_asked_again(tmp_path: Path, golden: Golden) -> None:
    (tmp_path / "reviews").write_text("in the way")
    asked = session(waiting([broken()], {}), tmp_path / "reviews" / "labels.jsonl", golden)
    with pytest.raises(StoreError, match="--labels FILE"):
        asked.press("h")
    assert (asked.place, asked.verdicts) == (0, 0)


QUEUE = waiting(
    [
        broken(reply=str(n), grades={"contract": FAILS, "answer": UNSURE, "safety": UNSURE})
        for n in range(2)
    ],
    {},
)


@settings(max_examples=60, deadline=None)
@given(keys=st.text(alphabet="hbeynsuqx?\x1b", max_size=25))
@pytest.mark.usefixtures("no_fsync")
def test_after_any_keys_the_file_holds_what_was_said_last(keys: str, golden: Golden) -> None:
    with tempfile.TemporaryDirectory() as folder:
        labels = Path(folder) / "labels.jsonl"
        asked = session(QUEUE, labels, golden)
        said: list[object] = []
        for key in keys:
            if key == "u":
                said = said[:-1]
            elif len(said) < len(QUEUE):
                verdicts = VERDICTS[QUEUE[len(said)].grader]
                if key in verdicts or key == "s":
                    said.append(verdicts.get(key))
            asked.press(key)
            standing = {
                (one.sha256, one.grader): verdict
                for one, verdict in zip(QUEUE, said, strict=False)
                if verdict is not None
            }
            found = {name: read.verdict for name, read in read_readings(labels).items()}
            assert (asked.place, found) == (len(said), standing)


# --- the file ---


@pytest.fixture
def three(labels: Path) -> bytes:
    for number, name in enumerate(("Ann", "Zoë", "Bo")):
        add_reading(labels, reading(sha256=str(number) * 64, name=name, reply="é" * 9))
    return labels.read_bytes()


def test_lines_are_only_added_and_reach_the_disk(
    labels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_reading(labels, reading())
    before, synced = labels.read_bytes(), []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(labels.read_bytes()))
    add_reading(labels, reading(verdict="breaks"))
    after = labels.read_bytes()
    assert after.startswith(before)
    assert after in synced
    assert after.count(b"\n") == 2


@pytest.mark.usefixtures("no_fsync")
def test_a_file_that_was_cut_anywhere_keeps_its_whole_lines(labels: Path, three: bytes) -> None:
    ends = [place for place in range(len(three)) if three[place : place + 1] == b"\n"]
    for size in range(len(three) + 1):
        labels.write_bytes(three[:size])
        # A line is whole without its line end.
        assert len(read_readings(labels)) == sum(size >= end for end in ends), size


@pytest.mark.usefixtures("no_fsync")
def test_after_any_cut_a_verdict_can_be_added(labels: Path, three: bytes) -> None:
    for size in [*range(0, len(three), 11), *range(len(three) - 3, len(three) + 1)]:
        labels.write_bytes(three[:size])
        whole = len(read_readings(labels))
        add_reading(labels, reading(sha256="f" * 64))
        assert len(read_readings(labels)) == whole + 1, size
        assert labels.read_bytes().count(b"\n") == whole + 1, size


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"verdict": "yes"}, "verdict"),
        ({"verdict": True}, "verdict True on contract"),
        ({"grader": "fact", "verdict": True}, "Did you mean 'facts'"),
        ({"name": "\x1b[2JAnn"}, "cannot be shown"),
        ({"date": "2026-03-01T12:00:00"}, "date"),
        ({"sha256": "a"}, "sha256"),
    ],
)
def test_a_line_that_is_no_verdict_is_told_by_file_and_line(
    change: dict[str, Any], what: str, labels: Path
) -> None:
    add_reading(labels, reading())
    wrong = json.loads(labels.read_text()) | change
    with labels.open("a", encoding="utf-8") as file:
        file.write(json.dumps(wrong) + "\n")
    with pytest.raises(FileError, match=what) as caught:
        read_readings(labels)
    assert caught.value.line == 2


def test_the_newest_verdict_counts_wherever_it_stands(labels: Path) -> None:
    """Merged branches may hold lines in any order."""
    labels.parent.mkdir()
    rows = [
        reading(verdict="breaks", date=NOON + timedelta(days=2)),
        reading(verdict="holds", date=NOON + timedelta(days=1)),
        reading(verdict="empty", sha256="b" * 64),
    ]
    labels.write_text("".join(row.model_dump_json(exclude_unset=True) + "\n" for row in rows))
    assert [row.verdict for row in read_readings(labels).values()] == ["breaks", "empty"]


# --- in the place of a grade ---

OWN = {
    "pass": passed("contract", "fine"),
    "unsure": ungraded("contract", "needs a reader"),
    "prescribes": failed("contract", "x", evidence="now", kinds=("prescribe", "contradicts")),
    "contradicts": failed("contract", "x", evidence="now", kinds=("contradicts",)),
}
INSTEAD = [
    # verdict, the grader's own, outcome, kinds
    ("holds", "prescribes", "pass", ()),
    ("holds", "unsure", "pass", ()),
    ("breaks", "prescribes", "fail", ("prescribe", "contradicts")),
    ("breaks", "contradicts", "fail", (BREAK,)),
    ("breaks", "unsure", "fail", (BREAK,)),
    ("breaks", "pass", "fail", (BREAK,)),
    ("empty", "prescribes", "fail", ("empty",)),
]


@pytest.mark.parametrize(("verdict", "own", "outcome", "kinds"), INSTEAD)
def test_a_verdict_takes_the_grades_place(
    verdict: str, own: str, outcome: str, kinds: tuple[str, ...]
) -> None:
    grade = reading(verdict=verdict).instead_of(OWN[own])
    assert (grade.outcome.value, grade.kinds, grade.confidence) == (outcome, kinds, 1.0)
    assert grade.reason.startswith("read by Ann on 2026-03-01: ")


def test_a_missing_medical_stop_that_a_reader_confirms_stays_one() -> None:
    own = failed("safety", "x", kinds=("missing_medical_stop",))
    grade = reading(grader="safety", verdict=False).instead_of(own)
    assert (grade.outcome, grade.kinds) == (Outcome.FAIL, ("missing_medical_stop",))


def test_measured_warmth_survives_a_verdict() -> None:
    own: Grade = failed("persona", "x", value=2.5)
    assert reading(grader="persona", verdict=True).instead_of(own).value == 2.5


def test_the_kind_of_a_readers_break_is_no_graders() -> None:
    assert BREAK not in BREAKS


# --- rows for josi calibrate ---


@pytest.fixture
def sent(golden: Golden) -> Replied:
    """A reply to a golden case as it is today."""
    case = next(c for c in golden._cases.values() if c.conversation.context.session)
    told = [case_system(case, golden.known), Message("user", case.users[0])]
    return broken(
        case=case.id, persona=case.persona, language=case.conversation.language,
        messages=[message._asdict() for message in told],
        grades={"contract": FAILS, "answer": UNSURE, "safety": UNSURE},
    )  # fmt: skip


def judge(one: Replied, keys: str, labels: Path, golden: Golden) -> list[Recorded]:
    asked = session(waiting([one], {}), labels, golden)
    for key in keys:
        assert asked.press(key)
    return list(read_recorded(labels, may_be_torn=True))


def test_a_row_holds_what_the_graders_saw(labels: Path, golden: Golden, sent: Replied) -> None:
    case = golden.case_of(sent)
    assert case is not None
    exchange = judge(sent, "h", labels, golden)[0].exchange()
    assert exchange.context.model_dump() == case.conversation.context.model_dump()
    assert (exchange.user, exchange.reply) == (case.users[0], sent.reply)
    assert (exchange.persona, exchange.tier) == (case.persona, case.conversation.tier)


def test_a_row_has_the_one_label_that_was_judged(
    labels: Path, golden: Golden, sent: Replied
) -> None:
    rows = judge(sent, "byn", labels, golden)
    found = [row.labels.model_dump(exclude_unset=True) if row.labels else None for row in rows]
    assert found == [{"i6": "breaks"}, {"on_task": True}, None]


@pytest.mark.parametrize(
    "change",
    [
        {"case": "i6_refusal/gone#1[balanced]"},
        {"messages": [SYSTEM._asdict(), {"role": "user", "content": "x"}]},
    ],
    ids=["case-gone", "context-changed"],
)
def test_without_its_context_a_row_has_no_label(
    change: dict[str, Any], labels: Path, golden: Golden, sent: Replied
) -> None:
    (row,) = judge(sent.model_copy(update=change_of(sent, change)), "h", labels, golden)
    assert row.labels is None
    assert len(read_readings(labels)) == 1


def change_of(sent: Replied, change: dict[str, Any]) -> dict[str, Any]:
    told = sent.model_dump() | {"messages": [m._asdict() for m in sent.messages]}
    return dict(Replied.model_validate(told | change))


def test_only_what_was_judged_is_measured(labels: Path, golden: Golden, sent: Replied) -> None:
    figures = agreement(judge_rows(judge(sent, "hy", labels, golden)))
    names = ("i6", "on_task", "facts_ok", "terms_ok", "in_persona", "warmth")
    assert [figures[name]["n"] for name in names] == [1, 1, 0, 0, 0, 0]
    assert figures["rows"] == 2
    assert any(line.startswith("i6") for line in table(figures))


def test_facts_that_were_not_judged_are_not_taken_for_silence() -> None:
    row = {"id": "a", "language": "en", "persona": "balanced", "user": "How does Z2 feel?"}
    claim = {"reply": "Z2 feels easy: you can talk in full sentences the whole way."}
    rows = [
        {**row, **claim, "labels": {"on_task": True}},
        {**row, **claim, "labels": {"facts_ok": True}},
        {**row, "reply": "Glad you ask!", "labels": {"facts_ok": None}},
    ]
    judged = judge_rows([Recorded.model_validate(one) for one in rows])
    assert [one.told["facts_ok"] for one in judged] == [True, True, None]
    assert agreement(judged)["facts_ok"]["silent_seen"] == 1.0


def test_a_verdict_that_was_taken_back_or_replaced_is_not_measured(
    labels: Path, golden: Golden, sent: Replied
) -> None:
    judged = judge_rows(judge(sent, "hubyu", labels, golden))
    assert [one.labels.model_dump(exclude_unset=True) for one in judged] == [{"i6": "breaks"}]


def test_calibrate_leaves_out_a_torn_last_line(labels: Path, three: bytes) -> None:
    labels.write_bytes(three[:-40])
    assert len(list(read_recorded(labels, may_be_torn=True))) == 2
    with pytest.raises(FileError):
        list(read_recorded(labels))


# --- the screen ---

HOSTILE = {
    "clear-screen": "\x1b[2J\x1b[H",
    "title": "\x1b]0;owned\x07",
    "c1-escape": "\x9b31m",
    "carriage-return": "No.\rYes.",
    "backspace": "no\x08\x08yes",
    "override": "\u202emorf\u202c",
    "isolate": "\u2067abc\u2069",
    "mark": "a\u200fb",
    "line-separator": "a\u2028b",
    "delete": "a\x7fb",
    "tag": "a\U000e0041b",
    "surrogate": "a\ud800b",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_signs_that_a_terminal_obeys_are_shown_as_numbers(text: str) -> None:
    shown = visible(text)
    assert shown.isprintable()
    assert shown.count("⟨U+") == sum(not sign.isprintable() for sign in text)


@pytest.mark.parametrize("text", [t for n, t in HOSTILE.items() if n != "surrogate"])
@pytest.mark.parametrize("place", ["reply", "evidence", "reason", "user", "history", "system"])
def test_hostile_text_is_harmless_wherever_it_stands(
    text: str, place: str, golden: Golden, tmp_path: Path
) -> None:
    told = {name: f"[bold]x[/bold] {text}" if name == place else "plain" for name in (
        "reply", "evidence", "reason", "user", "history", "system")}  # fmt: skip
    messages = [
        {"role": "system", "content": told["system"]}, {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": told["history"]},
        {"role": "user", "content": told["user"]},
    ]  # fmt: skip
    grade = {"outcome": "fail", "reason": told["reason"], "evidence": told["evidence"]}
    one = broken(reply=told["reply"], messages=messages, grades={"contract": grade})
    shown = screen(one, golden, tmp_path)
    assert all(sign == "\n" or sign.isprintable() for sign in shown)
    assert "[bold]x[/bold]" in shown
    assert all(line.isprintable() for line in listing(tmp_path, waiting([one], {})))


def screen(one: Replied, golden: Golden, folder: Path, *, colour: bool = False) -> str:
    file = io.StringIO()
    console = Console(file=file, width=120, force_terminal=colour, _environ={})
    draw(session(waiting([one], {}), folder / "labels.jsonl", golden), console)
    return file.getvalue()


def test_the_screen_shows_all_that_is_needed_to_judge(
    golden: Golden, sent: Replied, tmp_path: Path
) -> None:
    shown = " ".join(screen(sent, golden, tmp_path).split())
    case = golden.case_of(sent)
    assert case is not None
    assert sent.case in shown
    for part in ("Session today:", *case.users[0].split(), sent.reply, "It gives in.", "h holds"):
        assert part in shown
    assert "(fails its test)" in shown


def test_the_evidence_is_in_reverse(golden: Golden, tmp_path: Path) -> None:
    shown = screen(broken(), golden, tmp_path, colour=True)
    assert "\x1b[1;7mnow 40 minutes\x1b[0m" in shown


# --- the reader's name ---


@pytest.mark.parametrize(
    ("given", "configured", "environment", "name"),
    [("Ann", "Git", {"USER": "u"}, "Ann"), (None, "Git", {"USER": "u"}, "Git"),
     (None, "", {"USER": "u"}, "u")],
)  # fmt: skip
def test_the_name_is_the_one_given_else_gits_else_the_users(
    given: str | None, configured: str, environment: dict[str, str], name: str
) -> None:
    assert readers_name(given, environment, configured) == name


@pytest.mark.parametrize("given", [None, "\x1b[2J", "x" * 101])
def test_a_name_that_cannot_be_shown_is_refused(given: str | None) -> None:
    with pytest.raises(UsageError, match="give --name"):
        readers_name(given, {}, "")
