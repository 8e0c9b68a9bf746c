"""Strict YAML: a file people write becomes a pydantic model, or an error with file:line.

Unknown keys, duplicate keys and wrong types are errors that name the line and the closest valid
key. YAML's surprises (`no` becomes False) surface as type errors because models are strict.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from harness.errors import FileError, hint

# libyaml's parser where the wheel has it: the same result, several times faster.
_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Strict(BaseModel):
    """Base of every model that a person writes as YAML."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


ModelT = TypeVar("ModelT", bound=BaseModel)


def load_yaml(path: Path, model: type[ModelT]) -> ModelT:
    """Read one YAML file into `model`.

    Raises:
        FileError: with the line of the first problem.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise FileError(path, None, f"cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise FileError(path, None, f"is not UTF-8 text ({error.reason})") from error
    loader = None
    try:
        loader = _LOADER(text)
        root = loader.get_single_node()
        if not isinstance(root, yaml.MappingNode):
            raise FileError(path, 1, "is empty or not a mapping; see the template beside it")
        _refuse_duplicate_keys(path, root)
        data = loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = None if mark is None else mark.line + 1
        raise FileError(path, line, f"is not valid YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise FileError(path, None, f"is not valid YAML: {error}") from error
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise FileError(path, None, f"holds a value that YAML cannot read: {error}") from error
    finally:
        if loader is not None:
            loader.dispose()
    try:
        return model.model_validate(data)
    except ValidationError as error:
        # A misspelt required key is both unknown and missing: the unknown one is what to correct.
        first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
        raise FileError(path, _line_of(root, first["loc"]), _explain(first, model)) from error


def _refuse_duplicate_keys(path: Path, node: yaml.Node) -> None:
    children: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                line = key.start_mark.line + 1
                raise FileError(path, line, f"key {key.value!r} is given twice; keep one")
            seen.add(key.value)
            children.append(value)
    elif isinstance(node, yaml.SequenceNode):
        children = node.value
    for child in children:
        _refuse_duplicate_keys(path, child)


def _line_of(root: yaml.Node, loc: tuple[int | str, ...]) -> int:
    """Find the 1-based line of a pydantic location; the deepest part that exists in the file."""
    node = root
    line = root.start_mark.line
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            found = [(k, v) for k, v in node.value if k.value == part]
            if not found:  # a missing key, or a union's branch name in the location
                continue
            key, node = found[0]
            line = key.start_mark.line
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
            line = node.start_mark.line
    return line + 1


def _explain(error: ErrorDetails, model: type[BaseModel]) -> str:
    where = ".".join(str(part) for part in error["loc"] if not str(part)[:1].isupper())
    name = str(error["loc"][-1]) if error["loc"] else ""
    if error["type"] == "extra_forbidden":
        known = _known_keys(model, error["loc"][:-1])
        listed = ", ".join(sorted(known))
        return f"unknown key {name!r}.{hint(name, known)} Known keys here: {listed}"
    if error["type"] == "missing":
        return f"key {where!r} is missing; add it"
    value = error.get("input")
    shown = f"{value!r}"[:80]
    quoting = "; put the text in quotes" if isinstance(value, bool | int | float) else ""
    choices = error.get("ctx", {}).get("expected", "")
    close = (
        hint(value, choices.replace("'", "").replace(" or ", ", ").split(", "))
        if (isinstance(value, str) and choices)
        else ""
    )
    message = error["msg"].removeprefix("Value error, ")
    return f"{where}={shown}: {message}.{close}{quoting}"


def _known_keys(model: type[BaseModel], loc: tuple[int | str, ...]) -> set[str]:
    """Names of the fields allowed at `loc` inside `model`."""
    current: type[BaseModel] = model
    for part in loc:
        if isinstance(part, int) or part not in current.model_fields:
            continue
        nested = _nested_model(current.model_fields[part].annotation)
        if nested is not None:
            current = nested
    return set(current.model_fields)


def _nested_model(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _nested_model(inner)
        if found is not None:
            return found
    return None
