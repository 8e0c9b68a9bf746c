"""The documents cannot drift from the code: what they name exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.conversation import BEHAVIOURS, Expect
from harness.generation import project_root
from harness.graders import GRADERS

ROOT = project_root()
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "golden" / "README.md", *ROOT.glob("docs/*.md")])
PATH = re.compile(r"`([\w.-]+(?:/[\w.-]+)+|[\w-]+\.(?:md|py|txt|toml|yaml|cmake))/?`")
MADE_BY_RUNS = re.compile(
    r"reports/|reviews/|\.josi|build/|replies\.jsonl|run\.json|summary\.md|store"
)
in_documents = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT))
)


def blocks(document: Path) -> list[str]:
    return re.findall(r"^```(?:sh|bash)\n(.*?)^```", document.read_text(), re.DOTALL | re.MULTILINE)


@in_documents
def test_every_path_in_a_document_exists(document: Path) -> None:
    named = {
        match for match in PATH.findall(document.read_text()) if not MADE_BY_RUNS.search(match)
    }
    places = (ROOT, document.parent, ROOT / "golden", ROOT / "harness")
    missing = [name for name in named if not any((place / name).exists() for place in places)]
    assert [name for name in missing if name not in EXAMPLES] == []


EXAMPLES = {"i6_refusal/swap-easy-run.yaml", "../schema.json", ".venv/bin/josi"}
"""Names that a document makes up, and says so; or that setting up makes."""


@in_documents
def test_every_link_in_a_document_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.fixture(scope="module")
def options() -> str:
    command = [sys.executable, "-m", "pytest", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


@in_documents
def test_every_option_in_a_document_exists(document: Path, options: str) -> None:
    known = set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", options)) | OTHERS
    named = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", document.read_text()))
    assert named - known == set()


OTHERS = {
    "--base",
    "--no-deps",
    "--strict",
    "--cases",
    "--write",
    "--junitxml",
    "--skip-one-by-one",
    "--list",
    "--json",
    "--name",
}
"""Options of other commands than pytest."""


def test_the_readme_explains_every_option_of_ours(options: str) -> None:
    ours = options.partition("Josi evals:")[2].partition("\n\n")[0]
    named = set(re.findall(r"^  (--[a-z][\w-]*)", ours, re.MULTILINE))
    assert len(named) > 15
    assert [
        name for name in sorted(named) if f"`{name}" not in (ROOT / "README.md").read_text()
    ] == []


def test_every_make_target_in_the_readme_exists() -> None:
    text = (ROOT / "README.md").read_text()
    named = set(re.findall(r"(?:^    |`)make ([a-z]+)", text, re.MULTILINE))
    assert named >= {"evals", "test"}
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert named - targets == set()


def test_every_benchmark_in_a_document_is_a_module() -> None:
    named = {
        name
        for document in DOCUMENTS
        for name in re.findall(r"python -m (benchmarks\.\w+)", document.read_text())
    }
    assert named
    assert [n for n in named if not (ROOT / f"{n.replace('.', '/')}.py").exists()] == []


def test_the_qa_guide_names_every_expectation_and_behaviour() -> None:
    text = (ROOT / "golden" / "README.md").read_text()
    assert [name for name in Expect.model_fields if f"`{name}" not in text] == []
    assert [name for name in BEHAVIOURS if f"`{name}`" not in text] == []


def test_every_behaviour_has_its_specification() -> None:
    assert sorted(p.stem for p in (ROOT / "evals").glob("test_*.py")) == sorted(
        f"test_{name}" for name in BEHAVIOURS
    )


def test_the_graders_page_names_every_grader() -> None:
    text = (ROOT / "docs" / "graders.md").read_text()
    assert [name for name in GRADERS if f"| `{name}` |" not in text] == []


def test_no_document_or_source_names_a_path_of_one_machine() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    private = re.compile(r"/(?:work|home|root|tmp)/\w")
    found = [
        name
        for name in listed.stdout.split()
        if not name.startswith("tests/") and (ROOT / name).is_file()
        if private.search((ROOT / name).read_text(encoding="utf-8", errors="replace"))
    ]
    assert found == []
