"""Executes a plan: engine processes, the reply store, and whoever waits for a reply.

Stage between plan and grading: takes a `Plan`, gives each dialogue's replies as soon as its group
is complete. Groups that are stored are not decoded. Processes agree through the store's claims who
decodes what, so any number of runners may work on one plan, and a dead one's group is taken over.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from harness.engines.process import EngineProcess, Opened, raise_again
from harness.errors import EngineError, HarnessError, StoreError
from harness.generation import EngineSpec, Group, Plan, Reply
from harness.store import Claim, Store

_ATTEMPTS = 2
"""How often a group may take its engine process down with it."""
_POLL_S = 0.3


class Talked(NamedTuple):
    """The replies of one dialogue, and where they came from."""

    replies: tuple[Reply, ...]
    source: str
    """`new`, `stored` (same plan) or `other plan`."""


@dataclass(slots=True)
class Progress:
    """How far a run is; also its timing once it has ended. Seconds are wall clock."""

    dialogues: int = 0
    done: int = 0
    """Dialogues whose replies are at hand."""
    under_way: int = 0
    """Dialogues that have ended in a group that has not."""
    stored: int = 0
    """Replies that came from the store."""
    other_plan: int = 0
    """Those of them that were decoded in another plan's group."""
    live_tokens: int = 0
    prompt_tokens: int = 0
    cached_prompt_tokens: int = 0
    completion_tokens: int = 0
    load_s: float = 0.0
    first_start: float = 0.0
    last_end: float = 0.0
    restarts: int = 0
    retries: int = 0
    """Requests that a server was sent again."""

    @property
    def generate_s(self) -> float:
        """From the first group's start to the last one's end, over all processes."""
        return max(self.last_end - self.first_start, 0.0)


class Runner:
    """Works through a plan with up to `processes` engine processes.

    Args:
        plan: all groups of the run.
        spec: the model, for further processes.
        opened: the model already opened, used as the first process.
        store: where replies are kept.
        processes: most engine processes.
        mine: order of preference; `(k, n)` takes groups k, k+n, ... first, then what others left.
        before: the store's `mark` when the run began, which tells its older replies from those of
            other runners of this run; by default now.
    """

    def __init__(
        self,
        plan: Plan,
        spec: EngineSpec,
        opened: Opened,
        store: Store,
        *,
        processes: int,
        mine: tuple[int, int] = (0, 1),
        before: int | None = None,
    ) -> None:
        self._plan, self._spec, self._store = plan, spec, store
        self._before = store.mark() if before is None else before
        self.progress = Progress(dialogues=len(plan.group_of))
        self._ready: dict[int, list[Talked]] = {}
        self._failed: dict[int, HarnessError] = {}
        self._attempts: dict[int, int] = {}
        self._claims: dict[int, Claim] = {}
        k, n = mine
        groups = plan.groups
        self._todo = [g for g in groups if g.index % n == k] + [
            g for g in groups if g.index % n != k
        ]
        self._changed = threading.Condition(threading.RLock())
        self._closing = False
        self._gave_up = False
        self._idle_deaths = 0
        self._idle: list[EngineProcess] = []
        self._processes = [opened.process]
        self._spare = max(processes - 1, 0)
        with self._changed:
            self._find_stored()
            if self._todo:
                self._idle.append(opened.process)
                opened.hand_over(self._on_event)
                while self._spare and len(self._processes) < len(self._todo):
                    self._spare -= 1
                    self._start_process()
                self._assign()

    def wait(self, dialogue: str, *, paint: Callable[[Progress], None] = lambda _: None) -> Talked:
        """Block until the dialogue's group is complete.

        Args:
            dialogue: its id.
            paint: called every quarter second while waiting.

        Raises:
            EngineError: if its group could not be decoded.
            StoreError: if replies can no longer be kept.
        """
        index = self._plan.group_of[dialogue]
        with self._changed:
            while index not in self._ready and index not in self._failed:
                self._changed.wait(_POLL_S)
                if index in self._missing() and index not in self._claims:
                    self._take_stored(self._plan.groups[index])  # by another process
                if self._idle:
                    self._assign()
                paint(self.progress)
            if index in self._failed:
                raise self._failed[index]
            group = self._plan.groups[index]
            place = next(i for i, d in enumerate(group.dialogues) if d.id == dialogue)
            return self._ready[index][place]

    def finish(self, *, paint: Callable[[Progress], None] = lambda _: None) -> None:
        """Block until every group is complete or has failed."""
        for group in self._plan.groups:
            if group.index in self._failed:
                continue
            try:
                self.wait(group.dialogues[0].id, paint=paint)
            except HarnessError:
                continue

    def close(self) -> None:
        """End all engine processes; unfinished groups are given up."""
        with self._changed:
            self._closing = True
            for claim in self._claims.values():
                claim.release()
            self._claims.clear()
            processes, self._processes = self._processes, []
        for process in processes:
            process.close()

    def _missing(self) -> set[int]:
        return {group.index for group in self._todo}

    def _start_process(self) -> None:
        self._processes.append(EngineProcess(self._spec, self._on_event))
        self._idle.append(self._processes[-1])

    def _find_stored(self) -> None:
        for group in list(self._todo):
            self._take_stored(group)

    def _take_stored(self, group: Group) -> bool:
        """Use a group's stored replies, if all are there; only this run's own are not counted."""
        found = self._store.lookup(self._plan, group)
        if found is None:
            return False
        self._todo.remove(group)
        talked = self._ready[group.index] = []
        for stored in found:
            source = "new"
            if stored.row <= self._before:
                source = "stored" if stored.same_plan else "other plan"
                self.progress.stored += len(stored.replies)
                self.progress.other_plan += 0 if stored.same_plan else len(stored.replies)
            talked.append(Talked(stored.replies, source))
        self.progress.done += len(group.dialogues)
        return True

    def _assign(self) -> None:
        """Give every idle process a group that nobody else has claimed."""
        for process in list(self._idle):
            for group in list(self._todo):
                if self._closing or group.index in self._claims:
                    continue
                try:
                    claim = self._store.claim(group)
                    if claim is None:
                        # Another process decodes it; its replies may be there by now.
                        self._take_stored(group)
                        continue
                    if self._take_stored(group):
                        claim.release()
                        continue
                except StoreError as error:
                    self._fail_all(error)
                    return
                self._claims[group.index] = claim
                self._idle.remove(process)
                process.start(group, self._plan.sampling)
                break

    def _on_event(self, process: EngineProcess, event: dict[str, Any] | None) -> None:
        with self._changed:
            if self._closing or self._gave_up:
                return
            if event is None:
                self._on_death(process)
            elif event["event"] == "tick":
                self.progress.live_tokens += event["tokens"]
            elif event["event"] == "loaded":
                self.progress.load_s = max(self.progress.load_s, event["seconds"])
            elif event["event"] == "answer":
                self._on_answer(process, event)
            elif event["event"] == "done":
                self._on_done(process, event)
            elif event["event"] == "error" and event["group"] is None and process.group:
                pass  # it could not open the model; the answer to its group says so too
            elif event["event"] == "error":
                self._on_error(process, raise_again(event))
            self._changed.notify_all()

    def _on_answer(self, process: EngineProcess, event: dict[str, Any]) -> None:
        assert process.group is not None  # only a process with a group answers
        dialogue = process.group.dialogues[event["dialogue"]]
        process.answers[event["dialogue"], event["turn"]] = Reply(**event["reply"])
        if event["turn"] + 1 == len(dialogue.users):
            process.ended += 1
            self.progress.under_way += 1

    def _on_done(self, process: EngineProcess, event: dict[str, Any]) -> None:
        group = process.group
        assert group is not None  # only a process with a group reports done
        replies = [
            tuple(
                process.answers[place, turn]
                for turn in range(len(dialogue.users))
                if (place, turn) in process.answers
            )
            for place, dialogue in enumerate(group.dialogues)
        ]
        try:
            replies = [
                _fill(turns, len(dialogue.users))
                for turns, dialogue in zip(replies, group.dialogues, strict=True)
            ]
            self._store.add(self._plan, group, replies)
        except EngineError as error:
            self._on_error(process, error)
            return
        except StoreError as error:
            self._fail_all(error)
            return
        self._ready[group.index] = [Talked(turns, "new") for turns in replies]
        progress = self.progress
        progress.live_tokens += event["tokens"]
        progress.retries += event["retries"]
        for reply in (reply for turns in replies for reply in turns):
            progress.prompt_tokens += reply.prompt_tokens
            progress.cached_prompt_tokens += reply.cached_tokens
            progress.completion_tokens += reply.tokens
        # Monotonic clocks of one machine's processes are one clock.
        started = progress.first_start or event["started"]
        progress.first_start = min(started, event["started"])
        progress.last_end = max(progress.last_end, event["ended"])
        progress.done += len(group.dialogues)
        self._todo.remove(group)
        self._release(process)
        self._idle.append(process)
        self._assign()

    def _on_error(self, process: EngineProcess, error: HarnessError) -> None:
        group = process.group
        if group is None:
            self._fail_all(error)
            return
        self._failed[group.index] = error
        self._todo.remove(group)
        self._release(process)
        self._idle.append(process)
        self._assign()

    def _on_death(self, process: EngineProcess) -> None:
        group = process.group
        if process in self._processes:
            self._processes.remove(process)
        if process in self._idle:
            self._idle.remove(process)
        words = process.last_words()
        process.close()
        if group is not None:
            tried = self._attempts[group.index] = self._attempts.get(group.index, 0) + 1
            self._release(process)
            if tried >= _ATTEMPTS:
                self._failed[group.index] = EngineError(
                    f"the engine process died {tried} times while decoding group {group.index} "
                    f"({group.dialogues[0].id} and {len(group.dialogues) - 1} more): {words}"
                )
                self._todo.remove(group)
        elif not self._processes:
            self._idle_deaths += 1
            if self._idle_deaths >= _ATTEMPTS:
                self._fail_all(EngineError(f"the engine process died: {words}"))
                return
        if self._todo:
            self.progress.restarts += 1
            self._start_process()
            self._assign()

    def _release(self, process: EngineProcess) -> None:
        self.progress.under_way -= process.ended
        process.ended = 0
        if process.group is not None:
            self._claims.pop(process.group.index).release()
            process.group = None

    def _fail_all(self, error: HarnessError) -> None:
        """Nothing more can be decoded or kept; what still runs is not listened to."""
        self._gave_up = True
        for group in self._todo:
            self._failed[group.index] = error
        self._todo.clear()
        for claim in self._claims.values():
            claim.release()
        self._claims.clear()
        self._changed.notify_all()


def _fill(turns: tuple[Reply, ...], wanted: int) -> tuple[Reply, ...]:
    """Turns that were never asked, because the context was full, say so like the last one."""
    if len(turns) == wanted:
        return turns
    if not turns or turns[-1].finish != "overflow":
        raise EngineError(f"the engine answered {len(turns)} of {wanted} turns")
    return turns + (turns[-1],) * (wanted - len(turns))
