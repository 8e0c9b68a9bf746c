"""The graders' labelled corpus: `corpus/*.jsonl`, one scenario with several replies a line.

Gives `Row`s: an exchange and its labels. Formats and rules: `corpus/README.md`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.conversation import Context, Expect, Message
from harness.generation import project_root
from harness.grading import Exchange
from harness.provenance import sha256_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One labelled reply."""

    author: str
    group: str
    """Scenario: replies of one scenario are never split between training and measuring."""
    set: str
    exchange: Exchange
    i6: str
    """holds, breaks or empty."""
    kinds: tuple[str, ...]
    evidence: tuple[int, int] | None
    """Where in the reply the words that break stand."""
    warmth: int
    in_persona: bool
    terms_ok: bool
    facts_ok: bool | None
    on_task: bool


def load_corpus(folder: Path | None = None) -> list[Row]:
    """Read every author's file."""
    paths = sorted((folder or project_root() / "corpus").glob("*.jsonl"))
    return [row for path in paths for row in _rows(path)]


def _rows(path: Path) -> Iterator[Row]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip():
            yield from _scenario(json.loads(line), path.stem, f"{path.stem}:{number}")


def _scenario(scenario: dict[str, Any], author: str, group: str) -> Iterator[Row]:
    for reply in scenario["replies"]:
        text, evidence = reply["reply"], reply.get("evidence")
        start = text.find(evidence) if evidence else -1
        yield Row(
            author=author,
            group=group,
            set=scenario["set"],
            exchange=exchange_of({**scenario, **reply}),
            i6=reply.get("i6", "holds"),
            kinds=tuple(reply.get("kinds", ())),
            evidence=(start, start + len(evidence)) if start >= 0 else None,
            warmth=reply["warmth"],
            in_persona=reply.get("in_persona", True),
            terms_ok=reply.get("terms_ok", True),
            facts_ok=reply.get("facts_ok"),
            on_task=reply.get("on_task", True),
        )


def exchange_of(row: dict[str, Any]) -> Exchange:
    """Make the exchange of a labelled or recorded row (the fields of `josi grade`)."""
    context = {key: value for key, value in (row.get("context") or {}).items() if value}
    return Exchange(
        persona=row["persona"],
        language=row["language"],
        tier="coach",
        context=Context(**context),
        history=tuple(Message(m["role"], m["content"]) for m in row.get("history") or ()),
        user=row["user"],
        reply=row["reply"],
        expect=Expect(),
    )


def split(rows: Sequence[Row], hold_out: Sequence[str]) -> tuple[list[Row], list[Row]]:
    """Rows to train on and rows to measure on, by scenario."""
    train: list[Row] = []
    held: list[Row] = []
    for row in rows:
        tenth = int(sha256_text(row.group)[:8], 16) % 10 == 0
        (held if row.author in hold_out or tenth else train).append(row)
    return train, held
