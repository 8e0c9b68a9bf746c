"""Strict YAML: what a person mistypes is an error at its own line; nothing else gets through."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Literal

import pytest

from harness.errors import FileError
from harness.strict_yaml import Strict, load_yaml


class Session(Strict):
    """A nested part."""

    zone: Literal["Z1", "Z2", "Z3"]
    minutes: int | None = None


class Page(Strict):
    """A small file of every shape: text, list, mapping, union."""

    title: str
    reviewed: date | None = None
    sessions: list[Session] | None = None
    by_name: dict[str, Session] | None = None
    today: Session | str | None = None


def load(tmp_path: Path, text: str) -> Page:
    path = tmp_path / "page.yaml"
    path.write_text(text, encoding="utf-8")
    return load_yaml(path, Page)


def error_of(tmp_path: Path, text: str) -> FileError:
    with pytest.raises(FileError) as caught:
        load(tmp_path, text)
    return caught.value


def test_file_becomes_the_model(tmp_path: Path) -> None:
    page = load(tmp_path, "title: één\nreviewed: 2026-05-01\nsessions:\n- {zone: Z2, minutes: 5}\n")
    assert page == Page(
        title="één", reviewed=date(2026, 5, 1), sessions=[Session(zone="Z2", minutes=5)]
    )


def test_error_begins_with_file_and_line(tmp_path: Path) -> None:
    error = error_of(tmp_path, "title: a\n\ncolour: red\n")
    assert str(error).startswith(f"{tmp_path / 'page.yaml'}:3: ")


UNKNOWN_KEYS = [
    pytest.param("title: a\nsesions: []\n", 2, "sesions", "sessions", id="top"),
    pytest.param("title: a\nreviewd: 2026-01-01\n", 2, "reviewd", "reviewed", id="optional"),
    pytest.param(
        "title: a\nsessions:\n- zone: Z1\n- zone: Z2\n  minuts: 5\n", 5, "minuts", "minutes",
        id="inside-a-list",
    ),
    pytest.param(
        "title: a\nby_name:\n  long:\n    zone: Z1\n    minuts: 5\n", 5, "minuts", "minutes",
        id="inside-a-mapping",
    ),
    pytest.param(
        "title: a\ntoday:\n  zone: Z1\n  minuts: 5\n", 4, "minuts", "minutes", id="inside-a-union"
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "key", "closest"), UNKNOWN_KEYS)
def test_unknown_key_is_named_with_its_line_and_the_closest_key(
    tmp_path: Path, text: str, line: int, key: str, closest: str
) -> None:
    error = error_of(tmp_path, text)
    assert error.line == line
    assert f"unknown key '{key}'. Did you mean '{closest}'?" in error.what


MISSPELT_REQUIRED = [
    pytest.param("reviewed: 2026-01-01\ntitel: a\n", 2, "titel", "title", id="top"),
    pytest.param("title: a\nsessions:\n- minutes: 5\n  zon: Z1\n", 4, "zon", "zone", id="nested"),
]


@pytest.mark.parametrize(("text", "line", "key", "closest"), MISSPELT_REQUIRED)
def test_misspelt_required_key_is_named_rather_than_called_missing(
    tmp_path: Path, text: str, line: int, key: str, closest: str
) -> None:
    error = error_of(tmp_path, text)
    assert error.line == line
    assert f"unknown key '{key}'. Did you mean '{closest}'?" in error.what


def test_unknown_key_without_a_close_one_lists_the_known_keys(tmp_path: Path) -> None:
    error = error_of(tmp_path, "title: a\nqqq: 1\n")
    assert "Did you mean" not in error.what
    assert "by_name, reviewed, sessions, title, today" in error.what


def test_missing_key_is_named_at_the_mapping_that_lacks_it(tmp_path: Path) -> None:
    error = error_of(tmp_path, "title: a\nsessions:\n- zone: Z1\n- minutes: 5\n")
    assert error.line == 4
    assert "key 'sessions.1.zone' is missing" in error.what


DUPLICATES = [
    pytest.param("title: a\ntoday: b\ntitle: c\n", 3, "title", id="top"),
    pytest.param("title: a\nsessions:\n- zone: Z1\n  zone: Z2\n", 4, "zone", id="inside-a-list"),
    pytest.param(
        "title: a\nby_name:\n  one: {zone: Z1}\n  one: {zone: Z2}\n", 4, "one", id="free-keys"
    ),
]


@pytest.mark.parametrize(("text", "line", "key"), DUPLICATES)
def test_key_given_twice_is_an_error_at_the_second(
    tmp_path: Path, text: str, line: int, key: str
) -> None:
    error = error_of(tmp_path, text)
    assert error.line == line
    assert f"key '{key}' is given twice" in error.what


def test_same_key_in_two_mappings_is_no_duplicate(tmp_path: Path) -> None:
    page = load(tmp_path, "title: a\nsessions: [{zone: Z1}, {zone: Z1}]\n")
    assert page.sessions == [Session(zone="Z1")] * 2


@pytest.mark.parametrize("written", ["no", "Yes", "on", "12:30", "1_000", "0x1F", "3.10"])
def test_text_that_yaml_takes_for_something_else_is_an_error_that_asks_for_quotes(
    tmp_path: Path, written: str
) -> None:
    error = error_of(tmp_path, f"today: a\ntitle: {written}\n")
    assert error.line == 2
    assert "title=" in error.what
    assert error.what.endswith("put the text in quotes")


WRONG_TYPES = [
    pytest.param(
        "title: a\nsessions:\n- {zone: Z1, minutes: '5'}\n", 3, "'5'", id="text-as-number"
    ),
    pytest.param("title: a\nsessions: {zone: Z1}\n", 2, "{'zone': 'Z1'}", id="mapping-as-list"),
    pytest.param("title: [a]\n", 1, "['a']", id="list-as-text"),
    pytest.param("title:\n", 1, "None", id="nothing-as-text"),
    pytest.param("title: 2026-01-01\n", 1, "datetime.date(2026, 1, 1)", id="date-as-text"),
    pytest.param("title: a\nsessions:\n- {zone: Z1, minutes: 5.5}\n", 3, "5.5", id="half-a-minute"),
]


@pytest.mark.parametrize(("text", "line", "shown"), WRONG_TYPES)
def test_wrong_type_is_an_error_that_shows_the_value(
    tmp_path: Path, text: str, line: int, shown: str
) -> None:
    error = error_of(tmp_path, text)
    assert error.line == line
    assert shown in error.what


def test_word_outside_a_closed_list_names_the_closest_one(tmp_path: Path) -> None:
    error = error_of(tmp_path, "title: a\nsessions:\n- minutes: 5\n  zone: Z22\n")
    assert error.line == 4
    assert "sessions.0.zone='Z22'" in error.what
    assert error.what.endswith("Did you mean 'Z2'?")


NOT_A_FILE_OF_OURS = [
    pytest.param("", 1, id="empty"),
    pytest.param("# only a remark\n", 1, id="comment-only"),
    pytest.param("- title: a\n", 1, id="a-list"),
    pytest.param("just words\n", 1, id="a-text"),
    pytest.param("title: a\ntoday: 'open\n", 3, id="open-quote"),
    pytest.param("title: a\n\ttoday: b\n", 2, id="tab"),
    pytest.param("title: a\n---\ntitle: b\n", 2, id="two-documents"),
    pytest.param("title: !!python/name:os.system a\n", 1, id="python-object"),
    pytest.param("title: *nobody\n", 1, id="unknown-alias"),
]


@pytest.mark.parametrize(("text", "line"), NOT_A_FILE_OF_OURS)
def test_unusable_file_is_an_error_with_its_line(tmp_path: Path, text: str, line: int) -> None:
    assert error_of(tmp_path, text).line == line


ODD = [
    pytest.param("title: a\nreviewed: 2026-02-30\n", id="a-day-that-does-not-exist"),
    pytest.param("title: a\x07b\n", id="control-character"),
    pytest.param("title: a\n? [x, y]\n: b\n", id="list-as-key"),
    pytest.param("title: a\nsessions: &s\n- *s\n", id="alias-inside-itself"),
    pytest.param("title: a\nsessions: !!int ''\n", id="tagged-empty-number"),
]


@pytest.mark.parametrize("text", ODD)
def test_oddity_of_yaml_is_an_error_of_the_file_and_not_a_crash(tmp_path: Path, text: str) -> None:
    assert error_of(tmp_path, text).path == tmp_path / "page.yaml"


def test_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"absent\.yaml: cannot be read \(No such file"):
        load_yaml(tmp_path / "absent.yaml", Page)


def test_file_in_another_encoding_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "page.yaml"
    path.write_bytes("title: één\n".encode("latin-1"))
    with pytest.raises(FileError, match="is not UTF-8"):
        load_yaml(path, Page)
