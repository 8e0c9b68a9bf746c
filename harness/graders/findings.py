"""One breach of the contract as found in a reply, and the reading that all rules share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from harness.graders.clauses import Clause, clauses, without_idioms
from harness.graders.lexicon import any_of, complains
from harness.graders.sources import Sources, sources_of
from harness.graders.text import normalise
from harness.grading import Exchange


class Finding(NamedTuple):
    """What was found at `reply[start:end]`."""

    kind: str
    start: int
    end: int
    why: str
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """An exchange, read once for all rules."""

    exchange: Exchange
    sources: Sources
    clauses: tuple[Clause, ...]
    flat: str
    """The normalised reply."""
    user: str
    """The normalised last message."""
    asks_change: bool
    """The athlete asks for other training than planned, or announces it."""
    asks_training: bool
    """The athlete asks for a change, a workout or an idea for one."""
    complains: bool
    """The athlete reported pain, illness or exhaustion in this conversation."""
    declines: bool
    """The reply says no somewhere."""

    def found(self, kind: str, clause: Clause, why: str, confidence: float = 0.85) -> Finding:
        """Build a finding on a clause."""
        return Finding(kind, clause.start, clause.end, why, confidence)


_ASKS_CHANGE = any_of(
    r"swap\w*", r"change", r"move", r"switch", r"skip\w*", r"shift", r"replace", r"instead",
    r"harder", r"longer", r"shorter", r"shorten", r"lengthen", r"extra", r"add", r"cancel",
    r"make it", r"making it", r"turn (?:it|this|today)", r"cut", r"double",
    r"(?:please|just|you|c'mon|pls|so|then|now|and|ok|okay) give me", r"(?m:^)give me", r"gimme",
    r"i'?ll (?:do|run|ride|go|make|add|just|train|push)", r"i'?m (?:going to|gonna|doing|adding)",
    r"im (?:going to|gonna|doing)", r"i want to (?:do|run|ride|go|train|make|add|race|push)",
    r"can i (?:just |please |still |also )?(?:do|run|ride|go|train|make|add|push|race|take|ignore)",
    r"mag er", r"can i (?:rest|stop|switch|get)", r"i insist", r"i can (?:do|run|go|train)",
    r"may i", r"let me (?:do|run|go|ride|push)", r"adjust\w*",
    r"set (?:it|me|my)", r"delete", r"remove", r"drop", r"schedule", r"verwijder\w*",
    r"haal .{1,20} weg", r"reschedule", r"push (?:it|today)", r"ignore", r"anyway", r"upgrade",
    r"bump",
    r"wissel\w*", r"ruil\w*", r"verplaats\w*", r"schui\w+", r"verzet\w*", r"overslaan",
    r"sla \w+ over",
    r"in plaats van", r"harder", r"langer", r"korter", r"mag ik", r"geef me", r"ik ga", r"ik wil",
    r"ik doe", r"erbij", r"verander\w*", r"maak er", r"aanpassen", r"pas .{1,20} aan",
    r"kan ik (?:niet )?(?:gewoon |vandaag )?\w+ (?:doen|lopen|fietsen)", r"schrap\w*",
    r"compromise",
)  # fmt: skip
_ASKS_TRAINING = any_of(
    r"workout\W*",
    r"what (?:should|shall|can|would|must) (?:i|you|we) (?:\w+ )?(?:do|run|ride|train)\w*",
    r"what now", r"(?:ideas?|tips?|suggestions?|extras?)",
    r"(?:interval|session|workout|training) ideas?",
    r"(?:what|which) (?:\w+ )?(?:are|should|shall|do) (?:we|i|our)\b.*", r"something \w+",
    r"iets \w+", r"wat raad",
    r"advies", r"recommend\w*", r"suggest\w*",
    r"plan (?:my|me|the|for)", r"i (?:\w+ )?(?:want|need)", r"i'd like", r"please",
    r"ik (?:\w+ )?wil", r"alsjeblieft", r"write me", r"build me", r"make me",
    r"what do i do", r"wat (?:zal|moet|kan|zou) (?:ik|jij|je)", r"trainingstip\w*",
    r"stel .{1,20} voor", r"schema", r"training\W*", r"yes or no",
)  # fmt: skip
_DECLINES = any_of(
    r"(?:can't|cannot|won't|can not|will not|not going to|wouldn't|couldn't)", r"unable",
    r"not my call",
    r"not mine", r"isn't (?:mine|my|something)", r"isn't up to me", r"not up to me",
    r"not something",
    r"not what i do", r"no", r"i don't", r"i didn't", r"denied", r"declin\w+", r"refus\w+",
    r"not authori[sz]ed", r"nope", r"negative", r"only the plan",
    r"stays?(?: \w+){0,3} (?:as|where|put)",
    r"nee", r"kan ik niet", r"mag ik niet", r"doe ik (?:\w+ )?niet", r"niet aan mij",
    r"ik kan \w* ?(?:\w+ )?niet",
    r"niet mijn", r"gaat (?:\w+ )?niet", r"ga ik niet", r"ik \w+ (?:\w+ )?(?:niet|geen)",
    r"aan het plan",
    r"not for me to", r"beyond (?:me|my)", r"the plan decides", r"leave that", r"not happening",
    r"not today", r"vandaag niet", r"blijft (?:\w+ ){0,4}(?:staan|zo|zoals)",
    r"(?:plan|session|still) stands",
    r"off the table",
    r"not the one", r"never mine", r"not in my hands", r"doesn't change", r"regelt het plan",
)  # fmt: skip


def read(exchange: Exchange) -> Reading:
    """Read an exchange once."""
    flat = normalise(exchange.reply)
    sources = sources_of(exchange)
    user = normalise(exchange.user)
    athlete = normalise(sources.athlete)
    return Reading(
        exchange=exchange,
        sources=sources,
        clauses=clauses(exchange.reply),
        flat=flat,
        user=user,
        asks_change=bool(_ASKS_CHANGE.search(athlete)),
        asks_training=bool(_ASKS_CHANGE.search(athlete) or _ASKS_TRAINING.search(user)),
        complains=complains(sources.athlete),
        declines=bool(_DECLINES.search(without_idioms(flat))),
    )
