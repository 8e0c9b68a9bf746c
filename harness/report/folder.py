"""The run folder `reports/<run-id>/`: replies as they are graded, and `run.json` at the end.

Takes case results and timings, writes the files that `docs/run-folder.md` describes.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from harness.calibrate import published
from harness.errors import StoreError, UsageError
from harness.generation import EngineSpec, ModelInfo, Sampling
from harness.runner import Progress
from harness.stats import clustered_rate
from harness.talk import CaseResult

SCHEMA = 1


class RunFolder:
    """A folder of its own for one run.

    Raises:
        UsageError: if it cannot be made or written.
    """

    def __init__(self, reports: Path, started: datetime, model: str) -> None:
        # A server's model may be called `org/name`, or by its path.
        name = re.sub(r"[^\w. -]+", "-", model)[-100:]
        base = f"{started:%Y%m%d-%H%M%S}-{name}"
        try:
            reports.mkdir(parents=True, exist_ok=True)
            for run_id in [base, *(f"{base}-{i}" for i in range(2, 1000))]:
                try:
                    (reports / run_id).mkdir()
                except FileExistsError:
                    continue
                break
            self.path = reports / run_id
            self._rows = (self.path / "replies.jsonl").open("a", encoding="utf-8")
        except OSError as error:
            raise UsageError(
                f"reports folder {str(reports)!r} cannot be written ({error.strerror}); "
                "name another with --reports DIR"
            ) from error

    def add(self, rows: Iterable[dict[str, Any]]) -> None:
        """Append graded replies.

        Raises:
            StoreError: if the disk is full.
        """
        try:
            for row in rows:
                self._rows.write(json.dumps(row, ensure_ascii=False) + "\n")
            self._rows.flush()
        except OSError as error:
            raise self._full(error) from error

    def write(self, name: str, text: str) -> None:
        """Write a whole file at once: it is there completely or not at all.

        Raises:
            StoreError: if the disk is full.
        """
        part = self.path / f".{name}.part"
        try:
            part.write_text(text, encoding="utf-8")
            os.replace(part, self.path / name)
        except OSError as error:
            raise self._full(error) from error

    def close(self) -> None:
        """Close the replies file."""
        with contextlib.suppress(OSError):  # a full disk was told when the rows were added
            self._rows.close()

    def remove_if_empty(self) -> None:
        """Remove the folder of a run that had no case."""
        replies = self.path / "replies.jsonl"
        if list(self.path.iterdir()) == [replies] and not replies.stat().st_size:
            replies.unlink()
            self.path.rmdir()

    def _full(self, error: OSError) -> StoreError:
        return StoreError(
            f"the report in {str(self.path)!r} cannot be written ({error.strerror}); replies so "
            "far are in the reply store: free disk space and run the same command again"
        )


class ReadBy(NamedTuple):
    """A reader's verdict that took a grade's place."""

    case: str
    turn: int
    grader: str
    outcome: str
    name: str
    """The reader's."""
    date: str
    instead_of: str
    """The grader's own outcome."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """Everything about a run but its results."""

    run_id: str
    started: datetime
    finished: datetime
    spec: EngineSpec
    info: ModelInfo
    model_sha256: str | None
    adapter_sha256: str | None
    processes: int
    sampling: Sampling
    samples: int
    max_tokens: dict[str, int]
    golden_sha256: str
    suite_cases: int
    suite_conversations: int
    selected: int
    progress: Progress
    grade_s: float
    total_s: float
    errors: int
    confirmed: tuple[tuple[str, bool], ...]
    """Failing must cases decoded again alone: (case, whether the failure repeats)."""
    environment: dict[str, Any]
    status: str
    reasons: tuple[str, ...]
    labels_sha256: str | None = None
    """Of the file of readers' verdicts; None if there is none."""
    read: tuple[ReadBy, ...] = ()


def run_record(facts: RunFacts, results: Sequence[CaseResult]) -> dict[str, Any]:
    """Build `run.json`."""
    progress = facts.progress
    generate_s = progress.generate_s
    return {
        "schema": SCHEMA,
        "run_id": facts.run_id,
        "started": facts.started.astimezone(UTC).isoformat(timespec="seconds"),
        "finished": facts.finished.astimezone(UTC).isoformat(timespec="seconds"),
        "model": {
            "kind": facts.spec.kind,
            "name": facts.spec.name,
            "path": facts.spec.path,
            "sha256": facts.model_sha256,
            "architecture": facts.info.architecture,
            "quantisation": facts.info.quantisation,
            "chat_template_sha256": facts.info.template_sha256,
            "adapter": facts.spec.adapter,
            "adapter_sha256": facts.adapter_sha256,
        },
        "engine": {
            "name": facts.info.engine,
            "version": facts.info.engine_version,
            "processes": facts.processes,
            "parallel": facts.spec.parallel,
            "threads": facts.spec.threads,
            "restarts": progress.restarts,
            "retries": progress.retries,
        },
        "settings": {
            **asdict(facts.sampling),
            "samples": facts.samples,
            "max_tokens": facts.max_tokens,
        },
        "suite": {
            "golden_sha256": facts.golden_sha256,
            "cases": facts.suite_cases,
            "selected": facts.selected,
            "conversations": facts.suite_conversations,
        },
        "behaviours": behaviour_records(results),
        "graders": published(),
        "verdict": {
            "status": facts.status,
            "reasons": list(facts.reasons),
            "baseline": None,
            "regressions": [],
            "must_failures": [result.id for result in results if result.fails_test],
            "confirmed": [{"case": case, "repeats": again} for case, again in facts.confirmed],
            "errors": facts.errors,
        },
        "reviews": {
            "labels_sha256": facts.labels_sha256,
            "verdicts": [read._asdict() for read in facts.read],
        },
        "timing": {
            "load_s": round(progress.load_s, 3),
            "generate_s": round(generate_s, 3),
            "grade_s": round(facts.grade_s, 3),
            "total_s": round(facts.total_s, 3),
            "prompt_tokens": progress.prompt_tokens,
            "cached_prompt_tokens": progress.cached_prompt_tokens,
            "completion_tokens": progress.completion_tokens,
            "tokens_per_s": (
                round(progress.completion_tokens / generate_s, 1) if generate_s else 0.0
            ),
            "replies_from_store": progress.stored,
            "replies_from_other_plans": progress.other_plan,
        },
        "environment": facts.environment,
    }


def behaviour_records(results: Sequence[CaseResult]) -> list[dict[str, Any]]:
    """Counts and rates by behaviour, musts first, each in the order of its first result."""
    by_behaviour: dict[str, list[CaseResult]] = {}
    for result in results:
        by_behaviour.setdefault(result.behaviour, []).append(result)
    groups = sorted(by_behaviour.values(), key=lambda group: group[0].kind != "must")
    return [
        {
            "name": group[0].behaviour,
            "kind": group[0].kind,
            **_counts(group),
            "by_persona": _split(group, "persona"),
            "by_language": _split(group, "language"),
        }
        for group in groups
    ]


def _split(results: Sequence[CaseResult], field: str) -> dict[str, dict[str, Any]]:
    names = sorted({getattr(result, field) for result in results})
    return {
        name: _counts([result for result in results if getattr(result, field) == name])
        for name in names
    }


def _counts(results: Sequence[CaseResult]) -> dict[str, Any]:
    graded = [result for result in results if result.outcome != "ungraded"]
    passed = [result.outcome == "pass" for result in graded]
    counts: dict[str, Any] = {
        "cases": len(results),
        "passed": sum(passed),
        "failed": len(passed) - sum(passed),
        "ungraded": len(results) - len(graded),
        "rate": None,
        "ci_low": None,
        "ci_high": None,
    }
    if graded:
        rate = clustered_rate(passed, [result.conversation for result in graded])
        counts |= {
            "rate": round(rate.rate, 4),
            "ci_low": round(rate.low, 4),
            "ci_high": round(rate.high, 4),
        }
    return counts
