"""Engine processes as their parent sees them: start, talk, find out how they ended.

An engine crash (llama.cpp aborts on a broken assumption) takes one process down, never the run.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from harness import errors
from harness.errors import EngineError, HarnessError
from harness.generation import EngineSpec, Group, ModelInfo, Reply, Sampling, project_root


class EngineProcess:
    """One worker process; `on_event` is called from its reader thread, None when it has ended."""

    def __init__(
        self, spec: EngineSpec, on_event: Callable[[EngineProcess, dict[str, Any] | None], None]
    ) -> None:
        self._on_event = on_event
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  closed with the process
        root = str(project_root())
        env = os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")])),
            "OMP_NUM_THREADS": str(spec.threads),
            "TOKENIZERS_PARALLELISM": "false",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "harness.engines.worker"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr,
            text=True, encoding="utf-8", env=env,
        )  # fmt: skip
        self.group: Group | None = None
        self.answers: dict[tuple[int, int], Reply] = {}
        self.ended = 0
        """Dialogues of the group that have answered their last turn."""
        self.send({"open": asdict(spec)})
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def send(self, order: dict[str, Any]) -> None:
        """Write one order; a dead process is noticed by its reader."""
        stdin = self._process.stdin
        assert stdin is not None  # opened as a pipe above
        try:
            stdin.write(json.dumps(order) + "\n")
            stdin.flush()
        except (BrokenPipeError, ValueError):
            return

    def start(self, group: Group, sampling: Sampling) -> None:
        """Have a group decoded."""
        self.group, self.answers = group, {}
        dialogues = [asdict(dialogue) for dialogue in group.dialogues]
        self.send({"group": group.index, "dialogues": dialogues, "sampling": asdict(sampling)})

    def last_words(self) -> str:
        """How the process ended and the end of what it wrote to standard error."""
        code = self._process.wait()
        self._stderr.seek(0)
        text = self._stderr.read().decode(errors="replace").strip().splitlines()
        return f"exit status {code}" + (f"; {' | '.join(text[-3:])}" if text else "")

    def close(self) -> None:
        """End the process and close its pipes; not to be called with a lock its events need."""
        self._process.kill()
        self._process.wait()
        if threading.current_thread() is not self._reader:
            self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout, self._stderr):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    def _read(self) -> None:
        assert self._process.stdout is not None  # opened as a pipe above
        for line in self._process.stdout:
            self._on_event(self, json.loads(line))
        self._on_event(self, None)


def raise_again(event: dict[str, Any]) -> HarnessError:
    """Make a worker's error our own, by the name of its class."""
    kind = getattr(errors, event["kind"], None)
    if isinstance(kind, type) and issubclass(kind, HarnessError) and kind is not errors.FileError:
        return kind(event["message"])
    if event["kind"] == "FileError":
        return errors.UsageError(event["message"])
    return EngineError(f"{event['kind']}: {event['message']}")


class Opened:
    """A model opened in a first process: its description, and the process to go on with."""

    def __init__(self, spec: EngineSpec, *, timeout_s: float = 60.0) -> None:
        """Open the model's header.

        Raises:
            ModelError: if it cannot be used.
            EngineError: if the process dies or does not answer in time.
        """
        self._answer: dict[str, Any] | None = None
        self._heard = threading.Event()
        self._turn = threading.Lock()
        self._ended = False
        self._forward: Callable[[EngineProcess, dict[str, Any] | None], None] | None = None
        self.process = EngineProcess(spec, self._hear)
        if not self._heard.wait(timeout_s):
            self.process.close()
            raise EngineError(f"the engine did not open {spec.path!r} within {timeout_s:.0f} s")
        if self._answer is None:
            words = self.process.last_words()
            self.process.close()
            raise EngineError(f"the engine process ended while opening {spec.path!r}: {words}")
        if self._answer["event"] == "error":
            self.process.close()
            raise raise_again(self._answer)
        self.info: ModelInfo = ModelInfo(**self._answer["info"])

    def hand_over(self, on_event: Callable[[EngineProcess, dict[str, Any] | None], None]) -> None:
        """Send later events to `on_event`; a death since opening is told at once."""
        with self._turn:
            self._forward = on_event
            ended = self._ended
        if ended:
            on_event(self.process, None)

    def _hear(self, process: EngineProcess, event: dict[str, Any] | None) -> None:
        with self._turn:
            forward = self._forward
            if forward is None:
                if self._heard.is_set():
                    self._ended = self._ended or event is None
                else:
                    self._answer = event
                    self._heard.set()
        if forward is not None:
            forward(process, event)
