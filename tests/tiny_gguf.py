"""Writes GGUF files of a few hundred kilobytes: random or scripted chat models, LoRA adapters.

GGUF version 3 as ggml's `docs/gguf.md` defines it, written with struct and numpy alone, so that
tests need neither weights nor the `gguf` package. The vocabulary is the 256 bytes and ChatML.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
MALICIOUS = "{{ ''.__class__.__mro__[1].__subclasses__() }}" + CHATML
END = 258
"""Id of <|im_end|>, which ends a reply."""

_ALIGNMENT = 32
_NORMAL, _CONTROL = 1, 3  # llama.h's llama_token_type
_U32, _I32, _F32, _BOOL, _STRING, _ARRAY = 4, 5, 6, 7, 8, 9

Tensors = Mapping[str, npt.NDArray[np.float32]]
Value = str | bool | int | float | Sequence[str] | Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Sizes of a tiny llama."""

    layers: int = 2
    width: int = 64
    heads: int = 4
    hidden: int = 128
    context: int = 2048
    architecture: str = "llama"
    template: str | None = CHATML
    ends: bool = True
    """Whether a reply may end before its limit."""
    more: Mapping[str, Value] = field(default_factory=dict)
    """Further metadata, such as {"llama.pooling_type": 1}."""


def write_random(path: Path, shape: Shape | None = None, *, seed: int = 0) -> Path:
    """Write a model of random weights; its replies depend on the whole prompt and are ASCII."""
    shape = shape or Shape()
    weights = _weights(shape, np.random.default_rng(seed))
    # A logit of 0 is never the largest of a hundred. Printable text survives being tokenized again.
    spoken = [*range(33, 127), *([END] if shape.ends else [])]
    unspoken = sorted(set(range(len(_tokens()))) - set(spoken))
    weights["output.weight"][unspoken] = 0
    return write_gguf(path, _metadata(shape), weights)


def write_scripted(path: Path, follows: Mapping[str, str], *, context: int = 2048) -> Path:
    """Write a model whose next token depends on the last alone.

    Args:
        path: of the file.
        follows: the character that follows each character; '' ends the reply. A reply begins after
            a line break. What is not named is followed by the end.
        context: longest context.
    """
    # One dimension per token: a one-hot embedding picks the column that holds its successor.
    shape = Shape(layers=1, width=320, heads=5, hidden=32, context=context)
    tokens = len(_tokens())
    weights = {name: np.zeros_like(value) for name, value in _weights(shape, None).items()}
    for name in weights:
        if name.endswith("norm.weight"):
            weights[name][:] = 1
    weights["token_embd.weight"][:tokens, :tokens] = np.eye(tokens)
    for token in range(tokens):
        after = follows.get(chr(token), "") if token < 256 else ""
        weights["output.weight"][ord(after) if after else END, token] = 1
    return write_gguf(path, _metadata(shape), weights)


def write_lora(path: Path, *, width: int = 64, layers: int = 2, seed: int = 1) -> Path:
    """Write a LoRA adapter on the query projections of a model of that width."""
    draw, rank = np.random.default_rng(seed), 4
    tensors: dict[str, npt.NDArray[np.float32]] = {}
    for layer in range(layers):
        name = f"blk.{layer}.attn_q.weight"
        tensors[f"{name}.lora_a"] = draw.normal(size=(rank, width)).astype(np.float32)
        tensors[f"{name}.lora_b"] = draw.normal(size=(width, rank)).astype(np.float32)
    metadata: dict[str, Value] = {
        "general.type": "adapter",
        "general.architecture": "llama",
        "adapter.type": "lora",
        "adapter.lora.alpha": float(rank),
    }
    return write_gguf(path, metadata, tensors)


def write_gguf(path: Path, metadata: Mapping[str, Value], tensors: Tensors) -> Path:
    """Write a GGUF file of f32 tensors."""
    head = [b"GGUF", struct.pack("<IQQ", 3, len(tensors), len(metadata))]
    for key, value in metadata.items():
        head += [_string(key), _value(value)]
    data: list[bytes] = []
    offset = 0
    for name, tensor in tensors.items():
        sizes = tensor.shape[::-1]  # ggml names the fastest dimension first
        head += [
            _string(name),
            struct.pack("<I", len(sizes)),
            struct.pack(f"<{len(sizes)}Q", *sizes),
        ]
        head += [struct.pack("<IQ", 0, offset)]  # 0: GGML_TYPE_F32
        data.append(_padded(tensor.astype("<f4").tobytes()))
        offset += len(data[-1])
    path.write_bytes(_padded(b"".join(head)) + b"".join(data))
    return path


def _metadata(shape: Shape) -> dict[str, Value]:
    name, tokens = shape.architecture, _tokens()
    found: dict[str, Value] = {
        "general.architecture": name,
        "general.name": "tiny",
        "general.file_type": 0,
        f"{name}.context_length": shape.context,
        f"{name}.embedding_length": shape.width,
        f"{name}.block_count": shape.layers,
        f"{name}.feed_forward_length": shape.hidden,
        f"{name}.attention.head_count": shape.heads,
        f"{name}.attention.head_count_kv": shape.heads,
        f"{name}.attention.layer_norm_rms_epsilon": 1e-5,
        f"{name}.attention.layer_norm_epsilon": 1e-5,
        f"{name}.rope.dimension_count": shape.width // shape.heads,
        f"{name}.vocab_size": len(tokens),
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [_NORMAL] * 256 + [_CONTROL] * 3,
        "tokenizer.ggml.merges": ["ÿ ÿ"],  # llama.cpp wants one; no UTF-8 text holds this pair
        "tokenizer.ggml.bos_token_id": 257,
        "tokenizer.ggml.eos_token_id": END,
        "tokenizer.ggml.add_bos_token": False,
    }
    if shape.template is not None:
        found["tokenizer.chat_template"] = shape.template
    return found | dict(shape.more)


def _weights(shape: Shape, draw: np.random.Generator | None) -> dict[str, npt.NDArray[np.float32]]:
    width, hidden, tokens = shape.width, shape.hidden, len(_tokens())

    def matrix(rows: int, columns: int, scale: float) -> npt.NDArray[np.float32]:
        if draw is None:
            return np.zeros((rows, columns), dtype=np.float32)
        spread = scale / columns**0.5
        return draw.normal(scale=spread, size=(rows, columns)).astype(np.float32)

    ones = np.ones(width, dtype=np.float32)
    weights = {
        "token_embd.weight": matrix(tokens, width, width**0.5),
        "output_norm.weight": ones.copy(),
        "output.weight": matrix(tokens, width, 2.0),
    }
    # Scales above 1 make attention sharp, so that replies differ from prompt to prompt.
    for layer in range(shape.layers):
        blk = f"blk.{layer}"
        weights |= {
            f"{blk}.attn_norm.weight": ones.copy(),
            f"{blk}.attn_q.weight": matrix(width, width, 1.5),
            f"{blk}.attn_k.weight": matrix(width, width, 1.5),
            f"{blk}.attn_v.weight": matrix(width, width, 2.0),
            f"{blk}.attn_output.weight": matrix(width, width, 2.0),
            f"{blk}.ffn_norm.weight": ones.copy(),
            f"{blk}.ffn_gate.weight": matrix(hidden, width, 1.5),
            f"{blk}.ffn_up.weight": matrix(hidden, width, 1.5),
            f"{blk}.ffn_down.weight": matrix(width, hidden, 1.5),
        }
    return weights


def _tokens() -> list[str]:
    """The 256 bytes as GPT-2 writes them (id = byte), then the three control tokens."""
    plain = {*range(33, 127), *range(161, 173), *range(174, 256)}
    moved = iter(range(256, 512))
    letters = [chr(byte) if byte in plain else chr(next(moved)) for byte in range(256)]
    return [*letters, "<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def _value(value: Value) -> bytes:
    if isinstance(value, bool):
        return struct.pack("<IB", _BOOL, value)
    if isinstance(value, int):
        return struct.pack("<II", _U32, value)
    if isinstance(value, float):
        return struct.pack("<If", _F32, value)
    if isinstance(value, str):
        return struct.pack("<I", _STRING) + _string(value)
    texts = [_string(item) for item in value if isinstance(item, str)]
    if texts:
        return struct.pack("<IIQ", _ARRAY, _STRING, len(texts)) + b"".join(texts)
    return struct.pack(f"<IIQ{len(value)}i", _ARRAY, _I32, len(value), *value)


def _string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _padded(raw: bytes) -> bytes:
    return raw + bytes(-len(raw) % _ALIGNMENT)
