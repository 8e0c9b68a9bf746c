"""Fit how rules and encoder are weighed, on replies that the encoder has not seen.

    python -m training.weights

Takes the held-out scenarios of `corpus/` (see `training.encoder.split`), writes
`harness/graders/model/weights.json`: a logistic regression for each claim, the blend of warmth,
and the bands in which a grader abstains. Prints out-of-fold figures by scenario groups.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from harness.graders.encoder import FOLDER
from harness.graders.weighing import weigh
from harness.stats import kappa
from training.corpus import Row, load_corpus, split

log = logging.getLogger("training.weights")

PERSONA = ("persona_marked", "rule_cold", "rule_warm", "seen_cold", "seen_warm",
           "is_drill_sergeant", "is_dutch_directness", "is_science_nerd", "dutch", "length",
           "seen_out_of_persona", "seen_empty", "rule_empty", "seen_off_task")  # fmt: skip
FACTS = ("facts_false", "facts_claimed", "seen_claims", "seen_bad_facts", "dutch", "length",
         "seen_off_task")  # fmt: skip
LEFT_OUT = {"breaks": ("persona_marked", "rule_cold", "rule_warm", "seen_cold", "seen_warm")}
ABSTAIN = 0.02
"""Largest share of replies that a grader may leave to a reader."""


def truth(claim: str, row: Row) -> float:
    """Whether a claim is so; NaN where the labels do not say."""
    if claim == "bad_facts":
        return float("nan") if row.facts_ok is None else float(not row.facts_ok)
    return float(
        {
            "breaks": row.i6 == "breaks",
            "empty": row.i6 == "empty",
            "off_task": not row.on_task,
            "out_of_persona": not row.in_persona,
            "claims": row.facts_ok is not None,
        }[claim]
    )


def names_for(claim: str, names: Sequence[str]) -> list[str]:
    """The features that a claim is decided by."""
    chosen = {"out_of_persona": PERSONA, "claims": FACTS, "bad_facts": FACTS}.get(claim)
    return list(chosen) if chosen else [n for n in names if n not in LEFT_OUT["breaks"]]


def fit(rows: Sequence[Row], *, strength: float = 0.05) -> dict[str, Any]:
    """Fit every claim; the result is what `weights.json` holds."""
    weighed = [weigh(row.exchange) for row in rows]
    names = list(weighed[0].features)
    table = np.array([[one.features[name] for name in names] for one in weighed])
    groups = np.array([row.group for row in rows])
    claims: dict[str, Any] = {}
    bands: dict[str, tuple[float, float]] = {}
    for claim in ("breaks", "empty", "off_task", "out_of_persona", "claims", "bad_facts"):
        wanted = np.array([truth(claim, row) for row in rows])
        known = ~np.isnan(wanted)
        chosen = names_for(claim, names)
        x, y = table[known][:, [names.index(n) for n in chosen]], wanted[known] == 1
        model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=2000))
        folds = GroupKFold(8, shuffle=True, random_state=0)
        guess = cross_val_predict(
            model, x, y, groups=groups[known], cv=folds, method="predict_proba"
        )[:, 1]
        bands[claim] = band(guess, y)
        log.info("%-15s n %5d yes %4d  %s", claim, len(y), y.sum(), scores(guess, y, bands[claim]))
        model.fit(x, y)
        scaler, line = model[0], model[1]
        weights = line.coef_[0] / scaler.scale_
        claims[claim] = {
            "intercept": float(line.intercept_[0] - weights @ scaler.mean_),
            "weights": {n: round(float(w), 5) for n, w in zip(chosen, weights, strict=True)},
        }
    return {"schema": 1, "claims": claims, "abstain": bands, "warmth": blend(weighed, rows)}


def band(guess: npt.NDArray[np.float64], y: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Where the grader abstains: around the cut of highest kappa, `ABSTAIN` of all replies."""
    cuts = np.linspace(0.2, 0.5, 31)  # never above even odds: a miss costs more than an alarm
    cut = float(cuts[np.argmax([_kappa(guess >= cut, y) for cut in cuts])])
    half = float(np.quantile(np.abs(guess - cut), ABSTAIN))
    return round(cut - half, 4), round(cut + half, 4)


def _kappa(told: npt.NDArray[np.bool_], y: npt.NDArray[np.bool_]) -> float:
    table = np.zeros((2, 2))
    np.add.at(table, (y.astype(int), told.astype(int)), 1)
    return float(kappa(table))


def scores(
    guess: npt.NDArray[np.float64], y: npt.NDArray[np.bool_], edges: tuple[float, float]
) -> str:
    """Out-of-fold figures in one line; the cut was chosen on the same replies."""
    told = guess >= sum(edges) / 2
    sure = (guess <= edges[0]) | (guess >= edges[1])
    return (
        f"kappa {_kappa(told, y):.3f} (cut at 0.5: {_kappa(guess >= 0.5, y):.3f}) "
        f"accuracy {(told == y).mean():.3f} recall {told[y].mean():.3f} precision "
        f"{y[told].mean():.3f}; outside {edges}: {(told == y)[sure].mean():.3f} on "
        f"{sure.mean():.3f}"
    )


def blend(weighed: Sequence[Any], rows: Sequence[Row]) -> dict[str, float]:
    """Least squares of warmth on the rules' and the encoder's reading."""
    from scipy.stats import spearmanr

    x = np.array([[1.0, one.persona.value or 3.0, one.impression.warmth] for one in weighed])
    y = np.array([row.warmth for row in rows], dtype=np.float64)
    found = np.linalg.lstsq(x, y, rcond=None)[0]
    log.info("warmth: Spearman %.3f", spearmanr(x @ found, y).statistic)
    return {
        name: round(float(v), 4)
        for name, v in zip(("intercept", "rule", "seen"), found, strict=True)
    }


def main() -> None:
    """Fit and write."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--hold-out", nargs="*", default=["many-hands"])
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    _, held = split(load_corpus(), options.hold_out)
    (FOLDER / "weights.json").write_text(json.dumps(fit(held), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
