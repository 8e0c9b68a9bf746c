"""Recorded replies as an engine: fast tests of everything but the model, and re-grading.

Reads JSON lines with `case`, `sample`, `turn` and `reply` (a run folder's `replies.jsonl` is one);
`finish` is optional. Decodes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import get_args

from harness.errors import EngineError, FileError
from harness.generation import Answer, Dialogue, EngineSpec, Finish, ModelInfo, Reply, Sampling
from harness.provenance import sha256_text


class ReplayEngine:
    """Gives back what was recorded.

    Raises:
        FileError: with the line that is not such a row.
    """

    def __init__(self, spec: EngineSpec) -> None:
        self._path = Path(spec.path)
        self.retries = 0
        self._rows: dict[tuple[str, int, int], tuple[str, Finish]] = {}
        with self._path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line.decode())
                    place = (row["case"], int(row.get("sample", 0)), int(row.get("turn", 0)))
                    finish = row.get("finish", "stop")
                    if finish not in get_args(Finish):
                        raise ValueError(f"finish={finish!r} is none of {get_args(Finish)}")
                    self._rows[place] = (str(row["reply"]), finish)
                except (ValueError, TypeError, KeyError) as error:
                    raise FileError(
                        self._path, number, f"is not a recorded reply ({error!r}); a row needs "
                        "case, sample, turn and reply"
                    ) from error  # fmt: skip
        self.info = ModelInfo(
            engine="replay",
            engine_version="1",
            architecture="recorded",
            quantisation="",
            template_sha256=sha256_text(""),
            context_tokens=0,
        )

    def load(self) -> None:
        """Nothing to load."""

    def generate(
        self, dialogues: Sequence[Dialogue], sampling: Sampling, tick: Callable[[int], None]
    ) -> Iterator[Answer]:
        """Look every reply up.

        Raises:
            EngineError: if one was not recorded.
        """
        for index, dialogue in enumerate(dialogues):
            case = dialogue.id.partition("@")[0]
            for turn in range(len(dialogue.users)):
                found = self._rows.get((case, dialogue.sample, turn))
                if found is None:
                    raise EngineError(
                        f"{self._path}: no recorded reply for case={case!r}, "
                        f"sample={dialogue.sample}, turn={turn}; record it or deselect the case"
                    )
                text, finish = found
                yield Answer(
                    index,
                    turn,
                    Reply(
                        text=text,
                        finish=finish,
                        prompt_tokens=0,
                        cached_tokens=0,
                        tokens=0,
                    ),
                )
                if finish == "overflow":
                    break

    def close(self) -> None:
        """Nothing to free."""
