"""Models are found by name or refused with a way out; engines die with their parent."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.engines import open_engine, resolve_model
from harness.engines.process import EngineProcess, Opened, raise_again
from harness.errors import EngineError, FileError, HarnessError, ModelError, StoreError, UsageError
from harness.generation import Dialogue, EngineSpec, Group, Sampling, project_root
from tests.tiny_gguf import Shape, write_lora, write_random


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one of each kind of thing a user may name."""
    folder = tmp_path_factory.mktemp("models")
    write_random(folder / "josi-small.gguf")
    write_random(folder / "endless.gguf", Shape(layers=4, width=256, hidden=512, ends=False))
    write_lora(folder / "lora.gguf")
    (folder / "text.gguf").write_text("not a model\n", encoding="utf-8")
    (folder / "empty.gguf").write_bytes(b"")
    (folder / "notes").mkdir()
    (folder / "notes" / "readme.txt").write_text("nothing\n", encoding="utf-8")
    (folder / "gguf-folder").mkdir()
    write_random(folder / "gguf-folder" / "inside.gguf")
    _write_checkpoint(folder / "checkpoint")
    (folder / "peft").mkdir()
    (folder / "peft" / "adapter_config.json").write_text("{}", encoding="utf-8")
    (folder / "recorded.jsonl").write_text(_row(), encoding="utf-8")
    return folder


def _write_checkpoint(folder: Path) -> None:
    """Write a Hugging Face folder as far as names are resolved: one weight of four bytes."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text('{"model_type": "llama"}', encoding="utf-8")
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")
    header = b'{"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}'
    raw = len(header).to_bytes(8, "little") + header + bytes(4)
    (folder / "model.safetensors").write_bytes(raw)


def _row(**changes: object) -> str:
    row = {"case": "goals/x#1[balanced]", "sample": 0, "turn": 0, "reply": "Fine."} | changes
    return json.dumps(row) + "\n"


# Names


@pytest.mark.parametrize(
    ("name", "kind", "shown"),
    [
        pytest.param("josi-small.gguf", "gguf", "josi-small", id="gguf"),
        pytest.param("checkpoint", "hf", "checkpoint", id="checkpoint-folder"),
    ],
)
def test_a_path_becomes_a_specification(models: Path, name: str, kind: str, shown: str) -> None:
    spec = resolve_model(str(models / name))
    assert (spec.kind, spec.name, spec.path) == (kind, shown, str((models / name).resolve()))


def test_recorded_replies_become_a_specification(models: Path) -> None:
    spec = resolve_model(f"replay:{models / 'recorded.jsonl'}")
    assert (spec.kind, spec.path) == ("replay", str(models / "recorded.jsonl"))


def test_a_relative_path_becomes_absolute(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(models)
    assert resolve_model("josi-small.gguf", adapter="lora.gguf") == resolve_model(
        str(models / "josi-small.gguf"), adapter=str(models / "lora.gguf")
    )


def test_a_checkpoint_folder_that_also_holds_a_gguf_file_is_a_checkpoint(tmp_path: Path) -> None:
    _write_checkpoint(tmp_path)
    write_random(tmp_path / "exported.gguf")
    assert resolve_model(str(tmp_path)).kind == "hf"


@pytest.mark.parametrize(
    ("model", "options", "told"),
    [
        pytest.param(
            "josi-smal.gguf", {}, r"josi-smal\.gguf' does not exist.*'josi-small\.gguf'", id="typo"
        ),
        pytest.param(
            "no/such/dir/m.gguf", {}, r"m\.gguf' does not exist.*Expected a \.gguf", id="no-folder"
        ),
        pytest.param(
            "notes", {}, r"notes' is a folder without config\.json.*Expected", id="not-a-checkpoint"
        ),
        pytest.param("gguf-folder", {}, r"holds inside\.gguf: name that file", id="folder-of-gguf"),
        pytest.param("text.gguf", {}, r"is not a GGUF file: it begins with b'not '", id="text"),
        pytest.param("empty.gguf", {}, r"is not a GGUF file: it begins with b''", id="empty"),
        pytest.param(
            "josi-small.gguf",
            {"adapter": "lara.gguf"},
            r"--adapter .*lara\.gguf' does not exist.*'lora\.gguf'",
            id="adapter-typo",
        ),
        pytest.param(
            "josi-small.gguf",
            {"adapter": "peft"},
            r"--adapter .* is not a GGUF file.*convert_lora_to_gguf",
            id="peft-on-gguf",
        ),
        pytest.param(
            "josi-small.gguf",
            {"adapter": "text.gguf"},
            r"--adapter .* is not a GGUF file",
            id="text-adapter",
        ),
        pytest.param(
            "checkpoint",
            {"adapter": "lora.gguf"},
            r"--adapter .* holds no adapter_config\.json.*PEFT adapter folder",
            id="gguf-on-checkpoint",
        ),
        pytest.param(
            "josi-small.gguf",
            {"chat_template": "chat.jinja"},
            r"--chat-template .*chat\.jinja' does not exist",
            id="template-missing",
        ),
    ],
)
def test_what_cannot_be_a_model_is_refused_with_a_way_out(
    models: Path, model: str, options: dict[str, str], told: str
) -> None:
    given = {name: str(models / value) for name, value in options.items()}
    with pytest.raises(ModelError, match=re.compile(told, re.DOTALL)):
        resolve_model(str(models / model), **given)


def test_a_missing_recording_is_refused_with_the_closest_name(models: Path) -> None:
    with pytest.raises(ModelError, match=r"no such file.*Did you mean 'recorded\.jsonl'"):
        resolve_model(f"replay:{models / 'recorde.jsonl'}")


@pytest.mark.parametrize(
    "model", ["josi-smal.gguf", "notes", "text.gguf", "replay:nothing.jsonl", "./peft"]
)
def test_a_refusal_is_one_line(models: Path, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(models)
    with pytest.raises(ModelError) as told:
        resolve_model(model)
    assert len(str(told.value).splitlines()) == 1


# Recorded replies


@pytest.mark.parametrize(
    ("line", "what"),
    [
        pytest.param("not json\n", "JSONDecodeError", id="no-json"),
        pytest.param('"a text"\n', "TypeError", id="no-object"),
        pytest.param('{"sample": 0, "reply": "x"}\n', "'case'", id="no-case"),
        pytest.param('{"case": "a", "turn": 0}\n', "'reply'", id="no-reply"),
        pytest.param(_row(turn="first"), "first", id="turn-no-number"),
        pytest.param(_row(sample=None), "NoneType", id="sample-null"),
    ],
)
def test_a_bad_recorded_row_is_named_by_file_and_line(tmp_path: Path, line: str, what: str) -> None:
    path = tmp_path / "recorded.jsonl"
    path.write_text(_row() + "\n" + line, encoding="utf-8")
    with pytest.raises(FileError, match=re.escape(what)) as told:
        open_engine(resolve_model(f"replay:{path}"))
    assert str(told.value).startswith(f"{path}:3: ")
    assert "a row needs case, sample, turn and reply" in str(told.value)


def test_recorded_text_that_is_no_utf8_is_a_file_error(tmp_path: Path) -> None:
    path = tmp_path / "recorded.jsonl"
    path.write_bytes(_row().encode() + b"\xff\xfe\n")
    with pytest.raises(FileError, match=r"recorded\.jsonl"):
        open_engine(resolve_model(f"replay:{path}"))


@pytest.mark.parametrize("finish", ["done", 3, None])
def test_a_recorded_finish_is_one_of_the_known_ones(tmp_path: Path, finish: object) -> None:
    path = tmp_path / "recorded.jsonl"
    path.write_text(_row(finish=finish), encoding="utf-8")
    with pytest.raises(FileError, match=r"recorded\.jsonl:1: .*finish"):
        open_engine(resolve_model(f"replay:{path}"))


def test_recorded_replies_come_back_by_case_sample_and_turn(tmp_path: Path) -> None:
    path = tmp_path / "recorded.jsonl"
    rows = [
        _row(sample=sample, turn=turn, reply=f"{sample}{turn}")
        for sample in (0, 1)
        for turn in (0, 1)
    ]
    path.write_text("".join(rows), encoding="utf-8")
    engine = open_engine(resolve_model(f"replay:{path}"))
    group = [
        Dialogue(
            id="goals/x#1[balanced]" + ("@1" if sample else ""),
            sample=sample,
            system="",
            users=("a", "b"),
            max_tokens=9,
        )
        for sample in (0, 1)
    ]
    texts = [a.reply.text for a in engine.generate(group, Sampling(), lambda _: None)]
    assert texts == ["00", "01", "10", "11"]


def test_a_reply_that_was_not_recorded_is_engine_trouble(models: Path) -> None:
    engine = open_engine(resolve_model(f"replay:{models / 'recorded.jsonl'}"))
    asked = Dialogue(id="goals/y#1[balanced]", sample=0, system="", users=("a",), max_tokens=9)
    with pytest.raises(EngineError, match=r"no recorded reply for case='goals/y#1\[balanced\]'"):
        list(engine.generate([asked], Sampling(), lambda _: None))


# Engine processes


def test_opening_a_model_tells_what_it_is(models: Path) -> None:
    opened = Opened(resolve_model(str(models / "josi-small.gguf")))
    opened.process.close()
    assert (opened.info.architecture, opened.info.context_tokens) == ("llama", 2048)


def test_an_error_of_opening_keeps_its_class_and_words(tmp_path: Path) -> None:
    path = write_random(tmp_path / "odd.gguf", Shape(template=None))
    with pytest.raises(ModelError, match="no chat template"):
        Opened(resolve_model(str(path)))


def test_a_bad_recording_is_a_usage_error_across_the_process_boundary(tmp_path: Path) -> None:
    path = tmp_path / "recorded.jsonl"
    path.write_text("nothing\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"recorded\.jsonl:1: "):
        Opened(resolve_model(f"replay:{path}"))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        pytest.param("ModelError", ModelError, id="model"),
        pytest.param("EngineError", EngineError, id="engine"),
        pytest.param("StoreError", StoreError, id="store"),
        pytest.param("FileError", UsageError, id="file"),
        pytest.param("RuntimeError", EngineError, id="foreign"),
        pytest.param("annotations", EngineError, id="no-class"),
    ],
)
def test_a_workers_error_becomes_our_own(kind: str, expected: type[HarnessError]) -> None:
    error = raise_again({"kind": kind, "message": "what went wrong"})
    assert type(error) is expected
    assert "what went wrong" in str(error)


class _Heard(list[dict[str, Any] | None]):
    """Events of an engine process."""

    def __call__(self, _: EngineProcess, event: dict[str, Any] | None) -> None:
        self.append(event)

    def until(self, done: Callable[[dict[str, Any] | None], bool]) -> None:
        limit = time.monotonic() + 10
        while not any(done(event) for event in list(self)):
            assert time.monotonic() < limit, f"only heard {self}"
            time.sleep(0.01)

    def kinds(self) -> list[str]:
        return ["ended" if event is None else event["event"] for event in self]


def _group(users: int = 1, *, limit: int = 8) -> Group:
    dialogue = Dialogue(id="d", sample=0, system="s", users=("u",) * users, max_tokens=limit)
    return Group(index=0, plan="p", dialogues=(dialogue,))


@pytest.fixture
def heard() -> _Heard:
    return _Heard()


@pytest.fixture
def process(models: Path, heard: _Heard) -> Iterator[EngineProcess]:
    made = EngineProcess(resolve_model(str(models / "josi-small.gguf")), heard)
    yield made
    made.close()


def test_a_group_is_answered_in_the_protocols_order(process: EngineProcess, heard: _Heard) -> None:
    process.start(_group(2), Sampling())
    heard.until(lambda event: event is not None and event["event"] == "done")
    kinds = [kind for kind in heard.kinds() if kind != "tick"]
    assert kinds == ["opened", "loaded", "answer", "answer", "done"]


def test_a_second_group_loads_nothing_again(process: EngineProcess, heard: _Heard) -> None:
    for _ in range(2):
        process.start(_group(), Sampling())
    heard.until(lambda _: heard.kinds().count("done") == 2)
    assert heard.kinds().count("loaded") == 1


def test_a_killed_process_is_heard_of(process: EngineProcess, heard: _Heard) -> None:
    heard.until(lambda event: event is not None and event["event"] == "opened")
    (child,) = psutil.Process().children()
    child.kill()
    heard.until(lambda event: event is None)
    assert "exit status -9" in process.last_words()


def test_closing_leaves_no_process_behind(models: Path) -> None:
    Opened(resolve_model(str(models / "josi-small.gguf"))).process.close()
    assert psutil.Process().children() == []


PARENT = """
import json, sys, time
from harness.engines.process import EngineProcess
from harness.engines import resolve_model
from harness.generation import Dialogue, Group, Sampling

def hear(process, event):
    print(json.dumps(event), flush=True)

process = EngineProcess(resolve_model(sys.argv[1]), hear)
print(json.dumps({"event": "pid", "pid": process._process.pid}), flush=True)
if sys.argv[2] == "decoding":
    dialogue = Dialogue(id="d", sample=0, system="s", users=("u",) * 8, max_tokens=200)
    sampling = Sampling(loop_stop=False)
    process.start(Group(index=0, plan="p", dialogues=(dialogue,) * 64), sampling)
time.sleep(60)
"""


@pytest.mark.parametrize(("state", "until"), [("idle", "opened"), ("decoding", "tick")])
def test_an_engine_process_ends_within_two_seconds_of_its_parents_death(
    models: Path, state: str, until: str
) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(models / "endless.gguf"), state],
        stdout=subprocess.PIPE,
        cwd=project_root(),
        env=os.environ | {"PYTHONPATH": str(project_root())},
        text=True,
    )
    assert parent.stdout is not None
    with parent, parent.stdout:
        engine = psutil.Process(json.loads(parent.stdout.readline())["pid"])
        assert any(json.loads(line)["event"] == until for line in parent.stdout)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    try:
        engine.wait(2)
    finally:
        if engine.is_running() and engine.status() != psutil.STATUS_ZOMBIE:
            engine.kill()


def test_a_specification_survives_the_way_to_the_process() -> None:
    spec = EngineSpec(kind="gguf", name="n", path="/p/ü.gguf", adapter="/a", threads=2, parallel=3)
    from dataclasses import asdict

    assert EngineSpec(**json.loads(json.dumps(asdict(spec)))) == spec
