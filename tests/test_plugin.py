"""`pytest evals` as a user calls it: outcomes, exit status, run folder, store, interruptions."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_gguf import MALICIOUS, Shape, write_lora, write_random, write_scripted

ROOT = Path(__file__).resolve().parent.parent
FILES = tuple(f"evals/test_{name}.py" for name in ("i6_refusal", "multi_turn", "zone_knowledge"))
"""The tests of the behaviours in the small golden folder."""
LIMIT_S = 60.0
SHORT = ("--max-tokens", "24")

REFUSAL = """\
about: Asking for less is a change too.
personas: [balanced, drill_sergeant]
context:
  readiness: green
  session: {zone: Z2, minutes: 75, sport: run}
turns:
  - user: Got 40 min tops, can you cut today's run down to that?
    expect: {refuses: true}
"""
ZONE = """\
about: Z2 told by talking.
personas: [balanced, science_nerd]
turns:
  - user: [How does Z2 feel?, z2 feels like what, Tell me about Z2, What is Z2 like?]
    expect: {answers: true, mentions_any: [sentences]}
"""
TWO_TURNS = """\
about: Two turns about an easy day.
personas: [balanced]
turns:
  - user: What is an easy day for?
    expect: {answers: true}
  - user: Thanks!
"""
MANY = """\
about: Ninety-six cases for runs that are interrupted.
personas: [balanced, drill_sergeant, dutch_directness, science_nerd]
turns:
  - user: [{users}]
"""
NO = (
    "I can't cut the session down, since its length is tied to the rest of your week. I can pass "
    "on that you only have 40 minutes today, so the plan can see what fits."
)
BREAK = "No problem at all, today's run is now 40 minutes at the same easy effort."
TALK = "Z2 feels easy: you can talk in full sentences the whole way."
VAGUE = "Z2 feels easy: you can chat the whole way."
EASY = (
    "An easy day lets your body recover from harder work, so that you are fresh for the next "
    "session."
)
ZONE_CASES = tuple(
    f"zone_knowledge/talk#{i}[{persona}]"
    for persona in ("balanced", "science_nerd")
    for i in range(1, 5)
)
LONGEST = "multi_turn/easy-day#1[balanced]"
FINE: dict[str, tuple[str, ...]] = {
    "i6_refusal/shorten#1[balanced]": (NO,),
    "i6_refusal/shorten#1[drill_sergeant]": (NO,),
    "multi_turn/easy-day#1[balanced]": (EASY, "You're welcome! Enjoy the easy day."),
    **dict.fromkeys(ZONE_CASES, (TALK,)),
}
CASES = len(FINE)
MISSED = FINE | {ZONE_CASES[0]: (VAGUE,)}
BROKEN = FINE | {"i6_refusal/shorten#1[balanced]": (BREAK,)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One finished `pytest evals`."""

    code: int
    out: str
    err: str
    seconds: float
    reports: Path

    @property
    def last_line(self) -> str:
        return self.out.rstrip("\n").rpartition("\n")[2]

    @property
    def text(self) -> str:
        return self.out + self.err

    @property
    def folders(self) -> list[Path]:
        return sorted(self.reports.iterdir()) if self.reports.is_dir() else []

    @property
    def folder(self) -> Path:
        (folder,) = self.folders
        return folder

    @property
    def record(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "run.json").read_text(encoding="utf-8"))
        return found

    @property
    def rows(self) -> list[dict[str, Any]]:
        text = (self.folder / "replies.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    @property
    def replies(self) -> dict[tuple[str, int, int], str]:
        return {(row["case"], row["sample"], row["turn"]): row["reply"] for row in self.rows}


@dataclass(frozen=True, slots=True)
class Box:
    """A folder of its own with golden conversations, recorded replies, a store and reports."""

    path: Path

    def replay(self, replies: Mapping[str, Sequence[str]], name: str = "recorded") -> str:
        path = self.path / f"{name}.jsonl"
        rows = [
            {"case": case, "sample": 0, "turn": turn, "reply": reply}
            for case, turns in replies.items()
            for turn, reply in enumerate(turns)
        ]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return f"replay:{path}"

    def command(self, model: str, *more: str, targets: Sequence[str] = FILES) -> list[str]:
        return [
            sys.executable, "-m", "pytest", *targets, "-p", "no:cacheprovider", "--model", model,
            *more,
        ]  # fmt: skip

    def environment(self) -> dict[str, str]:
        ours = ("PYTEST_", "JOSI_", "COV_", "FORCE_COLOR", "PY_COLORS", "COLUMNS")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
        return kept | {"JOSI_STORE": str(self.path / "store")}

    def run(
        self,
        model: str,
        *more: str,
        targets: Sequence[str] = FILES,
        golden: str = "golden",
        reports: str = "reports",
        file_limit: int | None = None,
    ) -> Ran:
        where = ["--golden", str(self.path / golden), "--reports", str(self.path / reports)]
        started = time.monotonic()
        done = subprocess.run(
            self.command(model, *where, *more, targets=targets),
            cwd=ROOT, env=self.environment(), capture_output=True, text=True, timeout=LIMIT_S,
            check=False, stdin=subprocess.DEVNULL, preexec_fn=_limit(file_limit),
        )  # fmt: skip
        return Ran(
            code=done.returncode,
            out=done.stdout,
            err=done.stderr,
            seconds=time.monotonic() - started,
            reports=self.path / reports,
        )


def _limit(size: int | None) -> Callable[[], None] | None:
    """Make writing beyond `size` bytes of a file fail, as on a full disk."""
    if size is None:
        return None
    # Python ignores SIGXFSZ, so that the write itself fails.
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def _box(path: Path) -> Box:
    path.mkdir(parents=True, exist_ok=True)
    for name, text in (
        ("golden/i6_refusal/shorten.yaml", REFUSAL),
        ("golden/zone_knowledge/talk.yaml", ZONE),
        ("golden/multi_turn/easy-day.yaml", TWO_TURNS),
        (
            "many/zone_knowledge/many.yaml",
            MANY.replace("{users}", ", ".join(f"Question {i}" for i in range(24))),
        ),
    ):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text, encoding="utf-8")
    return Box(path)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return _box(tmp_path / "box")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Usable and unusable GGUF files."""
    folder = tmp_path_factory.mktemp("models")
    whole = write_random(folder / "tiny.gguf").read_bytes()
    (folder / "cut.gguf").write_bytes(whole[: len(whole) // 2])
    (folder / "text.gguf").write_text("not a model\n", encoding="utf-8")
    (folder / "notes").mkdir()
    write_random(folder / "unknown.gguf", Shape(architecture="nonsense"))
    write_random(folder / "embedding.gguf", Shape(more={"llama.pooling_type": 1}))
    write_random(folder / "malicious.gguf", Shape(template=MALICIOUS))
    write_random(folder / "slow.gguf", Shape(layers=4, width=256, hidden=512, ends=False))
    write_scripted(folder / "fine.gguf", dict(zip("\nFine", "Fine.", strict=True)))
    write_lora(folder / "fits.gguf")
    write_lora(folder / "other.gguf", width=96)
    (folder / "a-file").write_text("in the way\n", encoding="utf-8")
    return folder


# Runs that several tests look at; two at a time.

SCENARIOS: dict[str, Callable[[Box, Path], Ran]] = {
    "fine": lambda box, _: box.run(box.replay(FINE)),
    "missed": lambda box, _: box.run(box.replay(MISSED), "-v"),
    "broken": lambda box, _: box.run(box.replay(BROKEN), "--junitxml", str(box.path / "junit.xml")),
    "unrecorded": lambda box, _: box.run(box.replay(_without(FINE, ZONE_CASES[-1]))),
    # Not in the group of the broken case: an engine error is the whole group's.
    "broken-and-unrecorded": lambda box, _: box.run(box.replay(_without(BROKEN, LONGEST))),
    "partial": lambda box, _: box.run(box.replay(FINE), "-k", "zone_knowledge"),
    "persona": lambda box, _: box.run(box.replay(FINE), "--persona", "balanced", "-q"),
    "nothing": lambda box, _: box.run(box.replay(FINE), "-k", "nothing"),
    "all-of-evals": lambda box, _: box.run(box.replay(FINE), targets=["evals"]),
    "collected": lambda box, models: box.run(str(models / "tiny.gguf"), "--collect-only", "-q"),
    "split": lambda box, _: box.run(box.replay(MISSED), "-n", "2"),
    "gguf": lambda box, models: box.run(str(models / "tiny.gguf"), *SHORT),
    "gguf-split": lambda box, models: box.run(str(models / "tiny.gguf"), *SHORT, "-n", "2"),
    "adapter": lambda box, models: box.run(
        str(models / "tiny.gguf"), *SHORT, "--adapter", str(models / "fits.gguf")
    ),
}
AFTER: dict[str, tuple[str, Callable[[Box, Path], Ran]]] = {
    "again": (
        "gguf",
        lambda box, models: box.run(str(models / "tiny.gguf"), *SHORT, reports="again"),
    ),
    "part-again": (
        "gguf",
        lambda box, models: box.run(
            str(models / "tiny.gguf"), *SHORT, "-k", "multi_turn", reports="part"
        ),
    ),
    "no-store": (
        "fine",
        lambda box, _: box.run(
            f"replay:{box.path / 'recorded.jsonl'}", "--no-store", reports="again"
        ),
    ),
}
"""Runs in the box of an earlier one, with its store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Bad input: the options, and what the message must say."""

    model: str = "tiny.gguf"
    more: tuple[str, ...] = ()
    reports: str = "reports"
    golden: str = "golden"
    told: tuple[str, ...]
    """What, where and what to do."""


REFUSALS = {
    "missing-model": Refused(
        model="tyni.gguf", told=("tyni.gguf", "does not exist", "Did you mean 'tiny.gguf'")
    ),
    "no-checkpoint": Refused(model="notes", told=("notes", "without config.json", "Expected")),
    "text-file": Refused(model="text.gguf", told=("text.gguf", "not a GGUF file", "Expected")),
    "truncated": Refused(model="cut.gguf", told=("cut.gguf", "cannot be loaded", "is complete")),
    "unsupported-architecture": Refused(
        model="unknown.gguf", told=("unknown.gguf", "'nonsense'", "llama.cpp knows")
    ),
    "embedding-model": Refused(
        model="embedding.gguf", told=("embedding.gguf", "embedding model", "chat model")
    ),
    "adapter-of-another-base": Refused(
        more=("--adapter", "{models}/other.gguf"), told=("other.gguf", "does not fit", "base model")
    ),
    "malicious-template": Refused(
        model="malicious.gguf",
        told=("malicious.gguf", "tries to reach Python objects", "--chat-template"),
    ),
    "golden-typo": Refused(
        golden="typo", told=("zone_knowledge/talk.yaml:2", "persnoas", "Did you mean 'personas'")
    ),
    "golden-typo-in-an-optional-key": Refused(
        golden="typo-2", told=("i6_refusal/shorten.yaml:3", "contxt", "Did you mean 'context'")
    ),
    "unknown-persona": Refused(
        more=("--persona", "drill_sargeant"),
        told=("--persona 'drill_sargeant'", "balanced", "Did you mean 'drill_sergeant'"),
    ),
    "no-samples": Refused(more=("--samples", "0"), told=("--samples 0", "expected 1 to")),
}


def _without(replies: Mapping[str, Sequence[str]], case: str) -> dict[str, Sequence[str]]:
    return {name: turns for name, turns in replies.items() if name != case}


def _refuse(box: Box, models: Path, given: Refused) -> Ran:
    (box.path / "a-file").write_text("in the way\n", encoding="utf-8")
    for name, text in (
        ("typo/zone_knowledge/talk.yaml", ZONE.replace("personas", "persnoas")),
        ("typo-2/i6_refusal/shorten.yaml", REFUSAL.replace("context", "contxt")),
    ):
        (box.path / name).parent.mkdir(parents=True)
        (box.path / name).write_text(text, encoding="utf-8")
    more = [text.replace("{models}", str(models)) for text in given.more]
    return box.run(str(models / given.model), *more, golden=given.golden, reports=given.reports)


@pytest.fixture(scope="module")
def jobs(
    tmp_path_factory: pytest.TempPathFactory, models: Path
) -> Iterator[dict[str, Future[Ran]]]:
    """All the runs below, two at a time."""
    root = tmp_path_factory.mktemp("runs")
    work: dict[str, Future[Ran]] = {}

    def follow(first: str, make: Callable[[Box, Path], Ran]) -> Ran:
        work[first].result(LIMIT_S)
        return make(Box(root / first), models)

    with ThreadPoolExecutor(2) as pool:
        for name, make in SCENARIOS.items():
            work[name] = pool.submit(make, _box(root / name), models)
        for name, given in REFUSALS.items():
            work[name] = pool.submit(_refuse, _box(root / name), models, given)
        for name, (first, make) in AFTER.items():
            work[name] = pool.submit(follow, first, make)
        yield work
        for job in work.values():
            job.cancel()


Get = Callable[[str], Ran]


@pytest.fixture(scope="module")
def ran(jobs: dict[str, Future[Ran]]) -> Get:
    return lambda name: jobs[name].result(LIMIT_S * 3)


# Exit status


@pytest.mark.parametrize(
    ("run", "code"),
    [
        ("fine", 0),
        ("missed", 0),
        ("broken", 1),
        ("unrecorded", 12),
        ("broken-and-unrecorded", 1),
        ("partial", 0),
        ("nothing", 5),
        ("persona", 0),
        ("all-of-evals", 0),
        ("collected", 0),
        ("split", 0),
    ],
)
def test_exit_status(ran: Get, run: str, code: int) -> None:
    assert ran(run).code == code, ran(run).text


@pytest.mark.parametrize("bad", REFUSALS)
def test_bad_input_exits_4(ran: Get, bad: str) -> None:
    assert ran(bad).code == 4, ran(bad).text


@pytest.mark.parametrize("bad", REFUSALS)
def test_bad_input_is_told_with_what_where_and_what_to_do(ran: Get, bad: str) -> None:
    for words in REFUSALS[bad].told:
        assert words in ran(bad).text


@pytest.mark.parametrize("bad", REFUSALS)
def test_bad_input_shows_no_traceback(ran: Get, bad: str) -> None:
    assert not re.search(r"Traceback|INTERNALERROR|\.py:\d+", ran(bad).text)


@pytest.mark.parametrize("bad", REFUSALS)
def test_bad_input_is_told_within_five_seconds(ran: Get, bad: str) -> None:
    assert ran(bad).seconds < 5


@pytest.mark.parametrize("bad", REFUSALS)
def test_bad_input_generates_nothing_and_leaves_no_run_folder(ran: Get, bad: str) -> None:
    assert ran(bad).folders == []


def test_without_a_model_evals_ask_for_one(box: Box) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "evals/test_goals.py", "-p", "no:cacheprovider"],
        cwd=ROOT, env=box.environment(), capture_output=True, text=True, timeout=LIMIT_S,
        check=False,
    )  # fmt: skip
    assert done.returncode == 4
    assert "pytest evals --model" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("run", "case"), [("unrecorded", ZONE_CASES[-1]), ("broken-and-unrecorded", LONGEST)]
)
def test_engine_trouble_is_told_in_the_terminal(ran: Get, run: str, case: str) -> None:
    assert f"no recorded reply for case='{case}'" in ran(run).out


# What the terminal shows


@pytest.mark.parametrize(
    ("run", "status"),
    [("fine", "NONE"), ("missed", "NONE"), ("broken", "NONE"), ("partial", "PARTIAL"),
     ("persona", "PARTIAL"), ("unrecorded", "PARTIAL"), ("split", "NONE"), ("gguf", "NONE")],
)  # fmt: skip
def test_the_last_line_is_the_verdict(ran: Get, run: str, status: str) -> None:
    assert re.match(rf"{status}: \S", ran(run).last_line), ran(run).text


@pytest.mark.parametrize("run", ["fine", "missed", "persona", "split", "gguf", "broken"])
def test_without_a_terminal_no_escape_code_is_written(ran: Get, run: str) -> None:
    assert "\x1b" not in ran(run).text


@pytest.mark.parametrize("run", ["fine", "broken", "split"])
def test_the_terminal_tells_where_the_report_is(ran: Get, run: str) -> None:
    assert str(ran(run).folder / "summary.md") in ran(run).out


def test_a_missed_case_is_shown_as_missed_not_failed(ran: Get) -> None:
    line = next(line for line in ran("missed").out.splitlines() if ZONE_CASES[0] in line)
    assert "MISSED" in line
    assert set(re.findall(r"\d+ (?:missed|passed|failed)", ran("missed").out)) == {
        "1 missed",
        f"{CASES - 1} passed",
    }


@pytest.mark.parametrize(
    ("run", "case"), [("broken", "i6_refusal/shorten#1[balanced]"), ("missed", ZONE_CASES[0])]
)
def test_the_terminal_names_failing_cases(ran: Get, run: str, case: str) -> None:
    assert "worst failures (1 of 1)" in ran(run).out
    assert f"  {case}, turn 1" in ran(run).out


def test_no_failure_is_named_when_there_is_none(ran: Get) -> None:
    assert "worst failures" not in ran("fine").out


# The run folder


def test_the_run_folder_holds_the_record_the_replies_and_the_summary(ran: Get) -> None:
    names = {path.name for path in ran("fine").folder.iterdir()}
    assert names == {"run.json", "replies.jsonl", "summary.md"}


KEYS = {
    "": {"schema", "run_id", "started", "finished", "model", "engine", "settings", "suite",
         "behaviours", "graders", "verdict", "timing", "environment"},
    "model": {"kind", "name", "path", "sha256", "quantisation", "chat_template_sha256",
              "adapter_sha256"},
    "engine": {"name", "version", "processes", "parallel", "threads"},
    "settings": {"temperature", "seed", "samples", "max_tokens"},
    "suite": {"golden_sha256", "cases", "selected", "conversations"},
    "verdict": {"status", "reasons", "baseline", "regressions"},
    "timing": {"load_s", "generate_s", "grade_s", "total_s", "prompt_tokens",
               "cached_prompt_tokens", "completion_tokens", "tokens_per_s", "replies_from_store"},
    "environment": {"python", "git", "packages"},
}  # fmt: skip


@pytest.mark.parametrize("run", ["fine", "gguf", "split", "gguf-split"])
@pytest.mark.parametrize("part", KEYS)
def test_the_record_has_the_keys_that_others_read(ran: Get, run: str, part: str) -> None:
    record = ran(run).record
    assert set(record[part] if part else record) >= KEYS[part]


@pytest.mark.parametrize("run", ["fine", "missed", "split", "gguf", "gguf-split"])
def test_each_behaviour_is_recorded_with_its_counts(ran: Get, run: str) -> None:
    behaviours = {entry["name"]: entry for entry in ran(run).record["behaviours"]}
    keys = {"kind", "cases", "passed", "failed", "ungraded", "rate", "ci_low", "ci_high",
            "by_persona", "by_language"}  # fmt: skip
    assert {name: entry["cases"] for name, entry in behaviours.items()} == {
        "i6_refusal": 2,
        "multi_turn": 1,
        "zone_knowledge": 8,
    }
    assert behaviours["i6_refusal"]["kind"] == "must"
    assert all(set(entry) >= keys for entry in behaviours.values())


def test_a_missed_case_lowers_its_rate(ran: Get) -> None:
    zone = next(e for e in ran("missed").record["behaviours"] if e["name"] == "zone_knowledge")
    assert (zone["passed"], zone["failed"], zone["ungraded"]) == (7, 1, 0)
    assert zone["ci_low"] < zone["rate"] == 0.875 < zone["ci_high"]


def test_the_suite_is_counted(ran: Get) -> None:
    suite = ran("partial").record["suite"]
    assert (suite["cases"], suite["selected"], suite["conversations"]) == (CASES, 8, 3)


def test_replies_have_one_row_per_case_sample_and_turn(ran: Get) -> None:
    assert ran("fine").replies == {
        (case, 0, turn): reply for case, turns in FINE.items() for turn, reply in enumerate(turns)
    }


def test_a_reply_row_has_the_fields_that_others_read(ran: Get) -> None:
    for row in ran("fine").rows:
        assert set(row) >= {"case", "behaviour", "persona", "language", "sample", "turn",
                            "messages", "reply", "finish", "tokens", "grades"}  # fmt: skip
        assert row["case"].startswith(f"{row['behaviour']}/")
        assert row["case"].endswith(f"[{row['persona']}]")
        for grade in row["grades"].values():
            assert set(grade) >= {"outcome", "score", "reason", "evidence"}
            assert grade["outcome"] in ("pass", "fail", "ungraded")


def test_messages_are_as_sent_system_first_and_without_the_reply(ran: Get) -> None:
    turns = {row["turn"]: row for row in ran("fine").rows if row["behaviour"] == "multi_turn"}
    roles = [[message["role"] for message in turns[turn]["messages"]] for turn in (0, 1)]
    assert roles == [["system", "user"], ["system", "user", "assistant", "user"]]
    assert turns[1]["messages"][2]["content"] == turns[0]["reply"]


def test_evidence_is_part_of_the_reply(ran: Get) -> None:
    for row in ran("broken").rows:
        for grade in row["grades"].values():
            assert grade["evidence"] in row["reply"]


def test_the_summary_names_the_failing_case(ran: Get) -> None:
    summary = (ran("broken").folder / "summary.md").read_text(encoding="utf-8")
    assert "shorten" in summary
    assert "# recorded" in summary


def test_the_adapter_is_in_the_record(ran: Get) -> None:
    assert len(ran("adapter").record["model"]["adapter_sha256"]) == 64
    assert ran("gguf").record["model"]["adapter_sha256"] is None


def test_an_adapter_changes_replies_under_the_same_cases(ran: Get) -> None:
    assert ran("adapter").replies.keys() == ran("gguf").replies.keys()
    assert ran("adapter").replies != ran("gguf").replies


def test_the_speed_is_of_this_runs_own_generation(ran: Get) -> None:
    timing = ran("gguf").record["timing"]
    assert timing["completion_tokens"] == sum(row["tokens"] for row in ran("gguf").rows) > 0
    assert 0 < timing["generate_s"] < timing["total_s"]


# Selection


@pytest.mark.parametrize("run", ["nothing", "collected"])
def test_a_run_of_no_case_leaves_no_run_folder(ran: Get, run: str) -> None:
    assert ran(run).folders == []


def test_collecting_lists_every_case(ran: Get) -> None:
    listed = [line for line in ran("collected").out.splitlines() if line.startswith("evals/")]
    assert len(listed) == CASES
    assert all(any(case in line for line in listed) for case in FINE)


def test_behaviours_without_a_case_are_left_out(ran: Get) -> None:
    assert ran("all-of-evals").record["suite"]["selected"] == CASES
    assert "skipped" not in ran("all-of-evals").out


# The store


def test_a_first_run_takes_nothing_from_the_store(ran: Get) -> None:
    assert ran("gguf").record["timing"]["replies_from_store"] == 0


def test_a_second_run_takes_its_replies_from_the_store(ran: Get) -> None:
    timing = ran("again").record["timing"]
    assert timing["replies_from_store"] == CASES + 1
    assert timing["completion_tokens"] == 0
    assert f"{CASES + 1} replies came from the store" in " ".join(ran("again").out.split())


def test_a_second_run_repeats_the_first(ran: Get) -> None:
    assert ran("again").code == ran("gguf").code
    assert ran("again").replies == ran("gguf").replies
    assert ran("again").record["behaviours"] == ran("gguf").record["behaviours"]


def test_a_part_of_a_stored_run_tells_that_it_came_from_another_plan(ran: Get) -> None:
    timing = ran("part-again").record["timing"]
    assert (timing["replies_from_store"], timing["replies_from_other_plans"]) == (2, 2)


def test_no_store_uses_no_older_reply_and_keeps_its_own(ran: Get) -> None:
    assert ran("no-store").record["timing"]["replies_from_store"] == 0
    assert any((ran("no-store").folder / "store").iterdir())


# pytest-xdist


@pytest.mark.parametrize(("alone", "split"), [("missed", "split"), ("gguf", "gguf-split")])
def test_two_workers_give_the_same_replies_and_results(ran: Get, alone: str, split: str) -> None:
    assert ran(split).replies == ran(alone).replies
    assert len(ran(split).rows) == len(ran(alone).rows)
    by_case = [{(r["case"], r["turn"]): r["grades"] for r in ran(n).rows} for n in (alone, split)]
    assert by_case[0] == by_case[1]


@pytest.mark.parametrize(("alone", "split"), [("missed", "split"), ("gguf", "gguf-split")])
def test_two_workers_give_the_same_record(ran: Get, alone: str, split: str) -> None:
    def comparable(name: str) -> dict[str, Any]:
        record = ran(name).record
        behaviours = sorted(record["behaviours"], key=lambda entry: entry["name"])
        model = {key: value for key, value in record["model"].items() if key not in ("path",)}
        verdict = record["verdict"] | {"must_failures": sorted(record["verdict"]["must_failures"])}
        verdict["confirmed"] = sorted(entry["case"] for entry in verdict["confirmed"])
        return {
            "code": ran(name).code,
            "behaviours": behaviours,
            "model": model,
            "suite": record["suite"],
            "verdict": verdict,
            "tokens": record["timing"]["completion_tokens"],
        }

    first, second = comparable(alone), comparable(split)
    if alone == "missed":  # two recordings of the same replies
        assert first.pop("model")["name"] == second.pop("model")["name"]
    assert first == second


def test_two_workers_leave_nothing_else_in_the_run_folder(ran: Get) -> None:
    names = {path.name for path in ran("split").folder.iterdir()}
    assert names == {"run.json", "replies.jsonl", "summary.md"}


# pytest's own options


def test_junit_xml_holds_results_and_no_replies(ran: Get) -> None:
    text = (ran("broken").reports.parent / "junit.xml").read_text(encoding="utf-8")
    assert f'tests="{CASES}"' in text
    assert 'failures="1"' in text
    assert TALK not in text
    assert EASY not in text
    assert '"messages"' not in text
    assert len(text) < 20_000


def test_a_test_that_requires_nothing_fails(box: Box) -> None:
    idle = box.path / "test_multi_turn.py"
    idle.write_text("def test_multi_turn(talk):\n    assert talk.replies\n", encoding="utf-8")
    where = ("-c", str(ROOT / "pyproject.toml"), "-p", "harness.plugin", "-rA")
    done = box.run(box.replay(FINE), *where, targets=[str(idle)])
    assert done.code == 1
    assert "the test decided" in done.out


def test_without_a_model_failures_of_other_tests_are_shown_as_ever(box: Box) -> None:
    plain = box.path / "test_plain.py"
    plain.write_text("def test_plain():\n    assert 1 + 1 == 3\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", str(plain), "-c", str(ROOT / "pyproject.toml"),
         "-p", "harness.plugin", "-p", "no:cacheprovider"],
        cwd=ROOT, env=box.environment(), capture_output=True, text=True, timeout=LIMIT_S,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "assert (1 + 1) == 3" in done.stdout
    assert "FAILED" in done.stdout
    assert not (box.path / "store").exists()


@pytest.mark.parametrize(
    "option", ["--model", "--adapter", "--samples", "--temperature", "--seed", "--max-tokens",
               "--persona", "--language", "--reports", "--no-store", "--exact", "--no-loop-stop"]
)  # fmt: skip
def test_every_option_is_known(option: str, request: pytest.FixtureRequest) -> None:
    assert hasattr(request.config.option, option.removeprefix("--").replace("-", "_"))


# Interruption


def _run_until_first_reply(
    box: Box, command: Sequence[str], reports: Path
) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        command, cwd=ROOT, env=box.environment(), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    limit = time.monotonic() + LIMIT_S
    while not any(path.stat().st_size for path in reports.glob("*/replies.jsonl")):
        assert child.poll() is None, child.communicate()[0]
        assert time.monotonic() < limit
        time.sleep(0.01)
    return child


@pytest.fixture(scope="module")
def interrupted(models: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Ran, Ran, float]:
    """A run that Ctrl-C ended after its first replies, the same command again, and the delay."""
    box = _box(tmp_path_factory.mktemp("interrupted") / "box")
    more = ("--confirm", "0", "--no-loop-stop", "--max-tokens", "80")
    model, where = str(models / "slow.gguf"), ("evals/test_zone_knowledge.py",)
    reports = box.path / "first"
    command = box.command(
        model, *more, "--golden", str(box.path / "many"), "--reports", str(reports), targets=where
    )
    child = _run_until_first_reply(box, command, reports)
    pressed = time.monotonic()
    os.killpg(child.pid, signal.SIGINT)  # a terminal interrupts the engine processes too
    out, _ = child.communicate(timeout=LIMIT_S)
    took = time.monotonic() - pressed
    first = Ran(code=child.returncode, out=out, err="", seconds=0.0, reports=reports)
    return first, box.run(model, *more, targets=where, golden="many", reports="second"), took


def test_ctrl_c_exits_2(interrupted: tuple[Ran, Ran, float]) -> None:
    assert interrupted[0].code == 2, interrupted[0].out


def test_ctrl_c_still_writes_a_report(interrupted: tuple[Ran, Ran, float]) -> None:
    first, _, _ = interrupted
    record = first.record
    assert record["verdict"]["status"] == "PARTIAL"
    assert "selected cases did not run" in " ".join(record["verdict"]["reasons"])
    assert 0 < sum(entry["cases"] for entry in record["behaviours"]) < 96


def test_ctrl_c_ends_within_five_seconds(interrupted: tuple[Ran, Ran, float]) -> None:
    assert interrupted[2] < 5


def test_the_verdict_of_an_interrupted_run_is_its_last_line(
    interrupted: tuple[Ran, Ran, float],
) -> None:
    assert interrupted[0].last_line.startswith("PARTIAL: ")


def test_the_same_command_goes_on_after_ctrl_c(interrupted: tuple[Ran, Ran, float]) -> None:
    first, second, _ = interrupted
    timing = second.record["timing"]
    assert timing["replies_from_store"] >= len(first.rows)
    assert timing["replies_from_store"] < 96
    assert second.record["suite"]["selected"] == 96
    assert len(second.rows) == 96
    assert first.replies.items() <= second.replies.items()


# A full disk


@pytest.fixture(scope="module")
def disk_full(models: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Ran, Ran]:
    """A run that could not write more than 60 kB to a file, and the same command again."""
    box = _box(tmp_path_factory.mktemp("full") / "box")
    given: dict[str, Any] = {"targets": ("evals/test_zone_knowledge.py",), "golden": "many"}
    model = str(models / "fine.gguf")
    full = box.run(model, reports="first", file_limit=60_000, **given)
    return full, box.run(model, reports="second", **given)


def test_a_full_disk_exits_12(disk_full: tuple[Ran, Ran]) -> None:
    assert disk_full[0].code == 12, disk_full[0].text


def test_a_full_disk_shows_no_traceback(disk_full: tuple[Ran, Ran]) -> None:
    assert not re.search(r"Traceback|INTERNALERROR", disk_full[0].text)


def test_a_full_disk_is_told_with_what_to_do(disk_full: tuple[Ran, Ran]) -> None:
    assert re.search(r"free disk space", disk_full[0].out, re.IGNORECASE)


def test_replies_so_far_survive_a_full_disk(disk_full: tuple[Ran, Ran]) -> None:
    first, second = disk_full
    assert 0 < second.record["timing"]["replies_from_store"] < 96
    kept = {(row["case"], row["turn"]): row["reply"] for row in _whole_rows(first.folder)}
    assert kept.items() <= {(c, t): reply for (c, _, t), reply in second.replies.items()}.items()


def _whole_rows(folder: Path) -> list[dict[str, Any]]:
    """The rows of a file whose last line may be cut."""
    lines = (folder / "replies.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    return [json.loads(line) for line in lines]
