"""The options of `pytest evals`: declared, checked, and read into a `RunConfig`."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UsageError

if TYPE_CHECKING:
    import pytest

    from harness.run import RunConfig


def add_options(parser: pytest.Parser) -> None:
    """Declare the options of `pytest evals`."""
    group = parser.getgroup("josi", "Josi evals")
    group.addoption("--model", metavar="M", help="a .gguf file, a Hugging Face checkpoint folder "
                    "or id, http://host:port/v1#name, replay:FILE.jsonl, or embedded")  # fmt: skip
    group.addoption(
        "--adapter", metavar="PATH", help="PEFT folder or GGUF LoRA on top of the model"
    )
    group.addoption("--chat-template", metavar="FILE", help="Jinja file instead of the model's own "
                    "chat template")  # fmt: skip
    group.addoption("--samples", type=int, default=1, metavar="N", help="replies per case")
    group.addoption("--temperature", type=float, default=0.0, metavar="T", help="0 is greedy")
    group.addoption("--top-p", type=float, default=1.0, metavar="P", help="nucleus sampling")
    group.addoption("--min-p", type=float, default=0.0, metavar="P", help="min-p sampling")
    group.addoption("--seed", type=int, default=0, metavar="N", help="seed of sampled replies")
    group.addoption(
        "--max-tokens", type=int, metavar="N", help="limit of a reply, in all languages"
    )
    group.addoption(
        "--persona", action="append", default=[], metavar="NAME", help="only this persona"
    )
    group.addoption(
        "--language", action="append", default=[], metavar="CODE", help="only this language"
    )
    group.addoption("--reports", type=Path, metavar="DIR", help="where run folders go (reports/)")
    group.addoption("--no-store", action="store_true", help="use no older reply")
    group.addoption("--exact", action="store_true", help="decode one conversation at a time")
    group.addoption("--no-loop-stop", action="store_true", help="let looping replies run on")
    group.addoption("--confirm", type=int, default=20, metavar="N", help="failing must cases to "
                    "decode again alone (20)")  # fmt: skip
    group.addoption("--processes", type=int, metavar="N", help="engine processes (one per core)")
    group.addoption(
        "--threads", type=int, default=1, metavar="N", help="threads per engine process"
    )
    group.addoption("--parallel", type=int, default=16, metavar="N", help="conversations decoded "
                    "together by one process, or asked of a server at a time")  # fmt: skip
    group.addoption("--labels", type=Path, metavar="FILE", help="what readers said of replies "
                    "(reviews/labels.jsonl)")  # fmt: skip
    group.addoption("--golden", type=Path, metavar="DIR", help="golden conversations (golden/)")


def read_options(option: Namespace, *, workers: int) -> RunConfig:
    """Check the options and turn them into a run's configuration, once.

    Args:
        option: pytest's parsed options.
        workers: pytest-xdist workers that share the cores.

    Raises:
        UsageError: if a value is out of range.
    """
    from harness.engines import is_url
    from harness.generation import Sampling, project_root
    from harness.review import LABELS
    from harness.run import RunConfig, default_store
    from harness.suite import MAX_TOKENS, Settings

    for name, low, high in (
        ("samples", 1, 1000), ("confirm", 0, 10_000), ("threads", 1, 1024), ("parallel", 1, 128),
        ("temperature", 0, 5), ("top_p", 0.01, 1), ("min_p", 0, 1), ("max_tokens", 1, 4096),
        ("processes", 1, 1024), ("seed", 0, 2**32 - 1),
    ):  # fmt: skip
        value = getattr(option, name)
        if value is not None and not low <= value <= high:
            raise UsageError(f"--{name.replace('_', '-')} {value}: expected {low} to {high}")
    if option.labels is not None and not option.labels.is_file():
        raise UsageError(
            f"--labels {str(option.labels)!r} does not exist; name a file that josi review wrote"
        )
    runners = getattr(option, "numprocesses", None) or 1  # only the controller knows pytest's -n
    if option.exact and is_url(option.model) and runners > 1:
        raise UsageError(
            f"--exact asks a server for one reply at a time, -n {runners} for {runners}: leave "
            "out -n"
        )
    root = project_root()
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    limits = {code: option.max_tokens or limit for code, limit in MAX_TOKENS.items()}
    return RunConfig(
        model=option.model,
        adapter=option.adapter,
        chat_template=option.chat_template,
        golden=option.golden or root / "golden",
        policy=root / "evals" / "gate.yaml",
        reports=option.reports or root / "reports",
        labels=option.labels or root / LABELS,
        store=None if option.no_store else default_store(),
        processes=option.processes or max(1, cores // (workers * option.threads)),
        threads=option.threads,
        parallel=option.parallel,
        confirm=option.confirm,
        settings=Settings(
            sampling=Sampling(
                temperature=option.temperature, top_p=option.top_p, min_p=option.min_p,
                seed=option.seed, loop_stop=not option.no_loop_stop, exact=option.exact,
            ),
            samples=option.samples,
            max_tokens=limits,
            personas=frozenset(option.persona),
            languages=frozenset(option.language),
        ),
    )  # fmt: skip
