"""The release policy: which behaviours are musts and which are rates.

Reads `evals/gate.yaml`. A `must` failure fails its test; a `rate` is recorded and judged as a
whole.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import model_validator

from harness.conversation import BEHAVIOURS
from harness.strict_yaml import Strict, load_yaml

Kind = Literal["must", "rate"]


class BehaviourPolicy(Strict):
    """How one behaviour is judged."""

    kind: Kind


class Policy(Strict):
    """The whole of `gate.yaml`."""

    behaviours: dict[str, BehaviourPolicy]

    @model_validator(mode="after")
    def _all_behaviours(self) -> Self:
        missing = set(BEHAVIOURS) - set(self.behaviours)
        strange = set(self.behaviours) - set(BEHAVIOURS)
        if missing or strange:
            raise ValueError(
                f"behaviours must be exactly {', '.join(BEHAVIOURS)}; missing: "
                f"{sorted(missing)}, unknown: {sorted(strange)}"
            )
        return self

    def kind(self, behaviour: str) -> Kind:
        """Whether a behaviour is a must or a rate."""
        return self.behaviours[behaviour].kind


def load_policy(path: Path) -> Policy:
    """Read the policy.

    Raises:
        FileError: with file and line of the first problem.
    """
    return load_yaml(path, Policy)
