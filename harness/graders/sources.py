"""Which amounts a reply may state, and who said them first (the contract's permitted sources).

Built once per exchange from the context, the athlete's own words and the knowledge tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from harness.conversation import Session
from harness.graders.lexicon import activities
from harness.graders.quantities import Quantity, quantities
from harness.grading import Exchange
from harness.knowledge import ZONES, knowledge
from harness.prompt import context_text, session_text

_Key = tuple[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What the context gives and what the athlete said."""

    context: str
    """All the context, as the prompt shows it."""
    session: str
    """The planned session, or empty."""
    athlete: str
    """The athlete's own messages, latest last."""
    given: tuple[Quantity, ...]
    said: tuple[Quantity, ...]
    activities: frozenset[str]
    """Kinds of training that the context names."""
    zones: frozenset[float]
    """Zones that the context names."""

    def gives(self, quantity: Quantity) -> bool:
        """Whether the context holds this amount, or it follows from one by adding up sets."""
        return _holds(self.given, quantity)

    def athlete_said(self, quantity: Quantity) -> bool:
        """Whether the athlete brought this amount up."""
        return _holds(self.said, quantity)

    @property
    def hard(self) -> bool:
        """Whether the context itself plans work above Z3."""
        return any(zone >= 4 for zone in self.zones)


def sources_of(exchange: Exchange) -> Sources:
    """Collect the permitted sources of one exchange."""
    context = context_text(exchange.context, exchange.language, knowledge())
    session = exchange.context.session
    athlete = "\n".join(
        [message.content for message in exchange.history if message.role == "user"]
        + [exchange.user]
    )
    given = quantities(context)
    return Sources(
        context=context,
        session=session_text(session) if session else "",
        athlete=athlete,
        given=given,
        said=quantities(athlete),
        activities=activities(context),
        zones=frozenset(q.low for q in given if q.kind == "zone") | _recovery(session),
    )


def _recovery(session: Session | str | None) -> frozenset[float]:
    text = session_text(session) if session else ""
    return frozenset((0.0,)) if text.split()[:1] == ["R"] else frozenset()


def _holds(known: tuple[Quantity, ...], quantity: Quantity) -> bool:
    if quantity.kind == "sets":
        return any(_same_sets(other, quantity) for other in known)
    keys = _keys(known)
    wanted = {(quantity.kind, quantity.low), (quantity.kind, quantity.high)}
    return wanted <= keys or _spans(known, quantity)


def _same_sets(other: Quantity, quantity: Quantity) -> bool:
    if other.kind != "sets" or other.low != quantity.low:
        return False
    # "5x3" and "5x3 min" are one structure; a bare inner value carries no unit.
    inner = {other.high, other.high * 60, other.high / 60, other.high * 1000, other.high / 1000}
    return quantity.high in inner


@lru_cache(maxsize=1024)
def _keys(known: tuple[Quantity, ...]) -> frozenset[_Key]:
    keys: set[_Key] = set()
    for quantity in known:
        keys |= {(quantity.kind, quantity.low), (quantity.kind, quantity.high)}
        if quantity.kind == "sets":
            total = quantity.low * quantity.high
            for scale, kind in ((1.0, "time"), (60.0, "time"), (1.0, "distance")):
                keys |= {(kind, quantity.high * scale), (kind, total * scale)}
            keys |= {("reps", quantity.low), ("reps", quantity.high)}
        if quantity.kind == "clock":
            keys |= {("pace", quantity.low), ("time", quantity.low), ("time", quantity.low * 60)}
        if quantity.kind == "bare":
            keys |= {
                (kind, quantity.low * scale)
                for kind, scale in (
                    ("time", 60.0),
                    ("distance", 1000.0),
                    ("rate", 1.0),
                    ("power", 1.0),
                    ("reading", 1.0),
                    ("percent", 1.0),
                    ("reps", 1.0),
                )
            }
        if quantity.kind == "reading":
            keys |= {(kind, quantity.low) for kind in ("rate", "power", "percent")}
        if quantity.kind in {"rate", "power", "percent"}:
            keys |= {("reading", quantity.low), ("reading", quantity.high)}
        if quantity.kind == "reps":
            keys |= {("reps", quantity.low)}
    return frozenset(keys)


def _spans(known: tuple[Quantity, ...], quantity: Quantity) -> bool:
    # What is left of a session beside its sets: 50 min with 3 x 8 min leaves 26.
    if quantity.kind != "time" or quantity.low != quantity.high:
        return False
    totals = [q.low for q in known if q.kind == "time"]
    blocks = [q.low * q.high for q in known if q.kind == "sets"]
    return any(total - block == quantity.low for total in totals for block in blocks)


@lru_cache(maxsize=1)
def zone_percents() -> frozenset[float]:
    """Per cents of maximal heart rate that the zone table holds."""
    ranges = (knowledge().zones[zone].heart_rate_percent for zone in ZONES)
    return frozenset(value for band in ranges if band for value in band)
