"""The reply store: whole groups or nothing, whoever dies, however many write, whatever is full."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.synchronize import Event
from pathlib import Path
from unittest.mock import ANY

import pytest

from harness.errors import StoreError
from harness.generation import Dialogue, EngineSpec, Group, Plan, Reply, Sampling, project_root
from harness.store import Store, Stored

SPEC = EngineSpec(kind="gguf", name="m", path="/m.gguf")
SPAWN = multiprocessing.get_context("spawn")
TURNS = 3
BIG = 2000
"""Characters of a reply where a group must not fit into one page or one write."""


def make_plan(dialogues: int = 8, *, parallel: int = 16, prefix: str = "") -> Plan:
    """Dialogues of three turns, in groups of eight; `parallel` changes the plan but no key."""
    return Plan.of(
        [
            Dialogue(
                id=f"memory/{prefix}{number}",
                sample=0,
                system="S",
                users=tuple(f"{prefix}{number}.{turn}" for turn in range(TURNS)),
                max_tokens=160,
            )
            for number in range(dialogues)
        ],
        Sampling(),
        "model",
        replace(SPEC, parallel=parallel),
    )


def replies_of(group: Group, word: str = "reply", *, size: int = 0) -> list[tuple[Reply, ...]]:
    return [
        tuple(
            Reply(
                text=f"{word} to {user} é".ljust(size, "."),
                finish="stop" if turn else "length",
                prompt_tokens=10 + turn,
                cached_tokens=turn,
                tokens=5,
            )
            for turn, user in enumerate(dialogue.users)
        )
        for dialogue in group.dialogues
    ]


def stored(replies: list[tuple[Reply, ...]], *, same_plan: bool = True) -> list[Stored]:
    return [Stored(replies=turns, same_plan=same_plan, row=ANY) for turns in replies]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "store")
    yield opened
    opened.close()


@contextmanager
def full_disk(limit: int) -> Iterator[None]:
    """Let no file grow beyond `limit` bytes: what a full disk does to whoever writes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def stored_rows(folder: Path) -> int:
    """Replies in the file, counted by a reader of its own."""
    db = sqlite3.connect(folder / "replies-1.sqlite")
    try:
        return int(db.execute("SELECT count(*) FROM replies").fetchone()[0])
    finally:
        db.close()


def test_replies_come_back_as_they_were_given(store: Store) -> None:
    plan = make_plan()
    group = plan.groups[0]
    store.add(plan, group, replies_of(group))
    assert store.lookup(plan, group) == stored(replies_of(group))


def test_mark_tells_older_replies_from_newer_ones(store: Store) -> None:
    first, second = make_plan(3, prefix="a"), make_plan(3, prefix="b")
    store.add(first, first.groups[0], replies_of(first.groups[0]))
    mark = store.mark()
    store.add(second, second.groups[0], replies_of(second.groups[0]))
    rows = [
        [found.row for found in store.lookup(plan, plan.groups[0]) or ()]
        for plan in (first, second)
    ]
    assert max(rows[0]) <= mark < min(rows[1])


def test_replies_outlive_the_store_object(tmp_path: Path) -> None:
    plan = make_plan()
    group = plan.groups[0]
    first = Store(tmp_path)
    first.add(plan, group, replies_of(group))
    first.close()
    second = Store(tmp_path)
    assert second.lookup(plan, group) == stored(replies_of(group))
    second.close()


def test_unknown_group_is_none(store: Store) -> None:
    plan = make_plan()
    assert store.lookup(plan, plan.groups[0]) is None


def test_group_with_one_missing_dialogue_is_none(store: Store) -> None:
    small, large = make_plan(7), make_plan(8)
    store.add(small, small.groups[0], replies_of(small.groups[0]))
    assert store.lookup(large, large.groups[0]) is None


def test_group_with_one_missing_turn_is_none(store: Store) -> None:
    plan = make_plan()
    group = plan.groups[0]
    *whole, last = replies_of(group)
    store.add(plan, group, [*whole, last[:-1]])
    assert store.lookup(plan, group) is None


def test_replies_of_another_plan_serve_and_say_so(store: Store) -> None:
    asked, other = make_plan(), make_plan(parallel=4)
    store.add(other, other.groups[0], replies_of(other.groups[0], "other"))
    assert store.lookup(asked, asked.groups[0]) == stored(
        replies_of(asked.groups[0], "other"), same_plan=False
    )


def test_larger_selection_is_served_by_smaller_ones(store: Store) -> None:
    for prefix in ("a", "b"):
        part = make_plan(4, prefix=prefix)
        store.add(part, part.groups[0], replies_of(part.groups[0]))
    both = [
        *make_plan(4, prefix="a").groups[0].dialogues,
        *make_plan(4, prefix="b").groups[0].dialogues,
    ]
    plan = Plan.of(both, Sampling(), "model", SPEC)
    found = store.lookup(plan, plan.groups[0])
    assert found == stored(replies_of(plan.groups[0]), same_plan=False)


def test_replies_of_the_same_plan_are_preferred_to_newer_ones(store: Store) -> None:
    asked, other = make_plan(), make_plan(parallel=4)
    store.add(asked, asked.groups[0], replies_of(asked.groups[0], "own"))
    store.add(other, other.groups[0], replies_of(other.groups[0], "newer"))
    assert store.lookup(asked, asked.groups[0]) == stored(replies_of(asked.groups[0], "own"))


def test_newest_of_two_other_plans_is_taken(store: Store) -> None:
    asked = make_plan()
    for parallel, word in ((4, "older"), (8, "newer")):
        other = make_plan(parallel=parallel)
        store.add(other, other.groups[0], replies_of(other.groups[0], word))
    found = store.lookup(asked, asked.groups[0])
    assert found == stored(replies_of(asked.groups[0], "newer"), same_plan=False)


def test_first_replies_of_a_plan_stay(store: Store) -> None:
    plan = make_plan()
    group = plan.groups[0]
    store.add(plan, group, replies_of(group, "first"))
    store.add(plan, group, replies_of(group, "second"))
    assert store.lookup(plan, group) == stored(replies_of(group, "first"))


def test_reply_with_odd_characters_comes_back_unchanged(store: Store) -> None:
    plan = make_plan(1)
    group = plan.groups[0]
    odd = "\x00 NUL, \U0001f6b4, \r\n and an end "
    replies = [tuple(replace(reply, text=odd) for reply in replies_of(group)[0])]
    store.add(plan, group, replies)
    assert store.lookup(plan, group) == stored(replies)


# --- several processes ---


def add_groups(folder: Path, prefix: str, count: int, go: Event) -> None:
    store = Store(folder)
    plan = make_plan(8 * count, prefix=prefix)
    go.wait(30)
    for group in plan.groups:
        store.add(plan, group, replies_of(group, size=BIG))
    store.close()


def test_two_processes_adding_at_once_both_keep_all_their_groups(tmp_path: Path) -> None:
    go = SPAWN.Event()
    writers = [
        SPAWN.Process(target=add_groups, args=(tmp_path, prefix, 8, go)) for prefix in ("a", "b")
    ]
    for writer in writers:
        writer.start()
    go.set()
    for writer in writers:
        writer.join(60)
    store = Store(tmp_path)
    missing = [
        (prefix, group.index)
        for prefix in ("a", "b")
        for plan in [make_plan(64, prefix=prefix)]
        for group in plan.groups
        if store.lookup(plan, group) is None
    ]
    store.close()
    assert ([writer.exitcode for writer in writers], missing) == ([0, 0], [])


def test_adding_waits_for_another_writer(store: Store) -> None:
    plan = make_plan()
    other = sqlite3.connect(
        store.folder / "replies-1.sqlite", isolation_level=None, check_same_thread=False
    )
    other.execute("BEGIN IMMEDIATE")
    end = threading.Timer(0.2, other.execute, ["ROLLBACK"])
    end.start()
    store.add(plan, plan.groups[0], replies_of(plan.groups[0]))
    end.join()
    other.close()
    assert store.lookup(plan, plan.groups[0]) is not None


ENDLESS_WRITER = """
import sys
from pathlib import Path
from harness.store import Store
sys.path.insert(0, sys.argv[2])
from test_store import BIG, make_plan, replies_of
store = Store(Path(sys.argv[1]))
print("ready", flush=True)
for number in range(10_000):
    plan = make_plan(8, prefix=f"{number}-")
    store.add(plan, plan.groups[0], replies_of(plan.groups[0], size=BIG))
"""


@pytest.mark.parametrize("after_s", [0.02, 0.05, 0.11])
def test_kill_in_the_middle_of_adding_leaves_whole_groups_only(
    tmp_path: Path, after_s: float
) -> None:
    here = str(Path(__file__).parent)
    with subprocess.Popen(
        [sys.executable, "-c", ENDLESS_WRITER, str(tmp_path), here],
        stdout=subprocess.PIPE,
        cwd=project_root(),
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        time.sleep(after_s)
        writer.kill()
    assert writer.returncode == -signal.SIGKILL
    rows = stored_rows(tmp_path)
    store = Store(tmp_path)
    whole = 0
    for number in range(rows):
        plan = make_plan(8, prefix=f"{number}-")
        if store.lookup(plan, plan.groups[0]) is None:
            break
        whole += 1
    store.close()
    assert whole > 0
    assert rows == whole * 8 * TURNS


def hold_claim(folder: Path, held: Event, end: Event) -> None:
    store = Store(folder)
    claim = store.claim(make_plan().groups[0])
    assert claim is not None
    held.set()
    end.wait(30)
    claim.release()
    store.close()


@pytest.mark.parametrize("how", ["released", "killed"])
def test_claim_of_another_process_holds_until_it_is_released_or_its_process_dies(
    store: Store, how: str
) -> None:
    group = make_plan().groups[0]
    held, end = SPAWN.Event(), SPAWN.Event()
    holder = SPAWN.Process(target=hold_claim, args=(store.folder, held, end))
    holder.start()
    assert held.wait(30)
    assert store.claim(group) is None
    if how == "released":
        end.set()
    else:
        holder.kill()
    holder.join(30)
    claim = store.claim(group)
    assert claim is not None
    claim.release()


def test_claim_is_of_one_group(store: Store) -> None:
    plan = make_plan(64)
    claims = [store.claim(group) for group in plan.groups]
    assert None not in claims
    for claim in claims:
        assert claim is not None
        claim.release()


def test_claim_holds_against_its_own_process_too(store: Store) -> None:
    group = make_plan().groups[0]
    claim = store.claim(group)
    assert claim is not None
    assert store.claim(group) is None
    claim.release()


def test_released_claim_leaves_no_lock_behind(store: Store) -> None:
    claim = store.claim(make_plan().groups[0])
    assert claim is not None
    claim.release()
    assert list((store.folder / "locks").iterdir()) == []


def test_claim_does_not_pass_to_child_processes(store: Store) -> None:
    group = make_plan().groups[0]
    claim = store.claim(group)
    assert claim is not None
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False
    ):
        claim.release()
        again = store.claim(group)
        assert again is not None
        again.release()


# --- disks that do not take it ---


def test_full_disk_is_a_store_error_that_says_what_to_do(store: Store) -> None:
    plan = make_plan()
    with (
        full_disk(4096),
        pytest.raises(StoreError, match=r"replies kept so far are safe\. Free disk space"),
    ):
        store.add(plan, plan.groups[0], replies_of(plan.groups[0], size=BIG))


def test_full_disk_leaves_what_was_there_and_nothing_of_the_new_group(store: Store) -> None:
    first, second = make_plan(prefix="a"), make_plan(prefix="b")
    store.add(first, first.groups[0], replies_of(first.groups[0]))
    with full_disk(4096), pytest.raises(StoreError):
        store.add(second, second.groups[0], replies_of(second.groups[0], size=BIG))
    assert store.lookup(first, first.groups[0]) is not None
    assert stored_rows(store.folder) == 8 * TURNS


def test_store_goes_on_once_there_is_room_again(store: Store) -> None:
    plan = make_plan()
    group = plan.groups[0]
    with full_disk(4096), pytest.raises(StoreError):
        store.add(plan, group, replies_of(group, size=BIG))
    store.add(plan, group, replies_of(group, size=BIG))
    assert store.lookup(plan, group) is not None


def test_disk_that_fills_while_committing_is_a_store_error(store: Store) -> None:
    plan = make_plan()
    store._db.execute("PRAGMA max_page_count = 8")
    with pytest.raises(StoreError, match="full"):
        store.add(plan, plan.groups[0], replies_of(plan.groups[0], size=BIG))
    assert stored_rows(store.folder) == 0


def test_folder_that_cannot_be_made_is_a_store_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"file/store.*JOSI_STORE"):
        Store(tmp_path / "file" / "store")


def test_file_that_is_no_store_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "replies-1.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match="not a database"):
        Store(tmp_path)


def test_lock_that_cannot_be_made_is_a_store_error(store: Store) -> None:
    (store.folder / "locks").rmdir()
    with pytest.raises(StoreError):
        store.claim(make_plan().groups[0])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_permission_is_a_store_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    with pytest.raises(StoreError):
        Store(tmp_path / "store")
