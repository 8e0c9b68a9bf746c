"""The noise floor of batching: how many replies and verdicts differ from decoding one at a time.

    python -m benchmarks.noise [--model FILE.gguf] [--cases 128] [--write]

Decodes the same conversations batched and exactly, greedy, and grades both. With `--write` the
figures go to `harness/report/noise.json`, from where every report quotes them.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.make_models import make_models
from harness.engines import resolve_model
from harness.engines.process import Opened
from harness.generation import Dialogue, EngineSpec, Plan, Reply, Sampling, project_root
from harness.graders import GRADERS
from harness.knowledge import knowledge
from harness.runner import Runner
from harness.stats import clustered_rate
from harness.store import Store
from harness.suite import MAX_TOKENS, Sampled, Settings, Suite
from harness.talk import Talk


def some_cases(count: int) -> tuple[Suite, list[Sampled]]:
    """Every k-th case of the golden suite."""
    settings = Settings(
        sampling=Sampling(),
        samples=1,
        max_tokens=MAX_TOKENS,
        personas=frozenset(),
        languages=frozenset(),
    )
    suite = Suite(project_root() / "golden", knowledge(), settings)
    cases = suite.of(None)
    step = max(len(cases) // count, 1)
    return suite, [Sampled(case=case, sample=0) for case in cases[::step][:count]]


def decode(
    spec: EngineSpec, dialogues: Sequence[Dialogue], sampling: Sampling, processes: int
) -> list[tuple[Reply, ...]]:
    """All replies, through the harness's own runner on an empty store."""
    plan = Plan.of(dialogues, sampling, "benchmark", spec)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        runner = Runner(plan, spec, Opened(spec), store, processes=processes)
        replies = [runner.wait(dialogue.id).replies for dialogue in dialogues]
        runner.close()
        store.close()
    return replies


def outcomes(suite: Suite, sampled: Sampled, replies: tuple[Reply, ...]) -> list[dict[str, str]]:
    """Every grader's outcome, by turn."""
    talk = Talk(sampled.case, suite.dialogue(sampled), replies, kind="rate", source="new")
    return [{name: grade.outcome.value for name, grade in turn.items()} for turn in talk.grades]


def compare(
    suite: Suite,
    cases: Sequence[Sampled],
    one: Sequence[tuple[Reply, ...]],
    other: Sequence[tuple[Reply, ...]],
) -> dict[str, object]:
    """Shares of first replies that are the same, and of cases whose outcome differs by grader."""
    same = [a[0].text == b[0].text for a, b in zip(one, other, strict=True)]
    clusters = [sampled.case.conversation.id for sampled in cases]
    differs: dict[str, list[bool]] = {name: [] for name in GRADERS}
    for sampled, a, b in zip(cases, one, other, strict=True):
        first, second = outcomes(suite, sampled, a)[0], outcomes(suite, sampled, b)[0]
        for name in GRADERS:
            differs[name].append(first[name] != second[name])
    rate = clustered_rate(same, clusters)
    return {
        "cases": len(cases),
        "same_reply": [round(value, 3) for value in rate],
        "verdict_differs": {
            name: [round(value, 3) for value in clustered_rate(flags, clusters)]
            for name, flags in differs.items()
        },
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--model", help="a .gguf file; by default q4_k_m of the embedded model")
    parser.add_argument("--cases", type=int, default=128)
    parser.add_argument("--write", action="store_true", help="update harness/report/noise.json")
    options = parser.parse_args()
    model = options.model or str(make_models(project_root() / "build" / "models")["q4_k_m.gguf"])
    spec = resolve_model(model)
    suite, cases = some_cases(options.cases)
    dialogues = suite.dialogues(cases)
    processes = os.cpu_count() or 1
    batched = decode(spec, dialogues, Sampling(), processes)
    again = decode(spec, dialogues, Sampling(), processes)
    exact = decode(spec, dialogues, replace(Sampling(), exact=True), processes)
    print(f"batched twice, byte-identical: {batched == again}")
    figures = {
        "model": f"SmolLM2-135M-Instruct {spec.name}",
        **compare(suite, cases, batched, exact),
    }
    print(json.dumps(figures, indent=1))
    if options.write:
        target = project_root() / "harness" / "report" / "noise.json"
        target.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
