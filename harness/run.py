"""One run from the model's name to the run folder; what the pytest plugin drives.

Opens the model, plans and generates for the selected cases, hands out finished conversations,
collects their results, decodes failing must cases again alone, and writes the report.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.engines import resolve_model
from harness.engines.process import Opened
from harness.errors import EngineError, StoreError, UsageError
from harness.gate import load_policy
from harness.generation import Dialogue, ModelInfo, Plan, project_root
from harness.knowledge import knowledge
from harness.progress import Counts
from harness.provenance import environment, sha256_json, sha256_path
from harness.report.folder import ReadBy, RunFacts, RunFolder, run_record
from harness.report.summary import markdown, worst_first
from harness.review import Readings, read_readings
from harness.runner import Progress, Runner
from harness.store import Store
from harness.suite import Sampled, Settings, Suite
from harness.talk import CaseResult, Talk


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """What the user asked for."""

    model: str
    adapter: str | None
    chat_template: str | None
    golden: Path
    policy: Path
    reports: Path
    labels: Path
    """What readers said of replies; need not exist."""
    store: Path | None
    """None keeps this run's replies in its own folder and uses no older one."""
    processes: int
    threads: int
    parallel: int
    confirm: int
    settings: Settings


@dataclass(slots=True)
class Tally:
    """What has come in: results, and the sum of what the workers measured."""

    results: list[CaseResult] = field(default_factory=list)
    selected: int = 0
    read: list[ReadBy] = field(default_factory=list)
    """Readers' verdicts that took a grade's place."""
    errors: int = 0
    troubles: list[str] = field(default_factory=list)
    """Why cases could not be generated, one text per case."""
    grade_s: float = 0.0
    progress: Progress = field(default_factory=Progress)


class Run:
    """One run; `worker` is (index, count) under pytest-xdist.

    Args:
        config: what the user asked for.
        folder: the run folder, where another process made it.
        worker: which share of the groups to decode first.
        before: the store's mark when the run began, where another process began it.

    Raises:
        UsageError: if anything given cannot be used; nothing has been generated then.
    """

    def __init__(
        self,
        config: RunConfig,
        *,
        folder: Path | None = None,
        worker: tuple[int, int] = (0, 1),
        before: int | None = None,
    ) -> None:
        self._began = time.monotonic()
        self.started = datetime.now(UTC)
        self.config, self._worker = config, worker
        self.suite = Suite(config.golden, knowledge(), config.settings)
        self.policy = load_policy(config.policy)
        self.readings: Readings = read_readings(config.labels)
        self.labels_sha256 = sha256_path(config.labels) if config.labels.exists() else None
        self.tally = Tally()
        self.trouble: str | None = None
        """Why replies or reports could no longer be kept."""
        self.confirmed: tuple[tuple[str, bool], ...] = ()
        self.spec = resolve_model(
            config.model,
            adapter=config.adapter,
            chat_template=config.chat_template,
            threads=config.threads,
            parallel=config.parallel,
        )
        self.processes = config.processes
        if self.spec.kind in ("http", "replay"):
            self.processes = 1
        elif self.spec.kind == "hf":
            # One process holds the weights once and uses all cores for its larger products.
            self.spec = replace(self.spec, threads=config.threads * config.processes)
            self.processes = 1
        self._opened: Opened | None = Opened(self.spec)
        self.info: ModelInfo = self._opened.info
        self.model_sha256 = None if self.spec.kind == "http" else sha256_path(Path(self.spec.path))
        self.adapter_sha256 = sha256_path(Path(self.spec.adapter)) if self.spec.adapter else None
        self.files: RunFolder | None = None
        if folder is None:
            self.files = RunFolder(config.reports, self.started, self.spec.name)
            folder = self.files.path
        self.folder = folder
        try:
            self.store = Store(config.store or folder / "store")
            self.before = self.store.mark() if before is None else before
        except StoreError as error:
            raise UsageError(str(error)) from error
        self._runner: Runner | None = None

    @property
    def identity(self) -> str:
        """Hash of all that tells one model from another; of a server's, all that it tells."""
        info = asdict(self.info)
        if self.spec.kind != "http":
            del info["listing_sha256"]
        return sha256_json([self.model_sha256, self.adapter_sha256, self.spec.dtype, info])

    def order(self, selected: Sequence[Sampled]) -> dict[str, int]:
        """When each case's replies will be there: its group's place in the plan, by case id."""
        return self._plan(self.suite.dialogues(selected), self.config.settings).group_of

    def start(self, selected: Sequence[Sampled]) -> None:
        """Plan the selected cases and begin to generate for them."""
        self.tally.selected = len(selected)
        self._runner = self._run(self.suite.dialogues(selected), self.config.settings)

    def talk(self, sampled: Sampled, paint: Callable[[Counts], None]) -> Talk:
        """Wait for a case's replies.

        Raises:
            EngineError: if they could not be generated.
            StoreError: if replies can no longer be kept.
        """
        if self._runner is None:
            raise EngineError(f"{sampled.id} was not planned; this is a bug of the harness")
        talked = self._runner.wait(sampled.id, paint=lambda p: paint(_counts(p)))
        return self._talk(sampled, talked.replies, talked.source)

    def record(self, result: CaseResult, rows: Sequence[dict[str, Any]]) -> None:
        """Keep a result; its replies go to the run folder at once."""
        self.tally.results.append(result)
        self.tally.read += [
            ReadBy(result.id, row["turn"], grader, grade["outcome"], **grade["read_by"])
            for row in rows
            for grader, grade in row["grades"].items()
            if "read_by" in grade
        ]
        if self.files is not None and self.trouble is None:
            try:
                self.files.add(rows)
            except StoreError as error:
                self.trouble = str(error)

    def finish_generation(self, paint: Callable[[Counts], None]) -> None:
        """Help until every group is done; for a worker whose own tests have ended."""
        if self._runner is not None:
            self._runner.finish(paint=lambda p: paint(_counts(p)))

    def progress(self) -> Progress:
        """What generation has cost this process so far."""
        return self._runner.progress if self._runner is not None else Progress()

    def confirm(self, paint: Callable[[Counts], None]) -> None:
        """Decode failing must cases again, each alone: does the failure repeat?

        One case per conversation, at most `--confirm` of them.
        """
        settings = self.config.settings
        if settings.sampling.exact or self.spec.kind == "replay" or self.trouble:
            return
        failing: dict[str, CaseResult] = {}
        for result in worst_first(self.tally.results):
            if result.fails_test:
                failing.setdefault(result.conversation, result)
        chosen = list(failing.values())[: self.config.confirm]
        if not chosen:
            return
        by_id = {
            sampled.id: sampled
            for behaviour in {result.behaviour for result in chosen}
            for sampled in self.suite.selected(behaviour)
        }
        exact = replace(settings, sampling=replace(settings.sampling, exact=True))
        dialogues = self.suite.dialogues(by_id[result.id] for result in chosen)
        runner = self._run(dialogues, exact)
        found: list[tuple[str, bool]] = []
        try:
            for result in chosen:
                talked = runner.wait(result.id, paint=lambda p: paint(_counts(p)))
                talk = self._talk(by_id[result.id], talked.replies, talked.source)
                found.append((result.id, talk.judge(result.claims).fails_test))
        except (EngineError, StoreError) as error:
            self.trouble = str(error)
        finally:
            runner.close()
            self.confirmed = tuple(found)

    def write(self) -> dict[str, Any]:
        """Write `run.json` and `summary.md`; give the record."""
        record = run_record(self._facts(), self.tally.results)
        if self.files is not None:
            import json

            try:
                self.files.write(
                    "run.json", json.dumps(record, indent=1, ensure_ascii=False) + "\n"
                )
                self.files.write("summary.md", markdown(record, self.tally.results))
            except StoreError as error:
                self.trouble = str(error)
        return record

    def close(self) -> None:
        """End engine processes, close files; a folder that nothing was written to goes."""
        if self._runner is not None:
            self._runner.close()
        if self._opened is not None:
            self._opened.process.close()
        self.store.close()
        if self.files is not None:
            self.files.close()
            self.files.remove_if_empty()

    def _run(self, dialogues: Sequence[Dialogue], settings: Settings) -> Runner:
        opened, self._opened = self._opened or Opened(self.spec), None
        return Runner(
            self._plan(dialogues, settings),
            self.spec,
            opened,
            self.store,
            processes=self.processes,
            mine=self._worker,
            before=self.before,
        )

    def _plan(self, dialogues: Sequence[Dialogue], settings: Settings) -> Plan:
        return Plan.of(dialogues, settings.sampling, self.identity, self.spec)

    def _talk(self, sampled: Sampled, replies: Any, source: str) -> Talk:
        kind = self.policy.kind(sampled.case.conversation.behaviour)
        return Talk(
            sampled.case,
            self.suite.dialogue(sampled),
            replies,
            kind=kind,
            source=source,
            readings=self.readings,
        )

    def _facts(self) -> RunFacts:
        config, tally = self.config, self.tally
        status, reasons = self._verdict()
        return RunFacts(
            run_id=self.folder.name,
            started=self.started,
            finished=datetime.now(UTC),
            spec=self.spec,
            info=self.info,
            model_sha256=self.model_sha256,
            adapter_sha256=self.adapter_sha256,
            processes=self.processes * self._worker[1],
            sampling=config.settings.sampling,
            samples=config.settings.samples,
            max_tokens=config.settings.max_tokens,
            golden_sha256=self.suite.golden_sha256,
            suite_cases=self.suite.size,
            suite_conversations=len(self.suite.conversations),
            selected=tally.selected,
            progress=tally.progress,
            grade_s=tally.grade_s,
            total_s=time.monotonic() - self._began,
            errors=tally.errors,
            confirmed=self.confirmed,
            labels_sha256=self.labels_sha256,
            read=tuple(tally.read),
            environment=environment(project_root()),
            status=status,
            reasons=reasons,
        )

    def _verdict(self) -> tuple[str, tuple[str, ...]]:
        """Without a gate there is no verdict; the reasons say what a reader must know."""
        tally = self.tally
        reasons = []
        missing = tally.selected - len(tally.results)
        partial = tally.selected < self.suite.size
        if self.trouble:
            reasons.append(self.trouble)
        if tally.errors:
            reasons.append(f"{tally.errors} cases could not be generated (engine trouble)")
        if missing > tally.errors:
            reasons.append(f"{missing - tally.errors} selected cases did not run")
        failing = sum(result.fails_test for result in tally.results)
        if failing:
            reasons.append(
                f"{failing} of {len(tally.results)} cases fail their test: a must behaviour, a "
                "contract break, a leak or a missing medical stop"
            )
        if partial:
            reasons.append(f"{tally.selected} of {self.suite.size} cases were selected")
        reasons.append("no release policy was applied")
        return ("PARTIAL" if partial or missing else "NONE"), tuple(reasons)


def default_store() -> Path:
    """Where replies are kept: `$JOSI_STORE`, else `.josi/store` in the project's root."""
    return Path(os.environ.get("JOSI_STORE") or project_root() / ".josi" / "store")


def _counts(progress: Progress) -> Counts:
    done = progress.done + progress.under_way
    return Counts(progress.dialogues, done, progress.live_tokens)
