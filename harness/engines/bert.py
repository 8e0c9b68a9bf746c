"""An encoder (BERT in a GGUF file) through llama.cpp: word pieces, and a state for each token.

Used by the graders, never by a run's engine processes. One thread; not safe to share.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import llama_cpp
import numpy as np
import numpy.typing as npt

from harness.errors import ModelError

_TOKENS = 512
"""Most tokens of one text."""


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]  # a ctypes function type
def _silent(_: int, __: bytes, ___: object) -> None:
    """Keep llama.cpp's account of loading off the terminal."""


class Bert:
    """One encoder.

    Args:
        path: a GGUF file.
        vocab_only: do not read the weights; only `pieces` works then.

    Raises:
        ModelError: if the file cannot be loaded.
    """

    def __init__(self, path: Path, *, vocab_only: bool = False) -> None:
        llama_cpp.llama_log_set(_silent, ctypes.c_void_p(0))
        params = llama_cpp.llama_model_default_params()
        params.vocab_only = vocab_only
        self._model = llama_cpp.llama_model_load_from_file(str(path).encode(), params)
        if not self._model:
            raise ModelError(
                f"{str(path)!r}, the graders' encoder, cannot be loaded; restore the file from git"
            )
        self._vocab = llama_cpp.llama_model_get_vocab(self._model)
        self.pieces = lru_cache(maxsize=50_000)(self._pieces)
        if vocab_only:
            return
        context = llama_cpp.llama_context_default_params()
        context.n_ctx = context.n_batch = context.n_ubatch = _TOKENS
        context.n_seq_max = context.n_threads = context.n_threads_batch = 1
        context.embeddings = True
        context.pooling_type = llama_cpp.LLAMA_POOLING_TYPE_NONE
        self._context = llama_cpp.llama_init_from_model(self._model, context)
        self._batch = llama_cpp.llama_batch_init(_TOKENS, 0, 1)
        self._width = int(llama_cpp.llama_model_n_embd(self._model))

    def _pieces(self, word: str) -> tuple[int, ...]:
        """Token ids of one word, without special tokens."""
        raw = word.encode(errors="replace")
        room = len(raw) + 8
        ids = (llama_cpp.llama_token * room)()
        count = llama_cpp.llama_tokenize(self._vocab, raw, len(raw), ids, room, False, False)  # noqa: FBT003  C
        return tuple(ids[: max(count, 0)])

    def states(self, ids: Sequence[int]) -> npt.NDArray[np.float32]:
        """Run the encoder; token ids (n,), at most 512, to states (n, d)."""
        batch = self._batch
        batch.n_tokens = len(ids)
        for i, token in enumerate(ids):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = token, i, 1, 1
            batch.seq_id[i][0] = 0
        if llama_cpp.llama_encode(self._context, batch) != 0:
            raise ModelError(f"the graders' encoder cannot read {len(ids)} tokens")
        found = llama_cpp.llama_get_embeddings(self._context)
        return np.ctypeslib.as_array(found, shape=(len(ids), self._width)).copy()
