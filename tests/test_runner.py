"""A plan is carried out once and wholly, whatever dies on the way; real processes, tiny model."""

from __future__ import annotations

import gc
import json
import os
import random
import shlex
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from harness.engines import resolve_model
from harness.engines.process import EngineProcess, Opened
from harness.errors import EngineError, HarnessError, StoreError
from harness.generation import Dialogue, Group, Plan, Reply, Sampling, project_root
from harness.runner import Progress, Runner, Talked
from harness.store import Store
from tests.tiny_gguf import Shape, write_random

KILLS = 10
LIMIT_S = 20.0
SAMPLING = Sampling(loop_stop=False)
Replies = dict[str, tuple[Reply, ...]]


class Done(NamedTuple):
    """What a runner gave."""

    talked: dict[str, Talked]
    progress: Progress

    @property
    def replies(self) -> Replies:
        return {name: talked.replies for name, talked in self.talked.items()}

    @property
    def sources(self) -> set[str]:
        return {talked.source for talked in self.talked.values()}


def dialogues(count: int, *, max_tokens: int = 12, turns: int = 2) -> list[Dialogue]:
    return [
        Dialogue(
            id=f"d{i}",
            sample=0,
            system="You are Josi.",
            users=tuple(f"Question {i}.{turn}?" for turn in range(turns)),
            max_tokens=max_tokens,
        )
        for i in range(count)
    ]


def _plan(model: Path, chosen: Sequence[Dialogue], sampling: Sampling = SAMPLING) -> Plan:
    return Plan.of(chosen, sampling, "tiny", resolve_model(str(model)))


def _runner(
    model: Path,
    plan: Plan,
    store: Store,
    *,
    processes: int = 2,
    mine: tuple[int, int] = (0, 1),
    before: int | None = None,
) -> Runner:
    spec = resolve_model(str(model))
    return Runner(plan, spec, Opened(spec), store, processes=processes, mine=mine, before=before)


def _in_time() -> Callable[[Progress], None]:
    """Fail a wait that takes too long."""
    end = time.monotonic() + LIMIT_S

    def check(_: Progress) -> None:
        assert time.monotonic() < end, "the runner waits for ever"

    return check


def _collect(runner: Runner, plan: Plan) -> Done:
    talked = {name: runner.wait(name, paint=_in_time()) for name in plan.group_of}
    return Done(talked, runner.progress)


def _run(model: Path, plan: Plan, folder: Path, *, processes: int = 2) -> Done:
    store = Store(folder)
    runner = _runner(model, plan, store, processes=processes)
    try:
        return _collect(runner, plan)
    finally:
        runner.close()
        store.close()


def _failures(runner: Runner, plan: Plan) -> dict[int, HarnessError]:
    found = {}
    for group in plan.groups:
        try:
            runner.wait(group.dialogues[0].id, paint=_in_time())
        except HarnessError as error:
            found[group.index] = error
    return found


def _rows(folder: Path) -> dict[int, tuple[object, ...]]:
    """Every stored reply by its row number, with when it was made."""
    path = folder / "replies-1.sqlite"
    if not path.exists():
        return {}
    db = sqlite3.connect(path, timeout=30)
    try:
        return {row[0]: row[1:] for row in db.execute("SELECT rowid, * FROM replies")}
    except sqlite3.OperationalError:
        return {}  # killed before the table was made
    finally:
        db.close()


def _contents(folder: Path) -> set[tuple[object, ...]]:
    """What is stored, without row numbers and times."""
    return {row[:-1] for row in _rows(folder).values()}


def _engines() -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process().children()
        if child.status() != psutil.STATUS_ZOMBIE and "harness.engines.worker" in child.cmdline()
    ]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random(tmp_path_factory.mktemp("quick") / "quick.gguf", Shape(ends=False))


@pytest.fixture(scope="module")
def slow_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that takes some tenths of a second for a group."""
    shape = Shape(layers=4, width=256, hidden=512, ends=False)
    return write_random(tmp_path_factory.mktemp("slow") / "slow.gguf", shape)


SLOW = dialogues(64, max_tokens=80)


@pytest.fixture(scope="module")
def undisturbed(slow_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Done, Path]:
    """The slow plan carried out in one go, and its store."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return _run(slow_model, _plan(slow_model, SLOW), folder), folder


@pytest.fixture(autouse=True)
def _no_engine_is_left() -> Iterator[None]:
    yield
    left = _engines()
    for process in left:
        process.kill()
    assert not left


# One run


def test_every_dialogue_is_answered_and_counted(undisturbed: tuple[Done, Path]) -> None:
    done, _ = undisturbed
    replies = [reply for turns in done.replies.values() for reply in turns]
    assert len(replies) == 2 * len(SLOW)
    assert done.sources == {"new"}
    assert done.progress.done == done.progress.dialogues == len(SLOW)
    assert done.progress.completion_tokens == sum(reply.tokens for reply in replies)
    assert done.progress.prompt_tokens == sum(reply.prompt_tokens for reply in replies)
    assert 0 < done.progress.generate_s < LIMIT_S


def test_one_process_gives_the_same_replies_as_two(
    slow_model: Path, undisturbed: tuple[Done, Path], tmp_path: Path
) -> None:
    alone = _run(slow_model, _plan(slow_model, SLOW), tmp_path, processes=1)
    assert alone.replies == undisturbed[0].replies


def test_a_second_run_decodes_nothing(slow_model: Path, undisturbed: tuple[Done, Path]) -> None:
    first, folder = undisturbed
    before = _rows(folder)
    again = _run(slow_model, _plan(slow_model, SLOW), folder)
    assert again.replies == first.replies
    assert again.sources == {"stored"}
    assert (again.progress.stored, again.progress.other_plan) == (2 * len(SLOW), 0)
    assert again.progress.completion_tokens == 0
    assert _rows(folder) == before


def test_closing_early_leaves_whole_groups(slow_model: Path, tmp_path: Path) -> None:
    plan, store = _plan(slow_model, SLOW), Store(tmp_path)
    runner = _runner(slow_model, plan, store)
    runner.wait("d0", paint=_in_time())
    runner.close()
    store.close()
    _assert_whole_groups(plan, tmp_path)


# Replies of another plan


def test_a_stored_reply_of_another_plan_is_used_and_counted(model: Path, tmp_path: Path) -> None:
    whole = dialogues(20)
    first = _run(model, _plan(model, whole), tmp_path)
    part = _run(model, _plan(model, whole[3:8]), tmp_path)
    assert part.sources == {"other plan"}
    assert (part.progress.stored, part.progress.other_plan) == (10, 10)
    assert part.replies == {name: first.replies[name] for name in part.replies}


def test_a_group_with_one_missing_reply_is_decoded_whole(model: Path, tmp_path: Path) -> None:
    chosen = dialogues(5)
    _run(model, _plan(model, chosen[:4]), tmp_path)
    done = _run(model, _plan(model, chosen), tmp_path)
    assert done.sources == {"new"}
    assert done.progress.stored == 0


def test_replies_of_the_same_plan_are_preferred(model: Path, tmp_path: Path) -> None:
    chosen = dialogues(5)
    _run(model, _plan(model, chosen), tmp_path)
    _run(model, _plan(model, [*chosen, *dialogues(6)[5:]]), tmp_path)
    again = _run(model, _plan(model, chosen), tmp_path)
    assert again.sources == {"stored"}


@pytest.mark.parametrize(
    "sampling",
    [
        pytest.param(Sampling(loop_stop=False, exact=True), id="exact"),
        pytest.param(Sampling(loop_stop=False, temperature=0.5), id="temperature"),
        pytest.param(Sampling(loop_stop=False, seed=1), id="seed"),
        pytest.param(Sampling(), id="loop-stop"),
    ],
)
def test_replies_of_other_settings_are_not_used(
    model: Path, tmp_path: Path, sampling: Sampling
) -> None:
    chosen = dialogues(3)
    _run(model, _plan(model, chosen), tmp_path)
    assert _run(model, _plan(model, chosen, sampling), tmp_path).sources == {"new"}


# Two runners


def test_two_runners_on_one_store_share_the_work(
    slow_model: Path, undisturbed: tuple[Done, Path], tmp_path: Path
) -> None:
    plan = _plan(slow_model, SLOW)
    stores = [Store(tmp_path) for _ in range(2)]
    before = stores[0].mark()
    runners = [
        _runner(slow_model, plan, store, processes=1, mine=(k, 2), before=before)
        for k, store in enumerate(stores)
    ]
    found = [_collect(runner, plan) for runner in runners]
    for runner, store in zip(runners, stores, strict=True):
        runner.close()
        store.close()
    whole = undisturbed[0]
    assert found[0].replies == found[1].replies == whole.replies
    tokens = [done.progress.completion_tokens for done in found]
    assert min(tokens) > 0
    assert sum(tokens) == whole.progress.completion_tokens
    # Though the second may find what the first had finished before it was there.
    assert [done.progress.stored for done in found] == [0, 0]
    assert [done.sources for done in found] == [{"new"}] * 2
    assert [done.progress.done for done in found] == [len(SLOW)] * 2
    assert _contents(tmp_path) == _contents(undisturbed[1])


def test_a_runner_takes_over_what_another_gave_up(slow_model: Path, tmp_path: Path) -> None:
    plan = _plan(slow_model, SLOW)
    stores = [Store(tmp_path) for _ in range(2)]
    first, second = (_runner(slow_model, plan, store, processes=1) for store in stores)
    first.wait("d0", paint=_in_time())
    first.close()
    done = _collect(second, plan)
    second.close()
    for store in stores:
        store.close()
    assert len(done.replies) == len(SLOW)
    _assert_whole_groups(plan, tmp_path)


# Death of the run


def run_in_child() -> None:
    """Carry the slow plan out; log what the store held before and each group that is started."""
    model, folder, log = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
    with log.open("a", encoding="utf-8") as lines:

        def tell(word: str, plan: str) -> None:
            lines.write(f"{os.getpid()} {word} {plan}\n")
            lines.flush()

        for row in _rows(folder).values():
            tell("stored", str(row[1]))
        start = EngineProcess.start

        def logged(process: EngineProcess, group: Group, sampling: Sampling) -> None:
            tell("start", group.plan)
            start(process, group, sampling)

        EngineProcess.start = logged  # type: ignore[method-assign]
        done = _run(model, _plan(model, SLOW), folder)
    sys.stdout.write(json.dumps(sorted(done.sources)))


def _start_child(model: Path, folder: Path, log: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", "from tests.test_runner import run_in_child as run; run()",
         str(model), str(folder), str(log)],
        cwd=project_root(), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


class Killed(NamedTuple):
    """A plan whose run was killed again and again, then left to end."""

    folder: Path
    log: Path
    before: list[dict[int, tuple[object, ...]]]
    """Stored rows after each kill, and at the end."""
    ended: int
    """Exit status of the last run."""


@pytest.fixture(scope="module")
def killed(slow_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Killed:
    folder, draw = tmp_path_factory.mktemp("killed"), random.Random(7)
    log, rows = folder / "log.txt", []
    for _ in range(KILLS):
        child = _start_child(slow_model, folder, log)
        try:
            child.wait(draw.uniform(0.3, 1.0))
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
        child.communicate()
        rows.append(_rows(folder))
    child = _start_child(slow_model, folder, log)
    child.communicate(timeout=LIMIT_S)
    return Killed(folder, log, [*rows, _rows(folder)], child.returncode)


def _assert_whole_groups(plan: Plan, folder: Path) -> None:
    counts: dict[object, int] = {}
    for row in _rows(folder).values():
        counts[row[1]] = counts.get(row[1], 0) + 1
    sizes = {group.plan: sum(len(d.users) for d in group.dialogues) for group in plan.groups}
    assert counts.items() <= sizes.items()


def test_a_run_killed_ten_times_ends_well(killed: Killed) -> None:
    assert killed.ended == 0


def test_a_run_killed_ten_times_gives_the_replies_of_an_undisturbed_one(
    killed: Killed, undisturbed: tuple[Done, Path]
) -> None:
    assert _contents(killed.folder) == _contents(undisturbed[1])


def test_a_kill_loses_no_stored_reply_and_changes_none(killed: Killed) -> None:
    for before, after in zip(killed.before, killed.before[1:], strict=False):
        assert before.items() <= after.items()


def test_a_kill_leaves_whole_groups(killed: Killed, slow_model: Path) -> None:
    sizes = {g.plan: 2 * len(g.dialogues) for g in _plan(slow_model, SLOW).groups}
    for rows in killed.before:
        plans = [row[1] for row in rows.values()]
        assert {plan: plans.count(plan) for plan in set(plans)}.items() <= sizes.items()


def test_a_finished_group_is_never_decoded_again(killed: Killed) -> None:
    lines = [line.split() for line in killed.log.read_text(encoding="utf-8").splitlines()]
    stored = {(run, plan) for run, word, plan in lines if word == "stored"}
    started = [(run, plan) for run, word, plan in lines if word == "start"]
    assert len(set(started)) == len(started)
    assert not stored & set(started)


# Death of an engine process


def test_a_killed_engines_group_is_taken_over(
    slow_model: Path, undisturbed: tuple[Done, Path], tmp_path: Path
) -> None:
    plan, store = _plan(slow_model, SLOW), Store(tmp_path)
    runner = _runner(slow_model, plan, store)
    time.sleep(0.4)
    _engines()[0].kill()
    done = _collect(runner, plan)
    runner.close()
    store.close()
    assert done.replies == undisturbed[0].replies
    assert done.progress.restarts == 1
    assert done.progress.completion_tokens == undisturbed[0].progress.completion_tokens


def test_an_engine_that_dies_before_its_first_group_is_replaced(
    model: Path, tmp_path: Path
) -> None:
    plan, spec, store = _plan(model, dialogues(4)), resolve_model(str(model)), Store(tmp_path)
    opened = Opened(spec)
    (engine,) = _engines()
    engine.kill()
    time.sleep(0.3)
    runner = Runner(plan, spec, opened, store, processes=1)
    try:
        done = _collect(runner, plan)
    finally:
        runner.close()
        store.close()
    assert len(done.replies) == 4
    assert done.progress.restarts == 1


def _stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Have `code` run instead of the worker's own main."""
    script = folder / "stand_in.py"
    script.write_text(code, encoding="utf-8")
    starter = folder / "python"
    starter.write_text(
        f"#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(script))}\n",
        encoding="utf-8",
    )
    starter.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(starter))


DIES_ON_D0 = """
import os, signal
from harness.engines import worker

answer = worker._answer

def dying(engine, order, say):
    if any(dialogue["id"] == "d0" for dialogue in order["dialogues"]):
        print("ggml_abort: tensor went missing", flush=True)
        os.kill(os.getpid(), signal.SIGABRT)
    answer(engine, order, say)

worker._answer = dying
worker.main()
"""


@pytest.fixture
def crashing(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Runner, Plan]]:
    """A runner whose engines die on the group of d0."""
    _stand_in(tmp_path, monkeypatch, DIES_ON_D0)
    plan, store = _plan(model, dialogues(40)), Store(tmp_path / "store")
    runner = _runner(model, plan, store)
    yield runner, plan
    runner.close()
    store.close()


def test_a_group_that_kills_its_engine_twice_is_engine_trouble(
    crashing: tuple[Runner, Plan],
) -> None:
    runner, _ = crashing
    with pytest.raises(EngineError, match=r"died 2 times .*d0 and \d+ more.*exit status -6"):
        runner.wait("d0", paint=_in_time())


def test_an_engines_last_words_reach_the_reader(crashing: tuple[Runner, Plan]) -> None:
    runner, _ = crashing
    with pytest.raises(EngineError, match="ggml_abort: tensor went missing"):
        runner.wait("d0", paint=_in_time())


def test_the_other_groups_of_a_crashing_one_are_answered(crashing: tuple[Runner, Plan]) -> None:
    runner, plan = crashing
    assert list(_failures(runner, plan)) == [plan.group_of["d0"]]
    assert len(plan.groups) > 1


def test_an_engine_that_crashes_when_opening_is_engine_trouble(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _stand_in(tmp_path, monkeypatch, "raise SystemExit('no such instruction')")
    with pytest.raises(
        EngineError, match=r"ended while opening .*quick\.gguf.*no such instruction"
    ):
        Opened(resolve_model(str(model)))
    gc.collect()  # pipes left open would warn here, not in some later test


def test_an_engine_that_never_opens_is_engine_trouble(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _stand_in(tmp_path, monkeypatch, "import time; time.sleep(60)")
    with pytest.raises(EngineError, match=r"did not open .*quick\.gguf"):
        Opened(resolve_model(str(model)), timeout_s=0.5)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_file_that_breaks_after_opening_fails_every_group_with_the_reason(
    tmp_path: Path, processes: int
) -> None:
    path = write_random(tmp_path / "breaks.gguf")
    plan, spec, store = _plan(path, dialogues(40)), resolve_model(str(path)), Store(tmp_path)
    opened = Opened(spec)
    path.unlink()  # the engine has it mapped: a new file takes its name
    path.write_bytes(b"GGUF and nothing else")
    runner = Runner(plan, spec, opened, store, processes=processes)
    failures = _failures(runner, plan)
    runner.close()
    store.close()
    assert len(failures) == len(plan.groups)
    assert all("cannot be loaded" in str(error) for error in failures.values())


# A full disk


@pytest.mark.parametrize("processes", [1, 2])
def test_a_full_store_fails_the_rest_and_keeps_what_it_has(
    model: Path, tmp_path: Path, processes: int
) -> None:
    plan, store = _plan(model, dialogues(64, max_tokens=100)), Store(tmp_path)
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count = {pages + 12}")
    runner = _runner(model, plan, store, processes=processes)
    failures = _failures(runner, plan)
    time.sleep(0.3)  # what still decodes reports to a runner that has given up
    runner.close()
    store.close()
    assert 0 < len(failures) < len(plan.groups)
    assert {type(error) for error in failures.values()} == {StoreError}
    assert all("disk is full" in str(error) for error in failures.values())
    _assert_whole_groups(plan, tmp_path)
    assert _run(model, plan, tmp_path).progress.stored > 0


def test_no_thread_outlives_a_runner(model: Path, tmp_path: Path) -> None:
    before = threading.active_count()
    _run(model, _plan(model, dialogues(3)), tmp_path)
    assert threading.active_count() == before
