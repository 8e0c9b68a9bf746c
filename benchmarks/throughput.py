"""Completion tokens per second: one by one, the harness, and the ceiling of bare llama.cpp.

    python -m benchmarks.throughput [--model FILE.gguf] [--cases 128]

The same conversations, three ways, one after another on an otherwise idle machine:

(a) as a user would write it: a test per conversation that calls llama-cpp-python's
    `create_chat_completion`, turn by turn; with the binding's own number of threads, and with all
    cores;
(b) the harness: its plan, engine processes and reply store;
(c) the ceiling: the very decode calls of (b) (same processes, threads, sequences, shared prefixes,
    prompts, reply lengths), bare `llama_decode` and argmax, nothing else.

Prints tokens per second, the ratios, and the peak memory of (b). Loops run on to the token limit,
so that replies are as long as a model that does not loop would write them.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import pickle
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

import psutil

from benchmarks.make_models import make_models
from benchmarks.noise import some_cases
from harness.engines import resolve_model
from harness.engines.process import Opened
from harness.generation import Dialogue, EngineSpec, Plan, Sampling, project_root
from harness.runner import Progress, Runner
from harness.store import Store

SAMPLING = Sampling(loop_stop=False)


def one_by_one(model: str, dialogues: Sequence[Dialogue], threads: int | None) -> tuple[int, float]:
    """(a): give completion tokens and seconds; without `threads`, as many as the binding takes."""
    from llama_cpp import Llama

    llama = Llama(model, n_ctx=2048, n_threads=threads, verbose=False)
    tokens = 0
    started = time.perf_counter()
    for dialogue in dialogues:
        replies: list[str] = []
        for _ in dialogue.users:
            messages: Any = [message._asdict() for message in dialogue.messages(replies)]
            answer: Any = llama.create_chat_completion(
                messages, max_tokens=dialogue.max_tokens, temperature=0.0
            )
            replies.append(answer["choices"][0]["message"]["content"])
            tokens += answer["usage"]["completion_tokens"]
    elapsed_s = time.perf_counter() - started
    llama.close()
    return tokens, elapsed_s


def harness(spec: EngineSpec, plan: Plan, processes: int) -> tuple[Progress, float]:
    """(b): give the run's own timing, and the peak memory in MB of all processes together."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        runner = Runner(plan, spec, Opened(spec), store, processes=processes)
        peak = _Peak()
        runner.finish()
        peak_mb = peak.stop()
        runner.close()
        store.close()
    return runner.progress, peak_mb


class _Peak:
    """Samples the proportional memory of this process and its children."""

    def __init__(self) -> None:
        self._most = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        """End sampling; the peak in MB."""
        self._stop.set()
        self._thread.join()
        return self._most / 2**20

    def _watch(self) -> None:
        me = psutil.Process()
        while not self._stop.wait(0.2):
            total = 0
            for process in [me, *me.children(recursive=True)]:
                try:
                    total += process.memory_full_info().pss
                except psutil.NoSuchProcess:
                    continue
            self._most = max(self._most, total)


def record(spec: EngineSpec, plan: Plan) -> list[bytes]:
    """Write down every decode call of (b), group by group, by decoding once more."""
    import llama_cpp

    from harness.engines import batch as module
    from harness.engines.gguf import GgufEngine

    engine = GgufEngine(spec)
    engine.load()
    library = llama_cpp
    traces: list[bytes] = []
    calls: list[tuple[Any, ...]] = []

    def spy(name: str, note: Callable[..., tuple[Any, ...]]) -> Callable[[], None]:
        real = getattr(library, name)

        def called(*args: Any) -> Any:
            calls.append(note(*args))
            return real(*args)

        setattr(library, name, called)
        return lambda: setattr(library, name, real)

    restore = [
        spy("llama_memory_seq_cp", lambda _, *args: ("cp", *args)),
        spy("llama_memory_seq_rm", lambda _, *args: ("rm", *args)),
    ]
    fill = module.Batch._fill

    def noted(self: Any, rows: Any) -> None:
        calls.append(("decode", list(rows)))
        fill(self, rows)

    context = GgufEngine.new_context

    def sized(self: Any, *args: int) -> Any:
        calls.append(("context", *args))
        return context(self, *args)

    spied: Any = GgufEngine
    module.Batch._fill = noted  # type: ignore[method-assign]  # put back below
    spied.new_context = sized
    try:
        for group in plan.groups:
            for _ in engine.generate(group.dialogues, SAMPLING, lambda _: None):
                pass
            traces.append(pickle.dumps(calls))
            calls.clear()
    finally:
        module.Batch._fill = fill  # type: ignore[method-assign]  # as it was
        spied.new_context = context
        for undo in restore:
            undo()
        engine.close()
    return traces


def ceiling(spec: EngineSpec, traces: Sequence[bytes], processes: int) -> float:
    """(c): seconds for the recorded decode calls."""
    spawn = multiprocessing.get_context("spawn")
    work: Queue[Any] = spawn.Queue()
    for trace in traces:
        work.put(trace)
    for _ in range(processes):
        work.put(None)
    done: Queue[tuple[float, float]] = spawn.Queue()
    workers = [spawn.Process(target=_replay, args=(spec, work, done)) for _ in range(processes)]
    for worker in workers:
        worker.start()
    spans = [done.get() for _ in workers]
    for worker in workers:
        worker.join()
    return max(end for _, end in spans) - min(start for start, _ in spans)


def _replay(spec: EngineSpec, work: Queue[Any], done: Queue[tuple[float, float]]) -> None:
    import llama_cpp
    import numpy as np

    from harness.engines.gguf import GgufEngine

    engine = GgufEngine(spec)
    engine.load()
    vocabulary = engine.vocabulary
    started = 0.0
    while (trace := work.get()) is not None:
        calls = pickle.loads(trace)
        started = started or time.monotonic()
        context: Any = None
        batch = llama_cpp.llama_batch_init(512, 0, 1)
        for call in calls:
            if call[0] == "context":
                context = engine.new_context(*call[1:])
                memory = llama_cpp.llama_get_memory(context)
            elif call[0] == "cp":
                llama_cpp.llama_memory_seq_cp(memory, *call[1:])
            elif call[0] == "rm":
                llama_cpp.llama_memory_seq_rm(memory, *call[1:])
            else:
                rows = call[1]
                batch.n_tokens = len(rows)
                for i, (token, position, sequence, wanted) in enumerate(rows):
                    batch.token[i] = token
                    batch.pos[i] = position
                    batch.n_seq_id[i] = 1
                    batch.seq_id[i][0] = sequence
                    batch.logits[i] = wanted
                llama_cpp.llama_decode(context, batch)
                for i, row in enumerate(rows):
                    if row[3]:
                        logits = llama_cpp.llama_get_logits_ith(context, i)
                        np.ctypeslib.as_array(logits, shape=(vocabulary,)).argmax()
        llama_cpp.llama_batch_free(batch)
        llama_cpp.llama_free(context)
    done.put((started, time.monotonic()))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--model", help="a .gguf file; by default q4_k_m of the embedded model")
    parser.add_argument("--cases", type=int, default=128)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--skip-one-by-one", action="store_true")
    options = parser.parse_args()
    model = options.model or str(make_models(project_root() / "build" / "models")["q4_k_m.gguf"])
    spec = replace(resolve_model(model), threads=1)
    suite, cases = some_cases(options.cases)
    dialogues = suite.dialogues(cases)
    plan = Plan.of(dialogues, SAMPLING, "benchmark", spec)
    turns = sum(len(dialogue.users) for dialogue in dialogues)
    print(f"{len(dialogues)} conversations, {turns} replies, {len(plan.groups)} groups, {model}")
    ours, peak_mb = harness(spec, plan, options.processes)
    b = ours.completion_tokens / ours.generate_s
    print(
        f"(b) harness: {ours.completion_tokens} tokens in {ours.generate_s:.1f} s: "
        f"{b:.1f} tokens/s ({ours.prompt_tokens} prompt tokens, "
        f"{ours.cached_prompt_tokens} of them shared), "
        f"peak memory {peak_mb:.0f} MB"
    )
    bare_s = ceiling(spec, record(spec, plan), options.processes)
    c = ours.completion_tokens / bare_s
    print(f"(c) ceiling: {ours.completion_tokens} tokens in {bare_s:.1f} s: {c:.1f} tokens/s")
    print(f"(b) / (c) = {b / c:.3f}")
    if not options.skip_one_by_one:
        for name, threads in (("default threads", None), ("all cores", os.cpu_count())):
            tokens, elapsed_s = one_by_one(model, dialogues, threads)
            a = tokens / elapsed_s
            print(f"(a) one by one, {name}: {tokens} tokens in {elapsed_s:.1f} s: {a:.1f} tokens/s")
            print(f"(b) / (a) = {b / a:.2f}", flush=True)


if __name__ == "__main__":
    main()
