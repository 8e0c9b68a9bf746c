"""Imports stay cheap: the package is instant, collecting the tests loads no model library."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from harness.generation import project_root

LIGHT = """
import sys, time
began = time.perf_counter()
import harness
elapsed_s = time.perf_counter() - began
import json
print(json.dumps([elapsed_s, sorted(sys.modules)]))
"""

WATCH = """
import sys

def pytest_collection_finish(session):
    sys.__stdout__.write(f"COLLECTED {len(session.items)}\\n")
    found = sorted({"torch", "transformers", "llama_cpp", "peft"} & set(sys.modules))
    sys.__stdout__.write(f"HEAVY {found}\\n")
"""


def import_harness() -> tuple[float, set[str]]:
    done = subprocess.run(
        [sys.executable, "-c", LIGHT],
        capture_output=True, text=True, check=True, cwd=project_root(), timeout=60,
    )  # fmt: skip
    elapsed_s, modules = json.loads(done.stdout)
    return elapsed_s, set(modules)


def test_harness_is_imported_without_its_libraries() -> None:
    _, modules = import_harness()
    heavy = {"numpy", "pydantic", "yaml", "jinja2", "rich", "torch", "transformers", "llama_cpp"}
    assert modules & heavy == set()


def test_harness_is_imported_in_under_a_tenth_of_a_second() -> None:
    assert min(import_harness()[0] for _ in range(5)) < 0.1


def test_collecting_the_tests_imports_no_model_library(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "watch_imports.py").write_text(WATCH, encoding="utf-8")
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "tests", "--collect-only", "-q",
            "-p", "no:cacheprovider", "-p", "watch_imports", "-o", f"pythonpath=. {folder}",
        ],
        capture_output=True, text=True, check=False, cwd=project_root(), timeout=120,
    )  # fmt: skip
    assert "COLLECTED" in done.stdout, done.stdout[-2000:] + done.stderr[-2000:]
    found = [line for line in done.stdout.splitlines() if line.startswith("HEAVY ")]
    assert found == ["HEAVY []"], "import engines inside tests or fixtures"
