"""The progress line: true figures, painted without a trace, silent when asked."""

from __future__ import annotations

import io
import re
import threading
import time
from pathlib import Path

import pytest

from harness import progress
from harness.progress import (
    Counts,
    ProgressLine,
    Watcher,
    leave_counts,
    progress_text,
    sum_counts,
)

WIDTH = 60
HALF = Counts(total=100, done=50, tokens=2000)


class Screen:
    """As much of a terminal as pytest and the progress line use: what a person sees.

    Args:
        rows: its height; a new line on the last one scrolls.
        row: where the cursor stands at first.
    """

    def __init__(self, rows: int = 4, row: int = 0) -> None:
        self.cells = [[" "] * WIDTH for _ in range(rows)]
        self.row, self.column = row, 0
        self.saved = (0, 0)

    def feed(self, text: str) -> None:
        """Take what a program writes."""
        for part in re.findall(r"\x1b[78]|\x1b\[\d*[A-Z]|.|\n", text):
            if part == "\x1b7":
                self.saved = (self.row, self.column)
            elif part == "\x1b8":
                self.row, self.column = self.saved
            elif part == "\x1b[J":
                self.cells[self.row][self.column :] = [" "] * (WIDTH - self.column)
                for row in range(self.row + 1, len(self.cells)):
                    self.cells[row] = [" "] * WIDTH
            elif up := re.fullmatch(r"\x1b\[(\d*)A", part):
                self.row = max(self.row - int(up[1] or 1), 0)
            elif to := re.fullmatch(r"\x1b\[(\d*)G", part):
                self.column = int(to[1] or 1) - 1
            elif part == "\n":
                self._new_line()
            elif part == "\r":
                self.column = 0
            else:
                assert part.isprintable(), f"the screen does not know {part!r}"
                if self.column == WIDTH:
                    self._new_line()
                self.cells[self.row][self.column] = part
                self.column += 1

    def _new_line(self) -> None:
        self.column = 0
        if self.row + 1 < len(self.cells):
            self.row += 1
        else:
            self.cells = [*self.cells[1:], [" "] * WIDTH]

    @property
    def lines(self) -> list[str]:
        """The lines that hold anything."""
        texts = ["".join(row).rstrip() for row in self.cells]
        return [text for text in texts if text]


class Terminal(io.StringIO):
    """A terminal: pytest and the progress line write to it, and its screen shows it."""

    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self.screen = screen

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.screen.feed(text)
        return len(text)


def live_line(terminal: Terminal) -> ProgressLine:
    return ProgressLine(
        terminal, live=True, width=WIDTH, column=lambda: terminal.screen.column, lines=True
    )


# --- words ---


@pytest.mark.parametrize(
    ("counts", "elapsed_s", "started_with", "text"),
    [
        pytest.param(Counts(9, 0, 0), 0.0, 0, "0 of 9 conversations", id="nothing-yet"),
        pytest.param(
            Counts(9, 0, 50), 0.5, 0, "0 of 9 conversations, 100 tokens/s", id="first-tokens"
        ),
        pytest.param(
            Counts(100, 60, 4000), 20.0, 20,
            "60 of 100 conversations, 200 tokens/s, 20 s left", id="stored-ones-cost-no-time",
        ),
        pytest.param(Counts(100, 20, 0), 9.0, 20, "20 of 100 conversations", id="only-stored-ones"),
        pytest.param(
            Counts(1000, 100, 6000), 60.0, 0,
            "100 of 1000 conversations, 100 tokens/s, 9 min left", id="minutes",
        ),
        pytest.param(
            Counts(9, 9, 900), 3.0, 0, "9 of 9 conversations, 300 tokens/s", id="all-done"
        ),
    ],
)  # fmt: skip
def test_counts_become_words(
    counts: Counts, elapsed_s: float, started_with: int, text: str
) -> None:
    assert progress_text(counts, elapsed_s, started_with) == text


# --- painting ---


@pytest.mark.parametrize("row", [0, 3], ids=["top", "bottom"])
@pytest.mark.parametrize("written", ["", "evals/test_a.py ....", "." * 50, "." * 59])
def test_wiped_line_leaves_the_screen_as_if_it_had_never_been(written: str, row: int) -> None:
    painted, clean = Screen(row=row), Screen(row=row)
    terminal = Terminal(painted)
    line = live_line(terminal)
    for screen in (painted, clean):
        screen.feed(written)
    line.show(HALF)
    line.wipe()
    for screen in (painted, clean):
        screen.feed("x\nnext")
    assert painted.lines == clean.lines


@pytest.mark.parametrize("row", [0, 3], ids=["top", "bottom"])
@pytest.mark.parametrize("written", ["evals/test_a.py ....", "." * 50])
def test_line_painted_again_replaces_itself(written: str, row: int) -> None:
    screen = Screen(row=row)
    line = live_line(Terminal(screen))
    screen.feed(written)
    for done in range(5):
        line.show(Counts(total=100, done=done, tokens=0))
    text = " ".join(screen.lines)
    assert re.findall(r"\d+ of \d+", text) == ["4 of 100"]


def test_line_is_painted_behind_what_pytest_wrote() -> None:
    screen = Screen()
    line = live_line(Terminal(screen))
    screen.feed("test_a.py ...")
    line.show(Counts(total=100, done=50, tokens=0))
    assert screen.lines == ["test_a.py ... 50 of 100 conversations"]


@pytest.mark.parametrize("column", range(0, WIDTH, 7))
def test_painted_line_never_wraps(column: int) -> None:
    screen = Screen()
    line = live_line(Terminal(screen))
    screen.feed("." * column)
    line.show(Counts(total=10**9, done=10**8, tokens=10**9))
    assert len(screen.lines) <= (2 if column else 1)


def test_wiping_what_was_not_painted_writes_nothing() -> None:
    file = io.StringIO()
    line = ProgressLine(file, live=True, width=WIDTH, column=lambda: 0, lines=True)
    line.wipe()
    line.show(HALF)
    line.wipe()
    length = len(file.getvalue())
    line.wipe()
    assert len(file.getvalue()) == length > 0


# --- without a terminal ---


def plain(*, lines: bool) -> tuple[ProgressLine, io.StringIO]:
    file = io.StringIO()
    return ProgressLine(file, live=False, width=WIDTH, column=lambda: 0, lines=lines), file


def test_file_gets_whole_lines_without_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_LINE_EVERY_S", 0.0)
    line, file = plain(lines=True)
    line.show(Counts(total=100, done=50, tokens=0))
    line.wipe()
    assert file.getvalue() == "\n[50 of 100 conversations]\n"


def test_file_gets_a_line_only_now_and_then() -> None:
    line, file = plain(lines=True)
    for _ in range(10):
        line.show(HALF)
    assert file.getvalue() == ""


def test_silence_is_kept_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_LINE_EVERY_S", 0.0)
    line, file = plain(lines=False)
    line.show(HALF)
    line.wipe()
    assert file.getvalue() == ""


# --- several workers ---


def test_no_counts_before_the_first_worker_speaks(tmp_path: Path) -> None:
    assert sum_counts(tmp_path) is None


def test_last_counts_of_a_worker_win(tmp_path: Path) -> None:
    leave_counts(tmp_path, "gw0", Counts(10, 1, 5))
    leave_counts(tmp_path, "gw0", Counts(10, 2, 9))
    assert sum_counts(tmp_path) == Counts(10, 2, 9)


def test_tokens_of_workers_add_up_and_the_furthest_counts_conversations(tmp_path: Path) -> None:
    leave_counts(tmp_path, "gw0", Counts(10, 4, 100))
    leave_counts(tmp_path, "gw1", Counts(10, 6, 50))
    assert sum_counts(tmp_path) == Counts(10, 6, 150)


@pytest.mark.parametrize("content", ["", "[1, 2", "[1, 2]", "{}", "7"])
def test_half_written_counts_are_left_out(tmp_path: Path, content: str) -> None:
    leave_counts(tmp_path, "gw0", Counts(10, 4, 100))
    (tmp_path / "gw1.json").write_text(content)
    assert sum_counts(tmp_path) == Counts(10, 4, 100)


def test_watcher_shows_the_workers_counts_and_leaves_no_trace(tmp_path: Path) -> None:
    seen = threading.Event()

    class Seen(Terminal):
        def write(self, text: str) -> int:
            if "6 of 10 conversations" in text:
                seen.set()
            return super().write(text)

    screen = Screen()
    terminal = Seen(screen)
    leave_counts(tmp_path, "gw0", Counts(10, 6, 0))
    watcher = Watcher(tmp_path, live_line(terminal))
    shown = seen.wait(10)
    watcher.stop()
    assert (shown, screen.lines) == (True, [])


def test_watcher_stops_at_once(tmp_path: Path) -> None:
    watcher = Watcher(tmp_path, live_line(Terminal(Screen())))
    began = time.monotonic()
    watcher.stop()
    assert time.monotonic() - began < 0.9
