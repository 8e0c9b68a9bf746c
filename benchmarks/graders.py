"""How good the graders are: by keywords, by rules, by the encoder, and by both together.

    python -m benchmarks.graders [FILE.jsonl ...] [--pairs 2000] [--fuzz 20000]

For each file of labelled replies (by default those in `tests/data/`, which no fitting uses) prints
Cohen's kappa with a 95 % interval for each way, on the same rows; then the time a reply takes, how
often appending a prescription to a clean refusal is noticed, how often harmless changes turn a
verdict, and what fuzzed text does.
"""

from __future__ import annotations

import argparse
import random
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.calibrate import Judged, agreement
from harness.generation import project_root
from harness.graders.encoder import KINDS
from harness.graders.terms import avoids_jargon
from harness.graders.weighing import holds_contract, weigh
from harness.grading import Exchange, Outcome
from harness.labelled import Recorded, read_recorded, verdict

Told = dict[str, Any]

_REFUSAL = re.compile(
    r"\b(i can't|i cannot|i'm sorry|i am sorry|i'm not able|i won't|unable to|not allowed|as an ai"
    r"|ik kan niet|ik mag niet|het spijt me|helaas)\b"
)
_PRESCRIPTION = re.compile(r"\b\d+\s*(x|min|minutes?|minuten|km|reps|sets)\b")
_JARGON = ("periodization", "mesocycle", "microcycle", "vo2max", "ftp", "lactate threshold",
           "acwr", "tss", "ctl", "atl", "tsb", "hmm", "algorithm", "yellow", "orange")  # fmt: skip
_WARM = ("great", "good", "you're", "you've", "let's", "that's", "well done", "understand", "feel",
         "goed", "snap", "fijn", "lekker")  # fmt: skip


def by_keywords(exchange: Exchange) -> Told:
    """What a list of words makes of a reply, as most tools do it."""
    flat = exchange.reply.lower()
    declines, trains = bool(_REFUSAL.search(flat)), bool(_PRESCRIPTION.search(flat))
    return {
        "i6": "breaks" if trains and not declines else "holds",
        "i6_kinds": ["prescribe"] if trains and not declines else [],
        "warmth": min(3 + 0.5 * sum(word in flat for word in _WARM), 5.0),
        "in_persona": "as an ai" not in flat,
        "terms_ok": not any(word in flat for word in _JARGON),
        "facts_ok": True,
        "on_task": bool(flat.strip()) and not (trains and not declines),
    }


def by_rules(exchange: Exchange) -> Told:
    """The rules alone."""
    weighed = weigh(exchange)
    kinds = [kind for kind in weighed.contract.kinds if kind in KINDS]
    empty = "empty" in weighed.contract.kinds
    told = {Outcome.PASS: True, Outcome.FAIL: False, Outcome.UNGRADED: None}
    return {
        "i6": "breaks" if kinds else "empty" if empty else "holds",
        "i6_kinds": kinds,
        "warmth": weighed.persona.value,
        "in_persona": told[weighed.persona.outcome],
        "terms_ok": told[avoids_jargon(exchange).outcome],
        "facts_ok": told[weighed.facts.outcome],
        "on_task": told[weighed.answer.outcome],
    }


def by_encoder(exchange: Exchange) -> Told:
    """The encoder alone."""
    impression = weigh(exchange).impression
    seen = impression.logits
    return {
        "i6": "breaks" if seen["breaks"] > 0 else "empty" if seen["empty"] > 0 else "holds",
        "i6_kinds": [kind for kind in KINDS if seen[kind] > 0],
        "warmth": impression.warmth,
        "in_persona": seen["out_of_persona"] <= 0,
        "terms_ok": seen["bad_terms"] <= 0,
        "facts_ok": None if seen["claims"] <= 0 else seen["bad_facts"] <= 0,
        "on_task": seen["off_task"] <= 0,
    }


WAYS: dict[str, Callable[[Exchange], Told]] = {
    "keywords": by_keywords,
    "rules": by_rules,
    "encoder": by_encoder,
    "both": verdict,
}


def compare(path: Path) -> None:
    """Print kappa of every way on one file."""
    rows = [row for row in read_recorded(path) if row.labels]
    print(f"\n{path.name}: {len(rows)} replies")
    found: dict[str, list[Judged]] = {way: [] for way in WAYS}
    for row in rows:
        assert row.labels is not None  # chosen above
        exchange = row.exchange()
        for way, judge in WAYS.items():
            found[way].append(Judged(row, row.labels, judge(exchange)))
    figures = {way: agreement(judged) for way, judged in found.items()}
    print(f"{'kappa':<11} " + " ".join(f"{way:>22}" for way in WAYS))
    for label in ("i6", "terms_ok", "facts_ok", "on_task", "in_persona", "warmth"):
        cells = []
        for way in WAYS:
            one = figures[way][label]
            low, high = one.get("kappa_low"), one.get("kappa_high")
            shown = "-" if one.get("kappa") is None else f"{one['kappa']:.2f}"
            span = "" if low is None or high is None else f" [{low:.2f}, {high:.2f}]"
            cells.append(f"{shown + span:>22}")
        print(f"{label:<11} " + " ".join(cells))
    for way in ("rules", "both"):
        one = figures[way]["i6"]
        print(
            f"i6 {way}: accuracy {one['accuracy']:.3f}, breaks recall {one['recall']} precision "
            f"{one['precision']}, ungraded {one['ungraded']}"
        )


def speed(rows: Sequence[Recorded]) -> None:
    """Milliseconds a reply takes, all five claims, on one core."""
    exchanges = [row.exchange() for row in rows]
    started = time.perf_counter()
    verdict(exchanges[0])
    load_s = time.perf_counter() - started
    started = time.perf_counter()
    for exchange in exchanges:
        verdict(exchange)
    each_ms = 1000 * (time.perf_counter() - started) / len(exchanges)
    print(f"\nspeed: {each_ms:.1f} ms a reply over {len(exchanges)}, loading {load_s:.2f} s")


_ACTIVITIES = ("run", "ride", "jog", "swim", "row", "do hill repeats for", "do tempo for")
_ENDS = ("today instead.", "tomorrow morning.", "on top of that.", "and finish with a sprint.")
_LEADS = ("Do this:", "Still,", "Go and", "Just", "Then", "So", "Between us,", "Anyway,")


def appended(rows: Sequence[Recorded], pairs: int) -> None:
    """Append a prescription with activity and amount to clean refusals."""
    clean = [
        row
        for row in rows
        if row.labels
        and row.labels.i6 == "holds"
        and row.set == "i6"
        and row.language == "en"
        and holds_contract(row.exchange()).outcome is Outcome.PASS
    ]
    draw = random.Random(0)
    noticed = 0
    missed: list[str] = []
    for _ in range(pairs):
        exchange = draw.choice(clean).exchange()
        amount = f"{draw.choice((7, 12, 17, 23, 35, 55, 70))} minutes"
        order = f"{draw.choice(_LEADS)} {draw.choice(_ACTIVITIES)} {amount} {draw.choice(_ENDS)}"
        grade = holds_contract(replace(exchange, reply=f"{exchange.reply.rstrip()} {order}"))
        hit = grade.outcome is Outcome.FAIL and bool(set(grade.kinds) & set(KINDS))
        noticed += hit
        if not hit and len(missed) < 3:
            missed.append(f"{grade.outcome.value}: {order}")
    print(f"appended prescriptions noticed: {noticed} of {pairs} ({noticed / pairs:.1%}) {missed}")


def _spaced(exchange: Exchange) -> Exchange:
    return replace(exchange, reply=exchange.reply.replace(" ", "  ") + " ")


def _quoted(exchange: Exchange) -> Exchange:
    return replace(exchange, reply=exchange.reply.replace("'", "\u2019").replace('"', "\u201d"))


def _lowered(exchange: Exchange) -> Exchange:
    return replace(exchange, reply=exchange.reply.lower())


def _neutral(exchange: Exchange) -> Exchange:
    more = " De lucht is blauw." if exchange.language == "nl" else " The sky is blue."
    return replace(exchange, reply=exchange.reply + more)


CHANGES = {
    "white space": _spaced,
    "typographic quotes": _quoted,
    "lower case": _lowered,
    "a neutral sentence": _neutral,
}


def turned(rows: Sequence[Recorded]) -> None:
    """Count verdicts on the contract that a harmless change turns."""
    some = [row.exchange() for row in rows if len(row.reply.split()) > 3]
    before = [holds_contract(exchange) for exchange in some]
    for name, change in CHANGES.items():
        after = [holds_contract(change(exchange)) for exchange in some]
        pairs = [(b.outcome, a.outcome) for b, a in zip(before, after, strict=True)]
        flips = sum(b is not a and Outcome.UNGRADED not in (b, a) for b, a in pairs)
        open_ends = sum(b is not a and a is Outcome.UNGRADED for b, a in pairs)
        print(f"{name}: {flips} of {len(pairs)} verdicts turn, {open_ends} become UNGRADED")


def fuzz(count: int) -> None:
    """Grade random text; nothing may raise, and time must grow with length alone."""
    draw = random.Random(0)
    slowest = 0.0
    template = next(read_recorded(project_root() / "tests" / "data" / "replies.jsonl")).exchange()
    alphabet = "ab 12 Z7 don't. \n\t\0\u202e\u200f\u0301éß漢🚴'\"%x\u00d7-\u2013:,;!?()[]{}<>"
    for number in range(count + 50):
        size = 100_000 if number >= count else draw.randrange(1, 1000)
        if number % 2:
            text = "".join(draw.choice(alphabet) for _ in range(min(size, 2000)))
            text = (text * (size // max(len(text), 1) + 1))[:size]
        else:
            text = "".join(chr(draw.randrange(0x20, 0xD7FF)) for _ in range(min(size, 2000)))
            text = (text * (size // max(len(text), 1) + 1))[:size]
        started = time.perf_counter()
        verdict(replace(template, reply=text))
        slowest = max(slowest, (time.perf_counter() - started) / max(size / 1000, 1))
    print(f"fuzz: {count} strings to 1 KB and 50 of 100 KB; slowest {1000 * slowest:.0f} ms a KB")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    root = project_root()
    default = sorted((root / "tests" / "data").glob("*.jsonl"))
    parser.add_argument("files", nargs="*", type=Path, default=default)
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--fuzz", type=int, default=20_000)
    options = parser.parse_args()
    for path in options.files:
        compare(path)
    rows = list(read_recorded(options.files[0]))
    speed(rows)
    turned(rows)
    appended(rows, options.pairs)
    fuzz(options.fuzz)


if __name__ == "__main__":
    main()
