"""The run in words: `summary.md`, and the table and failures for the terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from harness.talk import CaseResult

_SERVER = (
    "the server decides what is decoded together: asked again, it may answer in other words; what "
    "this changes has not been measured"
)
WORST = 10
"""Failures shown in the terminal; the summary lists all."""


class Row(NamedTuple):
    """One behaviour as people read it."""

    behaviour: str
    kind: str
    n: str
    passed: str
    ungraded: str
    rate: str
    interval: str


def table_rows(record: dict[str, Any]) -> list[Row]:
    """The table by behaviour: rates in per cent, always with n and interval."""
    return [
        Row(
            behaviour["name"],
            behaviour["kind"],
            str(behaviour["cases"]),
            str(behaviour["passed"]),
            str(behaviour["ungraded"] or ""),
            _percent(behaviour["rate"]),
            _interval(behaviour),
        )
        for behaviour in record["behaviours"]
    ]


def worst_first(results: Sequence[CaseResult]) -> list[CaseResult]:
    """Failing cases: those that fail their test first, one per conversation, those with words."""
    failing = [result for result in results if result.outcome == "fail"]
    seen: dict[str, int] = {}
    ranked = []
    for place, result in enumerate(failing):
        nth = seen[result.conversation] = seen.get(result.conversation, -1) + 1
        silent = not result.findings[0].evidence
        ranked.append((not result.fails_test, nth, silent, place, result))
    return [result for *_, result in sorted(ranked, key=lambda entry: entry[:4])]


def failure_line(result: CaseResult) -> str:
    """One failing case in one line: where, which grader, why, and the words that decided."""
    finding = result.findings[0]
    quoted = f": “{_one_line(finding.evidence)}”" if finding.evidence else ""
    more = len(result.findings) - 1
    rest = f" (and {more} more)" if more else ""
    return f"{result.id}, turn {finding.turn + 1}, {finding.grader}: {finding.reason}{quoted}{rest}"


def write_table(record: dict[str, Any], file: TextIO, width: int, *, colour: bool) -> None:
    """Print the table by behaviour to a terminal or a plain file."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("behaviour", "kind", "n", "passed", "ungraded", "rate", "95 % interval"):
        table.add_column(title, justify="left" if title in ("behaviour", "kind") else "right")
    for row, behaviour in zip(table_rows(record), record["behaviours"], strict=True):
        bad = behaviour["kind"] == "must" and behaviour["failed"]
        table.add_row(*(Text(cell, style="red" if bad else "") for cell in row))
    console = Console(file=file, width=max(width, 80), no_color=not colour, force_terminal=colour)
    console.print(table)


def noise_line() -> str:
    """What batching alone changes, as `benchmarks/noise.py` measured it."""
    path = Path(__file__).with_name("noise.json")
    if not path.exists():
        return (
            "what batching alone changes has not been measured: python -m benchmarks.noise --write"
        )
    figures = json.loads(path.read_text(encoding="utf-8"))
    share, low, high = (100 * value for value in figures["same_reply"])
    contract, _, most = (100 * value for value in figures["verdict_differs"]["contract"])
    return (
        "batched decoding repeats, but is not bit-equal to decoding one at a time: on "
        f"{figures['model']}, {share:.0f} % ({low:.0f} to {high:.0f}) of {figures['cases']} "
        f"replies were the same, and the contract's outcome differed in {contract:.0f} % (up to "
        f"{most:.0f} %)"
    )


def read_line(record: dict[str, Any]) -> str:
    """How many grades are a reader's; a heading of the summary and a line in the terminal."""
    count = len(record["reviews"]["verdicts"])
    return f"{count} verdict{'' if count == 1 else 's'} by a reader"


def markdown(record: dict[str, Any], results: Sequence[CaseResult]) -> str:
    """The run as Markdown, complete: verdict, table, every failure, how to repeat it."""
    return "\n".join(_markdown(record, results)) + "\n"


def _markdown(record: dict[str, Any], results: Sequence[CaseResult]) -> Iterator[str]:
    model, verdict, timing = record["model"], record["verdict"], record["timing"]
    yield f"# {model['name']}: {verdict['status']}"
    yield ""
    yield from (f"- {_escape(reason)}" for reason in verdict["reasons"])
    yield ""
    yield "| behaviour | kind | n | passed | ungraded | rate | 95 % interval |"
    yield "|---|---|---:|---:|---:|---:|---:|"
    for row in table_rows(record):
        yield f"| {' | '.join(row)} |"
    failing = worst_first(results)
    yield from _section("Failures", [failure_line(result) for result in failing])
    open_cases = [result for result in results if result.outcome == "ungraded"]
    yield from _section("Ungraded", [failure_line(result) for result in open_cases])
    read = [
        f"{entry['case']}, turn {entry['turn'] + 1}, {entry['grader']}: {entry['outcome']} instead "
        f"of {entry['instead_of']}, read by {entry['name']} on {entry['date'][:10]}"
        for entry in record["reviews"]["verdicts"]
    ]
    yield from _section(read_line(record), read)
    again = [
        f"{entry['case']}: {'fails again' if entry['repeats'] else 'passes'} when decoded alone"
        for entry in verdict["confirmed"]
    ]
    yield from _section("Failing must cases decoded again, one at a time", again)
    yield from _section(
        "Run",
        [
            _model_line(model),
            f"{record['engine']['name']} ({record['engine']['version']}), "
            f"{record['engine']['processes']} processes, {record['engine']['parallel']} sequences",
            f"{timing['completion_tokens']} tokens in {timing['generate_s']} s "
            f"({timing['tokens_per_s']} tokens/s), {timing['replies_from_store']} replies from the "
            f"store ({timing['replies_from_other_plans']} of them from another plan)",
            f"settings {record['settings']}",
            noise_line() if model["kind"] != "http" else _SERVER,
        ],
    )


def _model_line(model: dict[str, Any]) -> str:
    if model["sha256"] is None:
        return f"model {model['name']} at {model['path']}; what stands behind a URL can change"
    return f"model {model['path']}, sha256 {model['sha256']}, {model['quantisation']}"


def _section(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield ""
        yield f"## {title}"
        yield ""
        yield from (f"- {_escape(line)}" for line in lines)


def _escape(text: str) -> str:
    """Model text never runs as markup, in Markdown either."""
    for sign in "\\`*_[]<>|#~&":
        text = text.replace(sign, f"\\{sign}")
    return _one_line(text)


def _one_line(text: str) -> str:
    flat = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return flat if len(flat) <= 300 else f"{flat[:297]}..."


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _interval(counts: dict[str, Any]) -> str:
    if counts["rate"] is None:
        return "-"
    return f"{100 * counts['ci_low']:.1f} to {100 * counts['ci_high']:.1f} %"
