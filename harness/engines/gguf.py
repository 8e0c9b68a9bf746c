"""GGUF files through llama.cpp: a continuous batcher on llama-cpp-python's low-level API.

Engine of the generation stage: takes groups of dialogues, gives their replies. This module owns the
model, its tokens and its contexts; `batch.py` decodes.
"""

from __future__ import annotations

import ctypes
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import llama_cpp

from harness.conversation import Message
from harness.engines.batch import Batch
from harness.errors import EngineError, ModelError
from harness.generation import (
    Answer,
    Dialogue,
    EngineSpec,
    ModelInfo,
    Sampling,
)
from harness.prompt import ChatTemplate

_PROBE = (
    Message("system", "s"),
    Message("user", "u"),
    Message("assistant", "a"),
    Message("user", "u"),
)
_FILE_TYPES = {
    0: "F32",
    1: "F16",
    2: "Q4_0",
    3: "Q4_1",
    7: "Q8_0",
    8: "Q5_0",
    9: "Q5_1",
    10: "Q2_K",
    11: "Q3_K_S",
    12: "Q3_K_M",
    13: "Q3_K_L",
    14: "Q4_K_S",
    15: "Q4_K_M",
    16: "Q5_K_S",
    17: "Q5_K_M",
    18: "Q6_K",
    32: "BF16",
}  # fmt: skip  names of llama.h's llama_ftype

_complaints: deque[str] = deque(maxlen=20)


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]  # a ctypes function type
def _log(level: int, text: bytes, _: Any) -> None:
    if level in (3, 4):  # warnings and errors of ggml_log_level
        _complaints.append(text.decode(errors="replace").strip())


def _why(pattern: str = "error|fail|unknown|corrupt|invalid|not ") -> str:
    told = [line for line in _complaints if re.search(pattern, line, re.IGNORECASE)]
    return re.sub(r"^\w+: ", "", told[0]) if told else "llama.cpp gave no reason"


class GgufEngine:
    """One GGUF model, optionally with a GGUF LoRA adapter.

    Raises:
        ModelError: if the file, its template or the adapter cannot be used.
    """

    def __init__(self, spec: EngineSpec) -> None:
        self._spec = spec
        self._path = Path(spec.path)
        llama_cpp.llama_log_set(_log, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        self._adapter: Any = None
        self.retries = 0
        self._loaded = False
        self._model = self._open(vocab_only=True)
        self._vocab = llama_cpp.llama_model_get_vocab(self._model)
        self._refuse_embedding_model()
        try:
            self.template = self._chat_template()
            self.template.render(_PROBE)
        except ModelError as error:
            raise ModelError(f"{spec.path!r}: {error}") from error
        kind = self._meta("general.file_type")
        architecture = self._meta("general.architecture")
        self.info = ModelInfo(
            engine="llama.cpp",
            engine_version=f"llama-cpp-python {llama_cpp.__version__}",
            architecture=architecture,
            quantisation=_FILE_TYPES.get(int(kind), f"type {kind}") if kind else "unknown",
            template_sha256=self.template.sha256,
            context_tokens=int(self._meta(f"{architecture}.context_length") or 0),
        )
        if spec.adapter:
            self.load()  # whether an adapter fits shows only beside the weights

    def load(self) -> None:
        """Map the weights and attach the adapter."""
        if self._loaded:
            return
        self.close()
        self._model = self._open(vocab_only=False)
        self._vocab = llama_cpp.llama_model_get_vocab(self._model)
        if self._spec.adapter:
            self._adapter = llama_cpp.llama_adapter_lora_init(
                self._model, self._spec.adapter.encode()
            )
            if not self._adapter:
                raise ModelError(
                    f"adapter {self._spec.adapter!r} does not fit {self._path.name}: {_why()}; "
                    "give the base model it was trained on, and the adapter as GGUF"
                )
        self._loaded = True

    def generate(
        self, dialogues: Sequence[Dialogue], sampling: Sampling, tick: Callable[[int], None]
    ) -> Iterator[Answer]:
        """Answer a group; with `sampling.exact`, one dialogue after the other, each alone."""
        if not sampling.exact:
            yield from Batch(self, dialogues, sampling, tick).run()
            return
        for index, dialogue in enumerate(dialogues):
            for answer in Batch(self, [dialogue], sampling, tick).run():
                yield answer._replace(dialogue=index)

    def tokenize(self, text: str) -> list[int]:
        """Token ids of an already rendered prompt; special tokens in it are parsed."""
        raw = text.encode()
        room = len(raw) + 8
        ids = (llama_cpp.llama_token * room)()
        count = llama_cpp.llama_tokenize(self._vocab, raw, len(raw), ids, room, False, True)  # noqa: FBT003  C
        if count < 0:
            raise EngineError(f"llama.cpp cannot tokenize a prompt of {len(raw)} bytes")
        return list(ids[:count])

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of `messages` in the model's own format, up to where its reply begins."""
        return self.tokenize(self.template.render(messages))

    def text(self, tokens: Sequence[int]) -> str:
        """The text of generated tokens; control tokens are left out."""
        return b"".join(self._piece(token, special=False) for token in tokens).decode(
            errors="replace"
        )

    def new_context(self, cells: int, sequences: int, batch: int, outputs: int = 0) -> Any:
        """Make a context.

        Args:
            cells: tokens that fit each sequence.
            sequences: how many there are, each with a KV stream of its own.
            batch: most tokens in one llama_decode.
            outputs: most logits rows wanted of one llama_decode, if more than sequences.
        """
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = cells * sequences
        params.n_batch = params.n_ubatch = batch
        params.n_seq_max = sequences
        params.n_outputs_max = max(outputs, sequences)
        params.n_threads = params.n_threads_batch = self._spec.threads
        params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED
        # A stream for each: in a unified cache attention runs over every sequence's cells, which at
        # 16 sequences of 250 tokens took a fifth of the time (SmolLM2-135M q4_k_m).
        params.kv_unified = False
        params.no_perf = True
        context = llama_cpp.llama_init_from_model(self._model, params)
        if not context:
            raise EngineError(
                f"llama.cpp cannot make a context of {cells * sequences} tokens for "
                f"{self._path.name}: {_why()}"
            )
        if self._adapter:
            adapters = (llama_cpp.llama_adapter_lora_p_ctypes * 1)(self._adapter)
            llama_cpp.llama_set_adapters_lora(context, adapters, 1, (ctypes.c_float * 1)(1.0))
        return context

    def is_end(self, token: int) -> bool:
        """Whether a token ends the reply; a model may have several such tokens."""
        return bool(llama_cpp.llama_vocab_is_eog(self._vocab, token))

    @property
    def vocabulary(self) -> int:
        """Number of tokens the model knows."""
        return int(llama_cpp.llama_vocab_n_tokens(self._vocab))

    @property
    def parallel(self) -> int:
        """Most sequences decoded together."""
        return self._spec.parallel

    def why(self) -> str:
        """What llama.cpp last complained of."""
        return _why()

    def close(self) -> None:
        """Free the model and its adapter."""
        if self._model:
            llama_cpp.llama_model_free(self._model)
            self._model, self._adapter, self._loaded = None, None, False

    def _open(self, *, vocab_only: bool) -> Any:
        _complaints.clear()
        params = llama_cpp.llama_model_default_params()
        params.vocab_only = vocab_only
        params.n_gpu_layers = 999
        # Weights stay mapped: processes share one copy. Repacking them would copy every one.
        params.use_extra_bufts = False
        model = llama_cpp.llama_model_load_from_file(str(self._path).encode(), params)
        if not model:
            raise ModelError(
                f"{self._spec.path!r} cannot be loaded: {_why()}; check that the file is complete "
                "and that llama.cpp knows its architecture"
            )
        return model

    def _refuse_embedding_model(self) -> None:
        architecture = self._meta("general.architecture")
        pooling = self._meta(f"{architecture}.pooling_type")
        if (
            "bert" in architecture
            or self._meta(f"{architecture}.attention.causal") == "false"
            or (pooling not in ("", "0"))
        ):
            raise ModelError(
                f"{self._spec.path!r} is an embedding model ({architecture}): it cannot chat; give "
                "a GGUF file of a chat model"
            )

    def _chat_template(self) -> ChatTemplate:
        tokens = {
            name: self._piece(find(self._vocab), special=True).decode(errors="replace")
            for name, find in (
                ("bos", llama_cpp.llama_vocab_bos),
                ("eos", llama_cpp.llama_vocab_eos),
            )
        }
        if self._spec.chat_template:
            source = Path(self._spec.chat_template).read_text(encoding="utf-8")
        else:
            raw = llama_cpp.llama_model_chat_template(self._model, None)
            if not raw:
                raise ModelError(
                    "carries no chat template; name a file with the Jinja "
                    "template it was trained with: --chat-template FILE"
                )
            source = raw.decode(errors="replace")
        return ChatTemplate(source, bos=tokens["bos"], eos=tokens["eos"])

    def _piece(self, token: int, *, special: bool) -> bytes:
        if token < 0:
            return b""
        room = ctypes.create_string_buffer(512)
        count = llama_cpp.llama_token_to_piece(self._vocab, token, room, len(room), 0, special)
        return room.raw[: max(count, 0)]

    def _meta(self, key: str) -> str:
        room = ctypes.create_string_buffer(256)
        count = llama_cpp.llama_model_meta_val_str(self._model, key.encode(), room, len(room))
        return room.value.decode(errors="replace") if count >= 0 else ""
