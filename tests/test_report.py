"""The run folder and its words: complete, never overwritten, and model text stays text."""

from __future__ import annotations

import io
import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from harness.errors import StoreError, UsageError
from harness.gate import Kind
from harness.generation import EngineSpec, ModelInfo, Sampling
from harness.report.folder import RunFacts, RunFolder, behaviour_records, run_record
from harness.report.summary import (
    failure_line,
    markdown,
    table_rows,
    worst_first,
    write_table,
)
from harness.runner import Progress
from harness.stats import clustered_rate
from harness.talk import CaseResult, Finding

STARTED = datetime(2026, 3, 1, 12, 30, 5, tzinfo=UTC)


def finding(evidence: str = "", reason: str = "wrong", turn: int = 0) -> Finding:
    return Finding(turn=turn, grader="facts", reason=reason, evidence=evidence, kinds=())


def result(
    conversation: str = "memory/a",
    outcome: str = "pass",
    *,
    kind: Kind = "rate",
    fails_test: bool = False,
    persona: str = "balanced",
    language: str = "en",
    evidence: str = "",
    number: int = 1,
) -> CaseResult:
    return CaseResult(
        id=f"{conversation}#{number}[{persona}]",
        behaviour=conversation.partition("/")[0],
        kind=kind,
        persona=persona,
        language=language,
        conversation=conversation,
        outcome=outcome,
        fails_test=fails_test,
        claims=("facts",),
        findings=() if outcome == "pass" else (finding(evidence),),
        source="new",
    )


def facts(**changes: Any) -> RunFacts:
    usual = RunFacts(
        run_id="20260301-123005-m",
        started=STARTED,
        finished=STARTED + timedelta(minutes=2),
        spec=EngineSpec(kind="gguf", name="m", path="/models/m.gguf", threads=1, parallel=16),
        info=ModelInfo(
            engine="llama.cpp",
            engine_version="llama-cpp-python 0.3.36",
            architecture="llama",
            quantisation="Q4_1",
            template_sha256="t" * 64,
            context_tokens=8192,
        ),
        model_sha256="m" * 64,
        adapter_sha256=None,
        processes=2,
        sampling=Sampling(),
        samples=1,
        max_tokens={"en": 160, "nl": 240},
        golden_sha256="g" * 64,
        suite_cases=300,
        suite_conversations=111,
        selected=3,
        progress=Progress(
            stored=7,
            other_plan=2,
            prompt_tokens=900,
            cached_prompt_tokens=600,
            completion_tokens=500,
            load_s=0.25,
            first_start=100.0,
            last_end=104.0,
            restarts=1,
        ),
        grade_s=0.5,
        total_s=6.0,
        errors=0,
        confirmed=(),
        environment={"python": "3.11", "git": "abc", "packages": {}},
        status="NONE",
        reasons=("no release policy was applied",),
    )
    return replace(usual, **changes)


MIXED = [
    result("memory/a", persona="balanced"),
    result("memory/a", "fail", persona="drill_sergeant"),
    result("memory/b", "ungraded", language="nl"),
    result("i6_refusal/x", "fail", kind="must", fails_test=True),
    result("i6_refusal/y", kind="must"),
]


def by_name(results: list[CaseResult]) -> dict[str, dict[str, Any]]:
    return {record["name"]: record for record in behaviour_records(results)}


# --- run.json ---

INTERFACE: dict[str, set[str]] = {
    "": {
        "schema", "run_id", "started", "finished", "model", "engine", "settings", "suite",
        "behaviours", "graders", "verdict", "timing", "environment",
    },
    "model": {
        "kind", "name", "path", "sha256", "quantisation", "chat_template_sha256", "adapter_sha256",
    },
    "engine": {"name", "version", "processes", "parallel", "threads"},
    "settings": {"temperature", "seed", "samples", "max_tokens"},
    "suite": {"golden_sha256", "cases", "selected", "conversations"},
    "verdict": {"status", "reasons", "baseline", "regressions"},
    "timing": {
        "load_s", "generate_s", "grade_s", "total_s", "prompt_tokens", "cached_prompt_tokens",
        "completion_tokens", "tokens_per_s", "replies_from_store",
    },
    "environment": {"python", "git", "packages"},
}  # fmt: skip
"""Fields that release checks read; `shared/design/interfaces.md`."""


@pytest.mark.parametrize("part", INTERFACE, ids=lambda part: part or "top")
def test_record_has_the_fields_of_the_interface(part: str) -> None:
    record = run_record(facts(), MIXED)
    assert INTERFACE[part] - set(record[part] if part else record) == set()


def test_behaviour_has_the_fields_of_the_interface() -> None:
    wanted = {"name", "kind", "cases", "passed", "failed", "ungraded", "rate", "ci_low", "ci_high"}
    assert set(by_name(MIXED)["memory"]) == wanted | {"by_persona", "by_language"}


VALUES = [
    ("schema", 1),
    ("started", "2026-03-01T12:30:05+00:00"),
    ("finished", "2026-03-01T12:32:05+00:00"),
    ("model.kind", "gguf"),
    ("model.sha256", "m" * 64),
    ("model.chat_template_sha256", "t" * 64),
    ("model.adapter_sha256", None),
    ("model.quantisation", "Q4_1"),
    ("engine.name", "llama.cpp"),
    ("engine.processes", 2),
    ("settings.max_tokens", {"en": 160, "nl": 240}),
    ("settings.temperature", 0.0),
    ("suite.cases", 300),
    ("suite.selected", 3),
    ("suite.conversations", 111),
    ("verdict.status", "NONE"),
    ("verdict.baseline", None),
    ("verdict.regressions", []),
    ("verdict.must_failures", ["i6_refusal/x#1[balanced]"]),
    ("timing.generate_s", 4.0),
    ("timing.tokens_per_s", 125.0),
    ("timing.replies_from_store", 7),
    ("timing.replies_from_other_plans", 2),
]


@pytest.mark.parametrize(("place", "value"), VALUES, ids=[place for place, _ in VALUES])
def test_record_holds_what_the_run_was(place: str, value: object) -> None:
    found: Any = run_record(facts(), MIXED)
    for part in place.split("."):
        found = found[part]
    assert found == value


def test_record_is_json_without_loss() -> None:
    record = run_record(facts(confirmed=(("i6_refusal/x#1[balanced]", True),)), MIXED)
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_times_are_in_utc_whatever_the_zone() -> None:
    there = STARTED.astimezone(timezone(timedelta(hours=9)))
    assert run_record(facts(started=there), [])["started"] == "2026-03-01T12:30:05+00:00"


def test_run_that_generated_nothing_has_no_speed() -> None:
    timing = run_record(facts(progress=Progress(stored=9)), MIXED)["timing"]
    assert (timing["generate_s"], timing["tokens_per_s"]) == (0.0, 0.0)


# --- counts ---


def test_behaviour_counts_each_outcome() -> None:
    memory = by_name(MIXED)["memory"]
    assert [memory[name] for name in ("cases", "passed", "failed", "ungraded")] == [3, 1, 1, 1]


def test_rate_is_of_graded_cases_clustered_by_conversation() -> None:
    results = [
        *(result("memory/a", number=n) for n in range(1, 5)),
        *(result("memory/b", "fail", number=n) for n in range(1, 5)),
        *(result("memory/c", "ungraded", number=n) for n in range(1, 9)),
    ]
    memory = by_name(results)["memory"]
    expected = clustered_rate([True] * 4 + [False] * 4, ["a"] * 4 + ["b"] * 4)
    found = [memory["rate"], memory["ci_low"], memory["ci_high"]]
    assert found == [round(value, 4) for value in expected]


def test_behaviour_without_a_graded_case_has_no_rate() -> None:
    memory = by_name([result(outcome="ungraded")])["memory"]
    assert [memory[name] for name in ("cases", "rate", "ci_low", "ci_high")] == [
        1,
        None,
        None,
        None,
    ]


def test_musts_come_first_and_otherwise_the_order_of_the_run_stays() -> None:
    results = [
        result("memory/a"),
        result("i6_refusal/x", kind="must"),
        result("goals/g"),
        result("internals/i", kind="must"),
    ]
    assert list(by_name(results)) == ["i6_refusal", "internals", "memory", "goals"]


@pytest.mark.parametrize(
    ("split", "counts"),
    [
        pytest.param(
            "by_persona", {"balanced": (2, 1, 0), "drill_sergeant": (1, 0, 1)}, id="persona"
        ),
        pytest.param("by_language", {"en": (2, 1, 1), "nl": (1, 0, 0)}, id="language"),
    ],
)
def test_splits_count_their_own_cases(split: str, counts: dict[str, tuple[int, int, int]]) -> None:
    found = by_name(MIXED)["memory"][split]
    assert {
        name: (part["cases"], part["passed"], part["failed"]) for name, part in found.items()
    } == counts


# --- what to read first ---


def test_worst_failures_come_first() -> None:
    results = [
        result("memory/a", "fail", number=1),
        result("memory/a", "fail", number=2, evidence="words"),
        result("memory/b", "fail", evidence="words"),
        result("memory/c"),
        result("memory/d", "ungraded"),
        result("i6_refusal/x", "fail", kind="must", fails_test=True, number=1),
        result("i6_refusal/x", "fail", kind="must", fails_test=True, number=2),
        result("i6_refusal/y", "fail", kind="must", fails_test=True, evidence="words"),
    ]
    assert [failing.id.partition("[")[0] for failing in worst_first(results)] == [
        "i6_refusal/y#1",  # fails its test, first of its conversation, with words
        "i6_refusal/x#1",
        "i6_refusal/x#2",  # a second wording of the same conversation
        "memory/b#1",
        "memory/a#1",
        "memory/a#2",
    ]


def test_failure_line_says_where_which_grader_why_and_the_words() -> None:
    failing = replace(
        result("memory/a", "fail"),
        findings=(finding("hard", "Z2 is easy.", turn=1), finding(), finding()),
    )
    assert failure_line(failing) == (
        "memory/a#1[balanced], turn 2, facts: Z2 is easy.: “hard” (and 2 more)"
    )


@pytest.mark.parametrize(
    "evidence",
    [
        pytest.param("one\ntwo\r\nthree", id="line-breaks"),
        pytest.param("one\u2028two", id="unicode-line-break"),
        pytest.param("\x1b[2J\x1b]0;title\x07 gone", id="terminal-escapes"),
        pytest.param("word\x08\x08\x08\x08", id="backspaces"),
    ],
)
def test_failure_line_is_one_line_without_control_characters(evidence: str) -> None:
    line = failure_line(result(outcome="fail", evidence=evidence))
    assert line.isprintable()


def test_failure_line_cuts_long_words_and_says_so() -> None:
    line = failure_line(result(outcome="fail", evidence="very " * 500))
    assert len(line) < 400
    assert "..." in line


# --- the table ---


def test_table_shows_rates_in_per_cent_with_n_and_interval() -> None:
    results = [result(f"memory/{n}", "pass" if n < 9 else "fail") for n in range(10)]
    (row,) = table_rows(run_record(facts(), results))
    assert row == ("memory", "rate", "10", "9", "", "90.0 %", "59.6 to 98.2 %")


def test_table_shows_a_dash_where_nothing_was_graded() -> None:
    (row,) = table_rows(run_record(facts(), [result(outcome="ungraded")]))
    assert (row.passed, row.ungraded, row.rate, row.interval) == ("0", "1", "-", "-")


def test_table_in_the_terminal_has_a_line_for_each_behaviour_and_no_colour_unasked() -> None:
    file = io.StringIO()
    write_table(run_record(facts(), MIXED), file, 100, colour=False)
    lines = file.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == ["behaviour", "i6_refusal", "memory"]
    assert "\x1b" not in file.getvalue()


@pytest.mark.parametrize(
    ("outcome", "red"),
    [pytest.param("fail", True, id="fails"), pytest.param("pass", False, id="ok")],
)
def test_must_behaviour_is_red_where_it_fails(outcome: str, red: bool) -> None:
    results = [result("i6_refusal/x", outcome, kind="must", fails_test=outcome == "fail")]
    file = io.StringIO()
    write_table(run_record(facts(), results), file, 100, colour=True)
    assert ("\x1b[31m" in file.getvalue()) is red


def test_missed_rate_behaviour_is_not_red() -> None:
    file = io.StringIO()
    write_table(run_record(facts(), [result(outcome="fail")]), file, 100, colour=True)
    assert "\x1b[31m" not in file.getvalue()


# --- Markdown ---


def summary(results: list[CaseResult], **changes: Any) -> str:
    return markdown(run_record(facts(**changes), results), results)


def shown(text: str) -> str:
    """What a Markdown renderer shows as plain text; markup leaves other tokens."""
    return "".join(
        child.content if child.type == "text" else f"<{child.type}>"
        for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
        for child in token.children or ()
    )


HOSTILE = [
    pytest.param("**bold** and _thin_", id="emphasis"),
    pytest.param(
        "[click](http://evil.example) ![x](http://evil.example/p.png)", id="link-and-image"
    ),
    pytest.param("<script>alert(1)</script>", id="html"),
    pytest.param("<http://evil.example>", id="autolink"),
    pytest.param("`rm -rf` ``x``", id="code"),
    pytest.param("# heading", id="heading"),
    pytest.param("a | b | c", id="table"),
    pytest.param("back\\*slash*", id="backslash"),
    pytest.param("~~gone~~", id="strikethrough"),
    pytest.param("&lt;b&gt; &amp; &#42;", id="entities"),
]


@pytest.mark.parametrize("evidence", HOSTILE)
def test_model_text_in_the_summary_is_shown_as_it_is(evidence: str) -> None:
    assert f"“{evidence}”" in shown(summary([result(outcome="fail", evidence=evidence)]))


def test_model_text_cannot_start_a_section_of_its_own() -> None:
    text = summary([result(outcome="fail", evidence="x\n\n## Verdict: SHIP\n\n- fine")])
    assert "\n## Verdict" not in text


def test_summary_begins_with_model_and_verdict() -> None:
    assert summary(MIXED).startswith("# m: NONE\n\n- no release policy was applied\n")


def test_summary_lists_every_failure_and_every_ungraded_case() -> None:
    results = [
        *(result(f"memory/f{n}", "fail") for n in range(25)),
        *(result(f"memory/u{n}", "ungraded") for n in range(15)),
        result("memory/p"),
    ]
    text = summary(results).replace("\\", "")
    failures, ungraded = text.partition("## Failures")[2].split("## Ungraded")
    assert [failures.count(f"- memory/f{n}#1[") for n in range(25)] == [1] * 25
    assert [ungraded.count(f"- memory/u{n}#1[") for n in range(15)] == [1] * 15
    assert "memory/p" not in text


def test_summary_of_a_clean_run_has_no_empty_sections() -> None:
    text = summary([result()])
    assert [line for line in text.splitlines() if line.startswith("## ")] == ["## Run"]


@pytest.mark.parametrize(
    ("again", "told"),
    [pytest.param(True, "fails again", id="again"), pytest.param(False, "passes", id="passes")],
)
def test_summary_tells_whether_a_failure_repeats_alone(again: bool, told: str) -> None:
    text = summary(MIXED, confirmed=(("i6_refusal/x#1[balanced]", again),)).replace("\\", "")
    assert f"- i6_refusal/x#1[balanced]: {told} when decoded alone" in text


# --- the folder ---


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[RunFolder]:
    made = RunFolder(tmp_path / "reports", STARTED, "m")
    yield made
    made.close()


@contextmanager
def full_disk(limit: int) -> Iterator[None]:
    """Let no file grow beyond `limit` bytes: what a full disk does to whoever writes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_folder_is_named_after_time_and_model(folder: RunFolder, tmp_path: Path) -> None:
    assert folder.path == tmp_path / "reports" / "20260301-123005-m"
    assert folder.path.is_dir()


def test_runs_of_the_same_second_get_folders_of_their_own(tmp_path: Path) -> None:
    runs = [RunFolder(tmp_path, STARTED, "m") for _ in range(3)]
    for run in runs:
        run.close()
    assert [run.path.name for run in runs] == [
        "20260301-123005-m",
        "20260301-123005-m-2",
        "20260301-123005-m-3",
    ]


def test_rows_are_there_as_soon_as_they_are_added(folder: RunFolder) -> None:
    folder.add([{"case": "a", "reply": "één\nregel"}, {"case": "b"}])
    folder.add([{"case": "c"}])
    lines = (folder.path / "replies.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["case"] for line in lines] == ["a", "b", "c"]
    assert "één" in lines[0]


def test_file_is_written_whole_and_replaces_the_one_before(folder: RunFolder) -> None:
    folder.write("run.json", "first, and longer")
    folder.write("run.json", "second")
    assert (folder.path / "run.json").read_text() == "second"
    assert sorted(path.name for path in folder.path.iterdir()) == ["replies.jsonl", "run.json"]


def test_reports_folder_that_cannot_be_made_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("in the way")
    with pytest.raises(UsageError, match="name another with --reports DIR"):
        RunFolder(tmp_path / "reports", STARTED, "m")


def test_full_disk_while_writing_leaves_the_file_of_before(folder: RunFolder) -> None:
    folder.write("run.json", "first")
    with full_disk(100), pytest.raises(StoreError, match="free disk space"):
        folder.write("run.json", "x" * 1000)
    assert (folder.path / "run.json").read_text() == "first"


def test_full_disk_while_adding_is_a_store_error_that_says_where_the_replies_are(
    folder: RunFolder,
) -> None:
    with full_disk(100), pytest.raises(StoreError, match="are in the reply store"):
        folder.add([{"reply": "x" * 1000}])


def test_folder_on_a_full_disk_can_still_be_closed(tmp_path: Path) -> None:
    made = RunFolder(tmp_path, STARTED, "m")
    with full_disk(100):
        with pytest.raises(StoreError):
            made.add([{"reply": "x" * 1000}])
        made.close()
