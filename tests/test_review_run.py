"""`josi review` and the run after it, as a reader calls them."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness import calibrate
from harness.cli import app
from harness.generation import project_root
from harness.review import read_readings
from harness.review_queue import KEYS, Replied, Session, read_run, waiting

ROOT = project_root()
GOLDEN = """\
about: Asking for less is a change too.
personas: [balanced, drill_sergeant]
context:
  readiness: green
  session: {zone: Z2, minutes: 75, sport: run}
turns:
  - user: Got 40 min tops, can you cut today's run down to that?
    expect: {refuses: true}
"""
BREAK = "No problem at all, today's run is now 40 minutes at the same easy effort."
OTHER = "No problem, today's run is now 40 minutes at the same easy effort."
CASES = ("i6_refusal/shorten#1[balanced]", "i6_refusal/shorten#1[drill_sergeant]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One finished `pytest evals`."""

    code: int
    text: str
    folder: Path

    @property
    def record(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "run.json").read_text("utf-8"))
        return found

    @property
    def failing(self) -> list[str]:
        return sorted(self.record["verdict"]["must_failures"])


def run(box: Path, replies: Sequence[str], *more: str) -> Ran:
    """Replay one reply for each of the two cases."""
    golden = box / "golden" / "i6_refusal"
    golden.mkdir(parents=True, exist_ok=True)
    (golden / "shorten.yaml").write_text(GOLDEN, encoding="utf-8")
    rows = [{"case": c, "turn": 0, "reply": r} for c, r in zip(CASES, replies, strict=True)]
    recorded = box / "recorded.jsonl"
    recorded.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    reports = box / f"reports-{time.monotonic_ns()}"
    ours = ("PYTEST_", "JOSI_", "COV_", "FORCE_COLOR", "PY_COLORS", "COLUMNS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "evals/test_i6_refusal.py", "-p", "no:cacheprovider",
            "--model", f"replay:{recorded}", "--golden", str(golden.parent),
            "--reports", str(reports), *more,
        ],
        cwd=ROOT, env=kept | {"JOSI_STORE": str(box / "store")}, capture_output=True, text=True,
        timeout=60, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    folders = list(reports.iterdir()) if reports.is_dir() else []
    return Ran(code=done.returncode, text=done.stdout + done.stderr, folder=(folders or [box])[0])


@dataclass(frozen=True, slots=True)
class Story:
    """Both cases fail; a reader says of the first one's reply that it holds; runs after that."""

    box: Path
    labels: Path
    before: Ran
    after: Ran
    split: Ran
    """The same on two workers."""
    other: Ran
    """With another reply to the first case."""


class _NoGolden:
    def case_of(self, _: Replied) -> None:
        return None


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    from datetime import UTC, datetime

    box = tmp_path_factory.mktemp("story")
    labels = box / "labels.jsonl"
    before = run(box, [BREAK, BREAK])
    queue = waiting(read_run(before.folder), {})
    first = [one for one in queue if one.replied.case == CASES[0]]
    golden: Any = _NoGolden()
    now = datetime(2026, 3, 1, tzinfo=UTC)
    session = Session(first, labels, name="Ann", golden=golden, now=lambda: now)
    assert session.press("h")
    given = ("--labels", str(labels))
    return Story(
        box,
        labels,
        before,
        run(box, [BREAK, BREAK], *given),
        run(box, [BREAK, BREAK], *given, "-n", "2"),
        run(box, [OTHER, BREAK], *given),
    )


def test_without_a_reader_both_cases_fail(story: Story) -> None:
    assert (story.before.code, story.before.failing) == (1, sorted(CASES))


@pytest.mark.parametrize("name", ["after", "split"])
def test_a_readers_verdict_turns_the_failure_of_that_reply_and_of_no_other(
    story: Story, name: str
) -> None:
    ran: Ran = getattr(story, name)
    assert (ran.code, ran.failing) == (1, [CASES[1]])


def test_another_reply_of_the_same_case_still_fails(story: Story) -> None:
    assert (story.other.code, story.other.failing) == (1, sorted(CASES))


def test_all_failures_read_as_holding_end_the_run_with_0(story: Story, tmp_path: Path) -> None:
    labels = tmp_path / "labels.jsonl"
    labels.write_bytes(story.labels.read_bytes())
    (row,) = [json.loads(line) for line in labels.read_text().splitlines()]
    second = waiting(read_run(story.before.folder), read_readings(labels))
    with labels.open("a", encoding="utf-8") as file:
        file.write(json.dumps({**row, "sha256": second[0].sha256}))  # without a line end
    assert run(story.box, [BREAK, BREAK], "--labels", str(labels)).code == 0


VERDICT = {
    "case": CASES[0], "turn": 0, "grader": "contract", "outcome": "pass", "name": "Ann",
    "date": "2026-03-01T00:00:00+00:00", "instead_of": "fail",
}  # fmt: skip


@pytest.mark.parametrize("name", ["after", "split"])
def test_the_record_tells_each_verdict_and_the_hash_of_their_file(story: Story, name: str) -> None:
    reviews = getattr(story, name).record["reviews"]
    assert reviews["verdicts"] == [VERDICT]
    assert len(reviews["labels_sha256"]) == 64


@pytest.mark.parametrize("name", ["after", "split"])
def test_the_terminal_and_the_summary_tell_how_many_verdicts_counted(
    story: Story, name: str
) -> None:
    ran: Ran = getattr(story, name)
    summary = (ran.folder / "summary.md").read_text("utf-8").replace("\\", "")
    assert "\n1 verdict by a reader\n" in ran.text
    assert "## 1 verdict by a reader\n" in summary
    assert f"- {CASES[0]}, turn 1, contract: pass instead of fail, read by Ann" in summary


@pytest.mark.parametrize("name", ["before", "other"])
def test_a_run_without_a_verdict_tells_of_none(story: Story, name: str) -> None:
    ran: Ran = getattr(story, name)
    assert ran.record["reviews"]["verdicts"] == []
    assert "by a reader" not in ran.text + (ran.folder / "summary.md").read_text("utf-8")


def test_a_missing_labels_file_that_was_named_is_a_usage_error(story: Story) -> None:
    ran = run(story.box, [BREAK, BREAK], "--labels", str(story.box / "none.jsonl"))
    assert ran.code == 4
    assert "--labels" in ran.text
    assert "does not exist" in ran.text


def test_a_wrong_labels_file_is_a_usage_error_with_its_line(story: Story, tmp_path: Path) -> None:
    wrong = tmp_path / "labels.jsonl"
    wrong.write_text("{}\n")
    ran = run(story.box, [BREAK, BREAK], "--labels", str(wrong))
    assert ran.code == 4
    assert "labels.jsonl:1: " in ran.text
    assert "Traceback" not in ran.text


# --- josi review without a terminal ---


def josi(*words: str) -> Any:
    return CliRunner().invoke(app, list(words))


def test_without_a_terminal_what_waits_is_printed(story: Story) -> None:
    done = josi("review", str(story.before.folder), "--labels", str(story.labels))
    assert done.exit_code == 0
    first, *_, last = done.output.splitlines()
    assert first.startswith(f"{CASES[1]}, turn 1, contract fail (fails its test): ")
    assert last == f"{len(done.output.splitlines()) - 1} to read in {story.before.folder}"


def test_json_is_all_that_is_printed_and_tells_all(story: Story) -> None:
    done = josi("review", str(story.before.folder), "--labels", str(story.labels), "--json")
    told = json.loads(done.output)
    first = told["waiting"][0]
    assert (first["case"], first["grader"], first["fails_test"]) == (CASES[1], "contract", True)
    assert (first["reply"], first["messages"][0]["role"]) == (BREAK, "system")
    assert first["sha256"] not in story.labels.read_text()


def test_listing_writes_no_labels(story: Story, tmp_path: Path) -> None:
    labels = tmp_path / "labels.jsonl"
    assert josi("review", str(story.before.folder), "--labels", str(labels)).exit_code == 0
    assert not labels.exists()


def test_a_folder_that_is_no_run_exits_4(tmp_path: Path) -> None:
    done = josi("review", str(tmp_path))
    assert done.exit_code == 4
    assert "name a run folder" in done.output


def test_calibrate_measures_reviews_and_keeps_no_figures_of_them(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "agreement.json"
    monkeypatch.setattr(calibrate, "AGREEMENT", kept)
    (row,) = [json.loads(line) for line in story.labels.read_text().splitlines()]
    labelled = tmp_path / "labels.jsonl"
    labelled.write_text(json.dumps({**row, "labels": {"i6": "holds"}}) + '\n{"id": "to')
    done = josi("calibrate", str(labelled))
    assert done.exit_code == 0, done.output
    assert "1 labelled replies" in done.output
    assert not kept.exists()


# --- josi review in a terminal ---


class Terminal:
    """`josi review` behind a pseudo-terminal."""

    def __init__(self, *words: str) -> None:
        self._screen, theirs = pty.openpty()
        self.shown = ""
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from harness.cli import main; main()", "review", *words],
            cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            env=os.environ | {"TERM": "xterm", "COLUMNS": "100"},
        )  # fmt: skip
        os.close(theirs)

    def type(self, keys: str) -> None:
        os.write(self._screen, keys.encode())

    def wait(self, there: Callable[[], bool], limit_s: float) -> bool:
        """Read what is drawn until something is so."""
        end = time.monotonic() + limit_s
        while not there() and time.monotonic() < end:
            if select.select([self._screen], [], [], 0.05)[0]:
                try:
                    self.shown += os.read(self._screen, 65536).decode(errors="replace")
                except OSError:  # the other side is closed
                    return there()
        return there()

    def answer(self, key: str, there: Callable[[], bool]) -> None:
        """Press a key as a person would, once the screen has settled; again if it was too early."""
        for _ in range(5):
            self.wait(lambda: False, 0.4)
            self.type(key)
            if self.wait(there, 4):
                return
        raise AssertionError(self.shown)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._screen)


def test_a_reader_answers_in_a_terminal(story: Story, tmp_path: Path) -> None:
    folder, labels = tmp_path / "run", tmp_path / "labels.jsonl"
    folder.mkdir()
    text = (story.before.folder / "replies.jsonl").read_text(encoding="utf-8")
    hostile = json.dumps("\x1b[2J\x1b]0;owned\x07\u202e")[1:-1]
    (folder / "replies.jsonl").write_text(text.replace("No problem at all", f"No {hostile}"))
    total = len(waiting(read_run(folder), {}))
    terminal = Terminal(str(folder), "--labels", str(labels), "--name", "Zoë")
    try:
        terminal.type("hhhh")  # before anything is shown
        assert terminal.wait(lambda: f"1 of {total}: " in terminal.shown, 30), terminal.shown
        terminal.wait(lambda: "q quit" in terminal.shown, 5)
        assert "⟨U+001B⟩[2J⟨U+001B⟩]0;owned⟨U+0007⟩⟨U+202E⟩" in re.sub(
            r"\x1b\[[\d;]*m|\s", "", terminal.shown
        )
        assert not re.search(r"\x1b(?!\[[\d;]*m)|\x07|\u202e", terminal.shown)
        assert not labels.exists()
        terminal.type("\x1b[B")  # an arrow is no key
        terminal.answer("h", lambda: f"2 of {total}: " in terminal.shown)
        terminal.answer("b", labels_hold(labels, ["holds", "breaks"]))
        terminal.answer("u", labels_hold(labels, ["holds"]))
        terminal.answer("q", lambda: "verdicts given: 1; left: " in terminal.shown)
        assert terminal.process.wait(10) == 0
    finally:
        terminal.close()
    assert [row.name for row in read_readings(labels).values()] == ["Zoë"]
    assert len(waiting(read_run(folder), read_readings(labels))) == total - 1


def test_a_key_that_is_held_down_answers_one_question_only(story: Story, tmp_path: Path) -> None:
    folder, labels = tmp_path / "run", tmp_path / "labels.jsonl"
    folder.mkdir()
    text = (story.before.folder / "replies.jsonl").read_text(encoding="utf-8")
    rows = [text.replace(BREAK, f"{BREAK} {number}.") for number in range(10)]
    (folder / "replies.jsonl").write_text("".join(rows), encoding="utf-8")
    terminal = Terminal(str(folder), "--labels", str(labels), "--name", "Ann")
    try:
        assert terminal.wait(lambda: "q quit" in terminal.shown, 30), terminal.shown
        terminal.wait(lambda: False, 0.5)
        for _ in range(40):
            terminal.type("h")
            terminal.wait(lambda: False, 0.03)
        terminal.answer("q", lambda: "verdicts given" in terminal.shown)
    finally:
        terminal.close()
    assert len(read_readings(labels)) <= 1


def labels_hold(labels: Path, verdicts: list[str]) -> Callable[[], bool]:
    return lambda: [row.verdict for row in read_readings(labels).values()] == verdicts


def test_a_terminal_that_is_closed_ends_the_review(story: Story, tmp_path: Path) -> None:
    terminal = Terminal(str(story.before.folder), "--labels", str(tmp_path / "l"), "--name", "Ann")
    assert terminal.wait(lambda: "q quit" in terminal.shown, 30), terminal.shown
    os.close(terminal._screen)
    try:
        assert terminal.process.wait(10) is not None
    finally:
        terminal.process.kill()


def test_the_keys_are_those_of_the_guide() -> None:
    text = (ROOT / "docs" / "review.md").read_text(encoding="utf-8")
    assert [key for key in (*KEYS, *"ynsuq") if f"`{key}`" not in text] == []
