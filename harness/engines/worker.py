"""An engine in a process of its own: `python -m harness.engines.worker`, driven by JSON lines.

The parent writes `{"open": spec}` once, then `{"group": ...}`; the worker answers with `opened`,
`loaded`, `tick`, `answer`, `done`, or `error`. It ends when its standard input does: with the
parent's death, however that came.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from dataclasses import asdict
from typing import Any

from harness.engines import open_engine
from harness.errors import EngineError, HarnessError
from harness.generation import Dialogue, Engine, EngineSpec, Sampling

_TICK_S = 0.2


def main() -> None:
    """Serve one parent until it is gone."""
    # Libraries print to descriptor 1; the protocol keeps the real one to itself.
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    orders: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_listen, args=(orders,), daemon=True).start()
    engine: Engine | None = None
    failure: Exception = EngineError("a group came before a model")
    loaded = False

    def say(**event: Any) -> None:
        channel.write(json.dumps(event, ensure_ascii=False) + "\n")

    while True:
        order = json.loads(orders.get())
        try:
            if "open" in order:
                engine = open_engine(EngineSpec(**order["open"]))
                say(event="opened", info=asdict(engine.info))
                continue
            if engine is None:
                raise failure
            if not loaded:
                started = time.monotonic()
                engine.load()
                loaded = True
                say(event="loaded", seconds=time.monotonic() - started)
            if "group" in order:
                _answer(engine, order, say)
        except (HarnessError, MemoryError, OSError, RuntimeError) as error:
            failure = error if engine is None else failure
            text = str(error) or repr(error)
            say(event="error", kind=type(error).__name__, message=text, group=order.get("group"))


def _answer(engine: Engine, order: dict[str, Any], say: Any) -> None:
    dialogues = [Dialogue(**{**row, "users": tuple(row["users"])}) for row in order["dialogues"]]
    started = told = time.monotonic()
    fresh, retried = 0, engine.retries

    def tick(tokens: int) -> None:
        nonlocal fresh, told
        fresh += tokens
        if time.monotonic() - told >= _TICK_S:
            say(event="tick", tokens=fresh)
            fresh, told = 0, time.monotonic()

    for dialogue, turn, reply in engine.generate(dialogues, Sampling(**order["sampling"]), tick):
        say(event="answer", group=order["group"], dialogue=dialogue, turn=turn, reply=asdict(reply))
    say(event="done", group=order["group"], tokens=fresh, retries=engine.retries - retried,
        started=started, ended=time.monotonic())  # fmt: skip


def _listen(orders: queue.Queue[str]) -> None:
    for line in sys.stdin:
        orders.put(line)
    os._exit(0)  # the parent is gone: end at once, also in the middle of a decode


if __name__ == "__main__":
    main()
