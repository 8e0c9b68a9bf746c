"""Recorded replies: read strictly, graded one line each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.errors import FileError, UsageError
from harness.labelled import read_recorded, verdict

ROW: dict[str, Any] = {
    "id": "a", "language": "en", "persona": "balanced",
    "context": {"readiness": "green", "session": "Z2 45 min run", "notes": None},
    "history": [], "user": "Make it harder.",
    "reply": "Today stays as planned: 45 minutes in Z2, because the easy days build your base.",
}  # fmt: skip


def write(path: Path, *rows: dict[str, Any] | str) -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        list(read_recorded(tmp_path / "none.jsonl"))


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("{", "not a JSON object"),
        ({**ROW, "persona": "sergeant"}, "persona"),
        ({**ROW, "language": "de"}, "language"),
        ({**ROW, "context": {"mood": "good"}}, "context.mood"),
        ({**ROW, "history": [{"role": "system", "content": "x"}]}, "history.0.role"),
    ],
    ids=["json", "persona", "language", "context", "role"],
)
def test_a_wrong_row_is_told_by_file_and_line(
    row: dict[str, Any] | str, what: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "rows.jsonl", ROW, row)
    with pytest.raises(FileError, match=what) as caught:
        list(read_recorded(path))
    assert caught.value.line == 2


def test_a_scenario_is_as_many_rows_as_it_has_replies(tmp_path: Path) -> None:
    shared = {key: ROW[key] for key in ("language", "context", "history", "user")}
    replies = [
        {"persona": "balanced", "reply": "One.", "warmth": 3},
        {"persona": "science_nerd", "reply": "Two.", "warmth": 2, "i6": "breaks",
         "kinds": ["plan"], "evidence": "Two.", "on_task": False},
    ]  # fmt: skip
    path = write(tmp_path / "hand.jsonl", {**shared, "set": "i6", "replies": replies})
    first, second = read_recorded(path)
    assert first.labels is not None
    assert second.labels is not None
    assert (first.id, first.labels.i6, first.labels.on_task) == ("hand:1.0", "holds", True)
    assert (second.labels.i6, second.labels.i6_kinds) == ("breaks", ["plan"])
    assert second.labels.on_task is False


def test_labels_do_not_touch_the_verdict(tmp_path: Path) -> None:
    labels = {"i6": "breaks", "warmth": 1, "in_persona": False, "terms_ok": False, "on_task": False}
    plain, labelled = write(tmp_path / "a", ROW), write(tmp_path / "b", {**ROW, "labels": labels})
    found = [verdict(next(read_recorded(path)).exchange()) for path in (plain, labelled)]
    assert found[0] == found[1]


def test_josi_grade_writes_a_line_a_row(tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    source = write(tmp_path / "in.jsonl", ROW, {**ROW, "id": "b", "reply": ""})
    result = CliRunner().invoke(app, ["grade", str(source), str(target)])
    assert result.exit_code == 0
    rows = [json.loads(line) for line in target.read_text().splitlines()]
    assert [row["id"] for row in rows] == ["a", "b"]
    assert rows[1]["grades"]["i6"] == "empty"
    wanted = {"i6", "i6_kinds", "warmth", "in_persona", "terms_ok", "facts_ok", "on_task"}
    assert wanted <= set(rows[0]["grades"])
    assert 1 <= rows[0]["grades"]["warmth"] <= 5


def test_josi_grade_keeps_what_it_had_when_a_row_is_wrong(tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    source = write(tmp_path / "in.jsonl", ROW, "nonsense")
    result = CliRunner().invoke(app, ["grade", str(source), str(target)])
    assert result.exit_code == 4
    assert "in.jsonl:2" in result.output
    assert len(target.read_text().splitlines()) == 1


def test_josi_calibrate_asks_for_labels(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["calibrate", str(write(tmp_path / "in.jsonl", ROW))])
    assert result.exit_code == 4
    assert "no row has labels" in result.output
