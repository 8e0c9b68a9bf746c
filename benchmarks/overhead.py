"""What the harness costs without a model: time and memory per replayed case, imports.

    python -m benchmarks.overhead

Runs pytest on golden conversations made for it, replies replayed, one grader that does nothing, at
two sizes; prints milliseconds and kilobytes per case, and what the imports take.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness.conversation import expand, load_golden
from harness.generation import project_root
from harness.knowledge import knowledge

_GOLDEN = """about: Case {i} of the overhead benchmark.
personas: [balanced, drill_sergeant, dutch_directness, science_nerd]
context: {{readiness: green, session: {{zone: Z2, minutes: {minutes}}}}}
turns:
  - user: ["What does today feel like, number {i}?", "How hard is number {i} today?"]
    expect: {{answers: true}}
"""
_CONFTEST = """
from harness.graders import GRADERS
from harness.grading import passed

def constant(exchange):
    return passed("constant", "always")

GRADERS.clear()
GRADERS["constant"] = constant
pytest_plugins = ["harness.plugin"]
"""
_TEST = """
from conftest import constant

def test_conduct(talk):
    talk.requires(constant)
"""


def run(folder: Path, files: int) -> tuple[float, float, int]:
    """Replay 8 cases for each of `files` conversations; give seconds, peak MB and cases."""
    golden = folder / f"golden-{files}" / "conduct"
    golden.mkdir(parents=True)
    for i in range(files):
        (golden / f"case-{i}.yaml").write_text(_GOLDEN.format(i=i, minutes=20 + i % 60))
    recorded = folder / f"replies-{files}.jsonl"
    cases = [c.id for g in load_golden(golden.parent, knowledge()) for c in expand(g)]
    reply = "Today is easy: you can talk in whole sentences from the first minute to the last. " * 3
    recorded.write_text("".join(json.dumps({"case": c, "reply": reply}) + "\n" for c in cases))
    (folder / "conftest.py").write_text(_CONFTEST)
    (folder / "test_conduct.py").write_text(_TEST)
    command = [
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder),
        "-c", os.devnull, str(folder / "test_conduct.py"), "--model", f"replay:{recorded}",
        "--golden", str(golden.parent), "--reports", str(folder / f"reports-{files}"),
    ]  # fmt: skip
    env = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(project_root()), str(folder)]),
        "JOSI_STORE": str(folder / f"store-{files}"),
    }
    started = time.perf_counter()
    done = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    out, _ = done.communicate()
    elapsed_s = time.perf_counter() - started
    if done.returncode or f"{len(cases)} passed".encode() not in out:
        raise SystemExit(out.decode()[-3000:])
    peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return elapsed_s, peak_mb, len(cases)


def import_ms(module: str) -> float:
    """Best of five imports in a fresh interpreter, start of the interpreter not counted."""
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    seconds = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        for _ in range(5)
    ]
    return 1000 * min(seconds)


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as name:
        small_s, small_mb, small = run(Path(name), 25)  # ru_maxrss keeps the maximum: small first
        large_s, large_mb, large = run(Path(name), 625)
    print(f"{large} replayed cases in {large_s:.1f} s: {1000 * large_s / large:.2f} ms a case")
    print(f"peak memory {small_mb:.0f} MB at {small} cases, {large_mb:.0f} MB at {large}: "
          f"{1024 * (large_mb - small_mb) / (large - small):.1f} KB a case")  # fmt: skip
    print(f"start and end ({small} cases): {small_s:.1f} s")
    print(f"import harness: {import_ms('harness'):.1f} ms; harness.plugin: "
          f"{import_ms('harness.plugin'):.0f} ms")  # fmt: skip


if __name__ == "__main__":
    main()
