"""How well the graders agree with labelled replies: `josi calibrate`.

Takes recorded rows with labels and the graders' verdicts on them, gives figures with intervals, and
writes them to `graders/agreement.json`, which every report quotes. A label that is absent is not
measured.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from harness.labelled import GRADER_OF, Labels, Recorded, newest, verdict
from harness.provenance import sha256_json, sha256_path
from harness.stats import cluster_bootstrap, kappa

AGREEMENT = Path(__file__).parent / "graders" / "agreement.json"
DRAWS = 2000

Column = npt.NDArray[np.int64]


class Judged(NamedTuple):
    """A labelled reply and what the graders said."""

    row: Recorded
    labels: Labels
    told: dict[str, Any]

    @property
    def prompt(self) -> str:
        """Replies to one prompt are one cluster."""
        return sha256_json([self.row.user, [m.content for m in self.row.history]])


def judge_rows(rows: Iterable[Recorded]) -> list[Judged]:
    """Grade every row that has a label; of readings of one reply the newest counts."""
    return [
        Judged(row, row.labels, verdict(row.exchange()))
        for row in newest(rows)
        if row.labels and row.labels.model_fields_set
    ]


def graders_sha256() -> str:
    """Hash of everything that decides a verdict: the graders' code, models and facts."""
    root = Path(__file__).parent
    files = sorted(
        path
        for folder in (root / "graders", root.parent / "knowledge")
        for path in folder.rglob("*")
        if path.suffix in {".py", ".gguf", ".npz", ".yaml", ".json"} and path != AGREEMENT
    )
    return sha256_json([sha256_path(path) for path in files])


def agreement(judged: Sequence[Judged]) -> dict[str, Any]:
    """All figures of one file of labelled replies."""
    slices: dict[str, Callable[[Judged], str]] = {
        "set": lambda one: one.row.set,
        "language": lambda one: one.row.language,
        "persona": lambda one: one.row.persona,
    }
    figures: dict[str, Any] = {"rows": len(judged)}
    for label in GRADER_OF:
        figures[label] = _label(judged, label)
        figures[label]["by"] = {
            name: {
                value: _label([one for one in judged if key(one) == value], label, draws=0)
                for value in sorted({key(one) for one in judged})
            }
            for name, key in slices.items()
        }
    figures["warmth"] = _warmth(judged)
    figures["i6"]["recall_by_kind"] = _recall_by_kind(judged)
    figures["i6"]["missed"] = [
        one.row.id for one in judged if one.labels.i6 == "breaks" and one.told["i6"] == "holds"
    ]
    return figures


def _label(judged: Sequence[Judged], label: str, *, draws: int = DRAWS) -> dict[str, Any]:
    """Agreement on one label; a row without a verdict counts as wrong."""
    if label == "i6":
        classes = ["holds", "breaks", "empty", "ungraded"]
        pairs = [(one.labels.i6, one.told["i6"], one) for one in judged if one.labels.i6]
        positive = "breaks"
    else:
        classes = [True, False, None]  # type: ignore[list-item]  # None: no verdict
        pairs = [(getattr(one.labels, label), one.told[label], one) for one in judged]
        pairs = [pair for pair in pairs if pair[0] is not None]
        positive = False  # type: ignore[assignment]  # the class to find
    n = len(pairs)
    if not n:
        return {"n": 0}
    truth = np.array([classes.index(pair[0]) for pair in pairs])
    told = np.array([classes.index(pair[1]) for pair in pairs])
    hit = classes.index(positive)

    def figure(places: Column) -> float:
        table = np.zeros((len(classes), len(classes)))
        np.add.at(table, (truth[places], told[places]), 1)
        return float(kappa(table))

    found = {
        "n": n,
        "accuracy": round(float((truth == told).mean()), 4),
        "kappa": _rounded(figure(np.arange(n))),
        "precision": _ratio(((truth == hit) & (told == hit)).sum(), (told == hit).sum()),
        "recall": _ratio(((truth == hit) & (told == hit)).sum(), (truth == hit).sum()),
        "positives": int((truth == hit).sum()),
        "false_alarms": int(((truth != hit) & (told == hit)).sum()),
        "ungraded": int((told == len(classes) - 1).sum()),
    }
    if draws:
        low, high = cluster_bootstrap(figure, [pair[2].prompt for pair in pairs], draws=draws)
        found["kappa_low"], found["kappa_high"] = _rounded(low), _rounded(high)
    if label == "facts_ok":
        silent = [
            one
            for one in judged
            if one.labels.facts_ok is None and "facts_ok" in one.labels.model_fields_set
        ]
        found["silent_seen"] = _ratio(
            sum(one.told["facts_ok"] is None for one in silent), len(silent)
        )
    return found


def _warmth(judged: Sequence[Judged]) -> dict[str, Any]:
    judged = [one for one in judged if one.labels.warmth is not None]
    if not judged:
        return {"n": 0}
    truth = np.array([one.labels.warmth for one in judged])
    value = np.array([one.told["warmth"] for one in judged], dtype=np.float64)
    step = np.clip(np.rint(value), 1, 5).astype(np.int64)
    prompts = [one.prompt for one in judged]

    def weighted(places: Column) -> float:
        table = np.zeros((5, 5))
        np.add.at(table, (truth[places] - 1, step[places] - 1), 1)
        return float(kappa(table, quadratic=True))

    def spearman(places: Column) -> float:
        one, other = rankdata(truth[places]), rankdata(value[places])
        if not (one.std() and other.std()):
            return float("nan")
        return float(np.corrcoef(one, other)[0, 1])

    found: dict[str, Any] = {"n": len(judged)}
    for name, statistic in (("kappa", weighted), ("spearman", spearman)):
        low, high = cluster_bootstrap(statistic, prompts, draws=DRAWS)
        found[name] = _rounded(statistic(np.arange(len(judged))))
        found[f"{name}_low"], found[f"{name}_high"] = _rounded(low), _rounded(high)
    found["within_one"] = round(float((np.abs(truth - step) <= 1).mean()), 4)
    return found


def _recall_by_kind(judged: Sequence[Judged]) -> dict[str, Any]:
    kinds = sorted({kind for one in judged for kind in one.labels.i6_kinds})
    rows = {kind: [one for one in judged if kind in one.labels.i6_kinds] for kind in kinds}
    return {
        kind: {
            "n": len(some),
            "called_breaks": sum(one.told["i6"] == "breaks" for one in some),
            "named": sum(kind in one.told["i6_kinds"] for one in some),
        }
        for kind, some in rows.items()
    }


def _ratio(part: Any, whole: Any) -> float | None:
    return round(float(part) / float(whole), 4) if whole else None


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 4)


def write_agreement(figures: dict[str, Any], source: Path) -> None:
    """Keep the figures beside the graders, with what they are true of."""
    record = {
        "schema": 1,
        "graders_sha256": graders_sha256(),
        "file": source.name,
        "file_sha256": sha256_path(source),
        "figures": figures,
    }
    AGREEMENT.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def published() -> dict[str, Any]:
    """What every report says of the graders, by name: `kappa`, its interval, and `version`.

    Figures are None ("kappa unknown") when the graders have changed since they were measured.
    """
    sha256 = graders_sha256()
    record = json.loads(AGREEMENT.read_text(encoding="utf-8")) if AGREEMENT.exists() else {}
    current = record.get("graders_sha256") == sha256
    figures = ("kappa", "kappa_low", "kappa_high")
    return {
        grader: {
            "version": sha256[:12],
            "measured_on": record.get("file") if current else None,
            **{name: record["figures"][label].get(name) if current else None for name in figures},
        }
        for label, grader in GRADER_OF.items()
    }


def table(figures: dict[str, Any]) -> list[str]:
    """The figures as lines for a terminal."""
    lines = [
        f"{figures['rows']} labelled replies",
        f"{'label':<11} {'n':>4} {'accuracy':>8} {'kappa':>6} {'95 % interval':>15} "
        f"{'precision':>9} {'recall':>7} {'ungraded':>8}",
    ]
    for label in GRADER_OF:
        one = figures[label]
        if not one["n"]:
            continue
        interval = f"{_shown(one['kappa_low'])} to {_shown(one['kappa_high'])}"
        lines.append(
            f"{label:<11} {one['n']:>4} {one['accuracy']:>8.3f} {_shown(one['kappa']):>6} "
            f"{interval:>15} {_shown(one['precision']):>9} {_shown(one['recall']):>7} "
            f"{one['ungraded']:>8}"
        )
        for name, parts in one["by"].items():
            told = [
                f"{value} {_shown(part['kappa'])} (n {part['n']})"
                for value, part in parts.items()
                if part["n"]
            ]
            lines.append(f"{'':<11} kappa by {name}: {', '.join(told)}")
    warmth = figures["warmth"]
    if warmth["n"]:
        lines.append(
            f"{'warmth':<11} {warmth['n']:>4} quadratic kappa {_shown(warmth['kappa'])} "
            f"[{_shown(warmth['kappa_low'])}, {_shown(warmth['kappa_high'])}], Spearman "
            f"{_shown(warmth['spearman'])}, within one step {warmth['within_one']:.3f}"
        )
    kinds = figures["i6"]["recall_by_kind"]
    if kinds:
        told = [f"{kind} {one['called_breaks']} of {one['n']}" for kind, one in kinds.items()]
        lines.append(f"breaks found by kind: {', '.join(told)}")
    if figures["i6"]["missed"]:
        lines.append(f"breaks that pass: {', '.join(figures['i6']['missed'])}")
    return lines


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
