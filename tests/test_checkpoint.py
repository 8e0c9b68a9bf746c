"""Hugging Face folders are refused by their headers, before anything heavy is imported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.engines.checkpoint import check_adapter, check_checkpoint, read_shapes
from harness.errors import ModelError

BASE = {
    "model.layers.0.self_attn.q_proj.weight": [8, 4],
    "model.layers.1.self_attn.q_proj.weight": [8, 4],
}


def write_tensors(path: Path, shapes: dict[str, list[int]], *, missing_bytes: int = 0) -> None:
    header, at = {}, 0
    for name, shape in shapes.items():
        size = 4 * shape[0] * shape[1]
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    raw = json.dumps(header).encode()
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + bytes(at - missing_bytes))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_text("{}")
    write_tensors(tmp_path / "model.safetensors", BASE)
    return tmp_path


def adapter(folder: Path, layer: int, inputs: int, outputs: int) -> Path:
    path = folder / "adapter"
    path.mkdir()
    shapes = {}
    for number in {0, layer}:
        name = f"base_model.model.model.layers.{number}.self_attn.q_proj"
        shapes |= {f"{name}.lora_A.weight": [2, inputs], f"{name}.lora_B.weight": [outputs, 2]}
    write_tensors(path / "adapter_model.safetensors", shapes)
    return path


def test_a_complete_folder_is_accepted(folder: Path) -> None:
    check_checkpoint(folder)
    assert read_shapes(folder / "model.safetensors") == BASE


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_a_folder_that_lacks_a_part_is_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelError, match=name.partition(".")[2]):
        check_checkpoint(folder)


def test_weights_that_are_cut_off_are_refused(folder: Path) -> None:
    write_tensors(folder / "model.safetensors", BASE, missing_bytes=1)
    with pytest.raises(ModelError, match="cut off"):
        check_checkpoint(folder)


@pytest.mark.parametrize("content", [b"", b"not tensors", b"\x02\0\0\0\0\0\0\0[]"], ids=repr)
def test_a_file_of_something_else_is_refused(folder: Path, content: bytes) -> None:
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match="not a safetensors file"):
        check_checkpoint(folder)


def test_an_adapter_of_this_base_is_accepted(folder: Path) -> None:
    check_adapter(adapter(folder, layer=1, inputs=4, outputs=8), folder)


@pytest.mark.parametrize(
    ("layer", "inputs", "outputs", "why"),
    [(1, 5, 8, "inputs"), (1, 4, 9, "outputs"), (2, 4, 8, "no such weight")],
    ids=["inputs", "outputs", "layers"],
)
def test_an_adapter_of_another_base_is_refused(
    folder: Path, layer: int, inputs: int, outputs: int, why: str
) -> None:
    with pytest.raises(ModelError, match=f"another base.*{why}"):
        check_adapter(adapter(folder, layer, inputs, outputs), folder)
