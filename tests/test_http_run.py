"""`pytest evals --model http://...` as a user calls it; the key is nowhere to be read."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.generation import project_root
from tests.chat_server import Asked, Told, answer, serving

KEY = "sk-josi-0123456789abcdef"
TALK = """\
about: Two turns about an easy day.
personas: [balanced, drill_sergeant]
turns:
  - user: [What is an easy day for?, Why easy days?, Why run slowly?, What do easy runs do?]
    expect: {answers: true}
  - user: Thanks!
"""
LISTING = Told(body={"data": [{"id": "org/tiny", "owned_by": "us"}]})


@dataclass(frozen=True, slots=True)
class Ran:
    """One finished `pytest evals`, in a folder of its own."""

    code: int
    text: str
    folder: Path

    @property
    def reports(self) -> list[Path]:
        return sorted((self.folder / "reports").glob("*"))

    @property
    def record(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.reports[0] / "run.json").read_text("utf-8"))
        return found


def run(folder: Path, model: str, *more: str, key: str = "") -> Ran:
    """Run the eight cases of one golden conversation."""
    golden = folder / "golden" / "multi_turn"
    golden.mkdir(parents=True, exist_ok=True)
    (golden / "easy-day.yaml").write_text(TALK, encoding="utf-8")
    ours = ("PYTEST_", "JOSI_", "COV_", "FORCE_COLOR", "PY_COLORS", "COLUMNS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    command = [
        sys.executable, "-m", "pytest", "evals/test_multi_turn.py", "-p", "no:cacheprovider",
        "--model", model, "--golden", str(golden.parent), "--reports", str(folder / "reports"),
        "--confirm", "0", *more,
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=project_root(), capture_output=True, text=True, timeout=60, check=False,
        env=kept | {"JOSI_STORE": str(folder / "store"), "JOSI_API_KEY": key, "NO_PROXY": "*"},
    )  # fmt: skip
    return Ran(done.returncode, done.stdout + done.stderr, folder)


@dataclass(frozen=True, slots=True)
class Runs:
    """Three runs on one server that wants a key: the first, the same again, and without a store."""

    first: Ran
    again: Ran
    anew: Ran
    asked: tuple[int, int, int]
    """Replies asked for by each."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    folder = tmp_path_factory.mktemp("runs")

    def answerer(asked: Asked) -> Told:
        if asked.number == 0:
            return Told(status=503, body=f"not yet, {asked.headers['authorization']}")
        return answer(asked)

    with serving(answerer, listing=LISTING, key=KEY) as server:
        found: list[Ran] = []
        counts = [0]
        for more in ((), (), ("--no-store", "-n", "2")):
            found.append(run(folder, server.url, *more, key=KEY))
            counts.append(len(server.asked))
    first, again, anew = (after - before for before, after in itertools.pairwise(counts))
    return Runs(*found, (first, again, anew))


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    """A run on a server that refuses everything, and repeats the key."""
    folder = tmp_path_factory.mktemp("troubled")

    def answerer(asked: Asked) -> Told:
        return Told(status=400, body=f"no, {asked.headers['authorization']}")

    with serving(answerer, listing=LISTING, key=KEY) as server:
        junit = ("-v", "--junitxml", str(folder / "junit.xml"))
        yield run(folder, f"{server.url}#org/tiny", *junit, key=KEY)


def test_the_record_names_server_and_model_and_no_hash(runs: Runs) -> None:
    model = runs.first.record["model"]
    assert model["path"].startswith("http://127.0.0.1:")
    assert model["path"].endswith("/v1")
    assert {name: value for name, value in model.items() if name != "path"} == {
        "kind": "http",
        "name": "org/tiny",
        "sha256": None,
        "architecture": "",
        "quantisation": "",
        "chat_template_sha256": None,
        "adapter": None,
        "adapter_sha256": None,
    }


def test_every_turn_is_recorded(runs: Runs) -> None:
    text = (runs.first.reports[0] / "replies.jsonl").read_text("utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    assert len(rows) == 16
    assert {row["reply"] for row in rows if row["turn"] == 1} == {"You said: Thanks!"}


def test_requests_that_were_sent_again_are_counted(runs: Runs) -> None:
    assert runs.first.record["engine"]["retries"] == 1
    assert runs.asked[0] == 17


def test_the_run_folder_lies_beside_the_others(runs: Runs) -> None:
    assert [path.name.partition("-")[2][7:] for path in runs.first.reports] == ["org-tiny"] * 3


def test_the_summary_warns_that_a_url_can_change(runs: Runs) -> None:
    text = (runs.first.reports[0] / "summary.md").read_text("utf-8")
    assert "what stands behind a URL can change" in text


def test_the_same_command_again_asks_for_nothing(runs: Runs) -> None:
    assert runs.asked[1] == 0


def test_without_the_store_everything_is_asked_anew_by_all_runners(runs: Runs) -> None:
    assert runs.asked[2] == 16


@pytest.mark.parametrize("which", ["first", "again", "anew"])
def test_a_run_without_trouble_ends_with_a_verdict(runs: Runs, which: str) -> None:
    ran: Ran = getattr(runs, which)
    assert ran.code in (0, 1), ran.text
    assert "NONE: " in ran.text


def test_engine_trouble_is_an_error_with_its_own_exit_status(troubled: Ran) -> None:
    assert troubled.code == 12
    assert "refused model='org/tiny' with status 400 'no, Bearer ***'" in troubled.text


def test_the_key_is_nowhere_to_be_read(runs: Runs, troubled: Ran) -> None:
    files = [
        path for ran in (runs.first, troubled) for path in ran.folder.rglob("*") if path.is_file()
    ]
    assert {"run.json", "replies.jsonl", "summary.md", "replies-1.sqlite", "junit.xml"} <= {
        path.name for path in files
    }
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []
    assert KEY not in runs.first.text + runs.again.text + runs.anew.text + troubled.text


@pytest.mark.parametrize(
    ("model", "told"),
    [
        pytest.param("{url}#big", "has no model 'big', but 'org/tiny'", id="wrong-model"),
        pytest.param("http://josi:pass-word@127.0.0.1:9/v1", "JOSI_API_KEY", id="password"),
    ],
)
def test_what_cannot_be_asked_is_a_usage_error(tmp_path: Path, model: str, told: str) -> None:
    with serving(listing=LISTING) as server:
        ran = run(tmp_path, model.replace("{url}", server.url))
    assert ran.code == 4
    assert told in ran.text
    assert "Traceback" not in ran.text
    assert ran.reports == []
