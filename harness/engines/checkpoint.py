"""Hugging Face folders checked by their file headers, before torch is imported.

Reads safetensors headers only: a truncated file or an adapter of another base is told in
milliseconds instead of after loading.
"""

from __future__ import annotations

import json
from pathlib import Path

from harness.errors import ModelError

_PREFIX = "base_model.model."
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")


def check_checkpoint(folder: Path) -> None:
    """Refuse a folder without complete weights or without a tokenizer.

    Raises:
        ModelError: saying what is missing.
    """
    if not any(path for pattern in _WEIGHTS for path in folder.glob(pattern)):
        raise ModelError(
            f"{str(folder)!r} has a config.json but no weights (*.safetensors); is it only an "
            "adapter, or was the download cut off?"
        )
    if not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer.model")):
        raise ModelError(
            f"{str(folder)!r} holds no tokenizer.json: save the tokenizer beside the model"
        )
    for path in sorted(folder.glob("*.safetensors")):
        read_shapes(path)


def check_adapter(adapter: Path, folder: Path) -> None:
    """Refuse a PEFT adapter whose matrices do not fit the checkpoint's.

    Raises:
        ModelError: naming the first weight that does not fit.
    """
    path = adapter / "adapter_model.safetensors"
    if not path.is_file():
        if any(adapter.glob("adapter_model.bin")):
            return
        raise ModelError(f"--adapter {str(adapter)!r} holds no adapter_model.safetensors")
    base: dict[str, list[int]] = {}
    for weights in folder.glob("*.safetensors"):
        base |= read_shapes(weights)
    pairs: list[tuple[str, int, int]] = []
    for name, shape in read_shapes(path).items():
        module, _, part = name.removeprefix(_PREFIX).partition(".lora_")
        if part in ("A.weight", "B.weight") and len(shape) == 2:
            side = 1 if part == "A.weight" else 0  # A is (rank, in), B is (out, rank)
            pairs.append((f"{module}.weight", side, shape[side]))
    known = [pair for pair in pairs if pair[0] in base]
    for name, side, size in pairs if known else []:
        if name not in base:
            what = "has no such weight"
        elif base[name][side] != size:
            what = f"has it with {base[name][side]} {'inputs' if side else 'outputs'}, not {size}"
        else:
            continue
        raise ModelError(
            f"--adapter {str(adapter)!r} was trained on another base: it changes {name!r}, and "
            f"{str(folder)!r} {what}; give the base named in its adapter_config.json"
        )


def read_shapes(path: Path) -> dict[str, list[int]]:
    """Names and shapes of a safetensors file's tensors, from its header.

    Raises:
        ModelError: if the file is damaged or not complete.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        raw = file.read(length) if length < size else b""
    try:
        header = json.loads(raw)
        header.pop("__metadata__", None)
        shapes = {name: [int(n) for n in entry["shape"]] for name, entry in header.items()}
        end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(f"{str(path)!r} is not a safetensors file; fetch it again") from error
    if 8 + length + end > size:
        raise ModelError(
            f"{str(path)!r} is cut off: {size} bytes of {8 + length + end}; fetch it again"
        )
    return shapes
