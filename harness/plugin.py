"""The pytest side: options, the `talk` fixture, outcomes, exit status, terminal.

The only module that knows pytest. Without `--model` it does nothing, so that `pytest tests` never
touches a model.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from harness.errors import HarnessError, UsageError
from harness.options import add_options, read_options

if TYPE_CHECKING:
    from harness.progress import Counts, ProgressLine, Watcher
    from harness.run import Run
    from harness.suite import Sampled
    from harness.talk import Talk

EXIT_ENGINE = 12
_PASSES: dict[tuple[str, bool], tuple[str, str, str]] = {
    ("fail", False): ("missed", "m", "MISSED"),
    ("ungraded", False): ("ungraded", "u", "UNGRADED"),
}
_CASE, _TROUBLE, _OUTCOME = "josi-case", "josi-trouble", "outcome"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options of `pytest evals`."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Wake up if a model was named."""
    if config.getoption("model"):
        config.pluginmanager.register(_Evals(config), "josi-evals")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test of each case of the behaviour that the test's module names."""
    if "talk" not in metafunc.fixturenames:
        return
    evals = metafunc.config.pluginmanager.get_plugin("josi-evals")
    if evals is None:
        return  # told below, once and as a usage error
    behaviour = metafunc.module.__name__.rpartition(".")[2].removeprefix("test_")
    sampled = evals.run.suite.selected(behaviour)
    metafunc.parametrize("talk", sampled, ids=[one.id for one in sampled], indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Ask for a model if an eval was selected without one."""
    if config.pluginmanager.hasplugin("josi-evals"):
        return
    if any("talk" in getattr(item, "fixturenames", ()) for item in items):
        raise pytest.UsageError(
            "evals need a model: pytest evals --model FILE.gguf (or --model embedded)"
        )


@pytest.fixture
def talk(request: pytest.FixtureRequest) -> Talk:
    """The finished conversation of one case."""
    evals = request.config.pluginmanager.get_plugin("josi-evals")
    assert isinstance(evals, _Evals)  # registered whenever tests were made from cases
    return evals.talk(request.node, request.param)


class _Evals:
    """One pytest session that evaluates a model."""

    run: Run

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._input: dict[str, Any] | None = getattr(config, "workerinput", None)
        self._line: ProgressLine | None = None
        self._watcher: Watcher | None = None
        self._talk_key = pytest.StashKey["Talk"]()
        self._record: dict[str, Any] | None = None
        self._broken: list[str] = []
        """Tests that failed without a verdict on a reply: mistakes in the tests themselves."""
        given = config.invocation_params.args
        # Our own summary names the worst failures; pytest's blocks come back with --tb or -r.
        if not any(arg.startswith("--tb") for arg in given):
            config.option.tbstyle = "no"
        if not any(arg.startswith("-r") for arg in given):
            config.option.reportchars = ""

    @property
    def _controls(self) -> bool:
        """Whether this process only hands tests to pytest-xdist workers."""
        return self._input is None and self._config.pluginmanager.hasplugin("dsession")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Check everything that was given, before anything is collected."""
        from harness.run import Run

        # While a test runs, descriptor 1 is pytest's capture: keep the real one for the progress.
        self._screen = os.fdopen(os.dup(1), "w", encoding="utf-8")
        try:
            if self._input is None:
                self.run = Run(read_options(self._config.option, workers=1))
                if self._controls:
                    (self.run.folder / ".progress").mkdir()
                return
            count = int(self._input["workercount"])
            index = int(str(self._input["workerid"]).removeprefix("gw") or 0)
            self.run = Run(
                read_options(self._config.option, workers=count),
                folder=Path(self._input["josi_folder"]),
                worker=(index % count, count),
                before=int(self._input["josi_before"]),
            )
        except UsageError as error:
            raise pytest.UsageError(str(error)) from error
        except HarnessError as error:
            pytest.exit(str(error), returncode=EXIT_ENGINE)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell an xdist worker the run folder, and what the store held when the run began."""
        node.workerinput["josi_folder"] = str(self.run.folder)
        node.workerinput["josi_before"] = self.run.before

    @pytest.hookimpl(wrapper=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Iterator[None]:
        """Run tests in the order in which their replies come, so that results show at once."""
        from harness.suite import Sampled

        yield
        # pytest's placeholder for a behaviour without a selected case is no case.
        items[:] = [item for item in items if isinstance(_sampled(item), Sampled | None)]
        selected = {item: sampled for item in items if (sampled := _sampled(item))}
        order = self.run.order(list(selected.values()))
        items.sort(key=lambda item: order[selected[item].id] if item in selected else -1)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Plan what was selected and start generating."""
        if session.config.option.collectonly or session.testsfailed:
            return
        if self._controls:
            from harness.progress import Watcher

            self._watcher = Watcher(self.run.folder / ".progress", self._progress_line())
            return
        self.run.start([sampled for item in session.items if (sampled := _sampled(item))])

    def talk(self, item: pytest.Item, sampled: Sampled) -> Talk:
        """Wait for a case; engine trouble shows as pytest's ERROR."""
        try:
            finished = self.run.talk(sampled, self._paint)
        except HarnessError as error:
            item.user_properties.append((_TROUBLE, str(error)))
            pytest.fail(str(error), pytrace=False)
        finally:
            if self._line is not None:
                self._line.wipe()
        started = time.monotonic()
        _ = finished.grades
        self.run.tally.grade_s += time.monotonic() - started
        item.stash[self._talk_key] = finished
        return finished

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Iterator[None]:
        """Attach the case's result to its report, which travels to the controller."""
        report: pytest.TestReport = yield  # type: ignore[assignment]  # pluggy sends the result
        if call.when == "call":
            finished = item.stash.get(self._talk_key, None)
            if finished is not None and finished.result is not None:
                # As JSON text, which pytest-xdist can carry and which takes little memory.
                case = {"result": asdict(finished.result), "rows": finished.rows()}
                report.user_properties.append((_CASE, json.dumps(case)))
            elif finished is not None and report.passed:
                report.outcome = "failed"
                report.longrepr = "the test decided nothing: call talk.requires(...)"
        if call.when == "teardown" and self._talk_key in item.stash:
            del item.stash[self._talk_key]
        return report  # type: ignore[return-value]  # as pluggy's wrappers do

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep a case's result; only the main process or the controller reports."""
        if self._input is not None:
            return
        from harness.talk import CaseResult

        kept: list[tuple[str, object]] = []
        given = {name for name, _ in report.user_properties}
        if report.failed and not given & {_CASE, _TROUBLE}:
            self._broken.append(f"{report.nodeid}: {report.longreprtext.splitlines()[-1]}")
        for name, value in report.user_properties:
            if name == _CASE:
                case = json.loads(str(value))
                result = CaseResult.read(case["result"])
                self.run.record(result, case["rows"])
                kept.append((_OUTCOME, "fail" if result.fails_test else result.outcome))
                kept.append(("fails_test", result.fails_test))
            else:
                kept.append((name, value))
                if name == _TROUBLE and report.when == "setup":
                    self.run.tally.errors += 1
                    self.run.tally.troubles.append(str(value))
        report.user_properties = kept

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, Any] | None:
        """Show a missed rate case and an ungraded one as what they are."""
        if report.when != "call" or not report.passed:
            return None
        found = dict(report.user_properties)
        status = _PASSES.get((str(found.get(_OUTCOME)), bool(found.get("fails_test"))))
        if status is None:
            return None
        category, letter, word = status
        return category, letter, (word, {"yellow": True})

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Add up what an xdist worker measured."""
        found = getattr(node, "workeroutput", {}).get("josi")
        if not found:
            return
        tally, progress = self.run.tally, self.run.tally.progress
        tally.selected = max(tally.selected, found["selected"])
        tally.grade_s += found["grade_s"]
        theirs = found["progress"]
        for name in (
            "prompt_tokens", "cached_prompt_tokens", "completion_tokens", "restarts", "retries",
        ):  # fmt: skip
            setattr(progress, name, getattr(progress, name) + theirs[name])
        for name in ("stored", "other_plan", "load_s", "last_end"):
            setattr(progress, name, max(getattr(progress, name), theirs[name]))
        starts = [s for s in (progress.first_start, theirs["first_start"]) if s]
        progress.first_start = min(starts, default=0.0)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Finish generating, confirm failures, write the report, set the exit status."""
        run = getattr(self, "run", None)
        if run is None:
            return
        stopped = exitstatus in (2, 3, 4) or bool(session.shouldstop)
        try:
            if self._watcher is not None:
                self._watcher.stop()
            if self._input is not None:
                if not stopped:
                    run.finish_generation(self._paint)
                self._config.workeroutput["josi"] = {  # type: ignore[attr-defined]  # xdist's
                    "selected": run.tally.selected,
                    "grade_s": run.tally.grade_s,
                    "progress": asdict(run.progress()),
                }
                return
            if session.config.option.collectonly:
                return
            if not self._controls:
                run.tally.progress = run.progress()
            if not stopped:
                run.confirm(self._paint)
                if self._line is not None:
                    self._line.wipe()
            if run.tally.selected:
                self._record = run.write()
            session.exitstatus = self._exit_status(int(exitstatus))
        finally:
            self._screen.close()
            if self._controls:
                shutil.rmtree(run.folder / ".progress", ignore_errors=True)
            run.close()

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the table, the worst failures, and where the report is."""
        if self._record is None or self._input is not None:
            return
        from harness.report.summary import (
            WORST,
            failure_line,
            read_line,
            worst_first,
            write_table,
        )

        writer, record, run = self._config.get_terminal_writer(), self._record, self.run
        writer.line()
        writer.sep("=", f"{record['model']['name']}: {record['verdict']['status']}")
        write_table(record, writer._file, writer.fullwidth, colour=writer.hasmarkup)
        failing = worst_first(run.tally.results)
        if failing:
            writer.line()
            writer.line(
                f"worst failures ({min(len(failing), WORST)} of {len(failing)}):", bold=True
            )
            for result in failing[:WORST]:
                writer.line(f"  {failure_line(result)}", red=result.fails_test)
        confirmed = record["verdict"]["confirmed"]
        if confirmed:
            again = sum(entry["repeats"] for entry in confirmed)
            writer.line(
                f"decoded again one at a time: {again} of {len(confirmed)} failing must cases "
                "fail again (all count)"
            )
        if record["reviews"]["verdicts"]:
            writer.line(read_line(record))
        troubles = dict.fromkeys(run.tally.troubles)
        if troubles:
            writer.line()
            writer.line(f"not generated ({run.tally.errors} cases):", bold=True)
            for text in list(troubles)[:WORST]:
                writer.line(f"  {text}", red=True)
        for text in self._broken[:WORST]:
            writer.line(f"broken test: {text}", red=True)
        timing = record["timing"]
        writer.line()
        writer.line(
            f"{timing['completion_tokens']} tokens in {timing['generate_s']:.1f} s "
            f"({timing['tokens_per_s']:.0f} tokens/s); {timing['replies_from_store']} replies came "
            f"from the store, {timing['replies_from_other_plans']} of them from another plan"
        )

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        """End with the verdict, as the last line."""
        if self._record is None:
            return
        verdict, writer = self._record["verdict"], self._config.get_terminal_writer()
        writer.line(f"report: {_relative(self.run.folder)}/summary.md", bold=True)
        writer.line(f"{verdict['status']}: {'; '.join(verdict['reasons'])}", bold=True)

    def _exit_status(self, status: int) -> int:
        """The first that applies of 2 to 5, 1, 12, 0 (`docs/run-folder.md`)."""
        if status in (2, 3, 4, 5):
            return status
        failing = any(result.fails_test for result in self.run.tally.results)
        trouble = bool(self.run.tally.errors or self.run.trouble)
        if failing or (status == 1 and not trouble):
            return 1
        return EXIT_ENGINE if trouble else status

    def _paint(self, counts: Counts) -> None:
        if self._input is not None:
            from harness.progress import leave_counts

            folder = self.run.folder / ".progress"
            leave_counts(folder, str(self._input["workerid"]), counts)
            return
        if self._line is None:
            self._line = self._progress_line()
        self._line.show(counts)

    def _progress_line(self) -> ProgressLine:
        from harness.progress import ProgressLine

        writer = self._config.get_terminal_writer()
        return ProgressLine(
            self._screen,
            live=self._screen.isatty() and self._config.get_verbosity() > -2,
            width=writer.fullwidth,
            column=lambda: writer.width_of_current_line,
            lines=self._config.get_verbosity() >= 0,
        )


def _sampled(item: pytest.Item) -> Sampled | None:
    """The case that an item tests; None for tests of something else."""
    if isinstance(item, pytest.Function) and "talk" in item.fixturenames:
        sampled: Any = item.callspec.params["talk"]
        return cast("Sampled", sampled)
    return None


def _relative(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
