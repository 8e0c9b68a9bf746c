"""Lower never imports higher, and the heavy and the pytest side stay where they belong."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.generation import project_root

LAYERS: tuple[frozenset[str], ...] = tuple(
    frozenset(layer.split())
    for layer in (
        "errors progress",
        "strict_yaml provenance knowledge overlap stats",
        "conversation",
        "prompt",
        "generation",
        "engines store",
        "runner",
        "grading",
        "graders",
        "labelled",
        "calibrate",
        "review",
        "gate",
        "talk",
        "report",
        "suite",
        "run",
        "options check review_queue",
        "review_screen",
        "plugin cli",
    )
)
"""Lowest first; modules of one layer may import each other."""

HEAVY = {
    "torch",
    "transformers",
    "peft",
    "llama_cpp",
    "accelerate",
    "safetensors",
    "deepeval",
    "httpx",
}
PYTEST_SIDE = {"plugin", "options", "cli"}

ROOT = project_root()
HARNESS = sorted((ROOT / "harness").rglob("*.py"))


def part(path: Path) -> str:
    """The layered unit a file of the harness belongs to: its module, or its package."""
    return path.relative_to(ROOT / "harness").parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of all that a file imports, in functions and type checks too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import hides its layer"
            assert node.module is not None
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def level(name: str) -> int:
    found = [number for number, layer in enumerate(LAYERS) if name in layer]
    assert found, f"harness/{name} is in no layer of tests/test_layers.py; put it where it belongs"
    return found[0]


def named(paths: list[Path]) -> list[object]:
    return [pytest.param(path, id=str(path.relative_to(ROOT))) for path in paths]


@pytest.mark.parametrize("path", named([p for p in HARNESS if part(p) != "__init__"]))
def test_module_imports_nothing_of_a_higher_layer(path: Path) -> None:
    own = level(part(path))
    higher = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for line, name in imports(path)
        if name.startswith("harness.")
        if level(name.split(".")[1]) > own
    ]
    assert higher == []


@pytest.mark.parametrize("path", named(HARNESS))
def test_harness_imports_neither_training_nor_evals_nor_tests(path: Path) -> None:
    outside = {"training", "evals", "tests", "benchmarks", "conftest"}
    assert [name for _, name in imports(path) if name.split(".")[0] in outside] == []


@pytest.mark.parametrize(
    "path",
    named(
        [
            path
            for path in [*HARNESS, *sorted((ROOT / "evals").rglob("*.py")), ROOT / "conftest.py"]
            if path.parent != ROOT / "harness" / "engines"
        ]
    ),
)
def test_heavy_libraries_are_imported_by_engines_only(path: Path) -> None:
    assert [name for _, name in imports(path) if name.split(".")[0] in HEAVY] == []


@pytest.mark.parametrize("path", named([p for p in HARNESS if part(p) not in PYTEST_SIDE]))
def test_pytest_is_known_to_the_plugin_only(path: Path) -> None:
    assert [n for _, n in imports(path) if n.split(".")[0] in {"pytest", "_pytest", "xdist"}] == []


@pytest.mark.parametrize("path", named(sorted((ROOT / "harness" / "graders").glob("*.py"))))
def test_graders_need_no_engine_store_or_runner(path: Path) -> None:
    machinery = {"engines", "store", "runner", "generation"}
    # The encoder's weights are read through llama.cpp, which only engines may import.
    found = [name for _, name in imports(path) if name != "harness.engines.bert.Bert"]
    used = {name.split(".")[1] for name in found if name.startswith("harness.")}
    assert used & machinery == set()


def test_package_itself_imports_nothing() -> None:
    assert list(imports(ROOT / "harness" / "__init__.py")) == []


def test_no_module_is_in_two_layers() -> None:
    names = [name for layer in LAYERS for name in layer]
    assert len(set(names)) == len(names)
