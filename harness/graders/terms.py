"""`avoids_jargon`: no internal names, no jargon, no outdated readiness colours.

Grading stage: takes an `Exchange`, gives a `Grade` named "terms" with the first offending words as
evidence. The words come from `knowledge/terms.yaml` and `knowledge/readiness.yaml`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from harness.conversation import Context
from harness.graders.text import Span, normalise, sentences
from harness.grading import Exchange, Grade, failed, passed
from harness.knowledge import ReadinessId, knowledge

NAME = "terms"

# A term this long may grow an ending (plural, Dutch compound) without becoming another word;
# shorter ones ("atl", "ctl") hide inside everyday words.
_LONG_TERM = 9
_ENDING = r"(?:\w{1,14})?"
_PLURAL = r"(?:'?s|en)?"

# What may follow a colour that speaks of readiness; a content word that is not listed makes the
# colour describe that thing instead (a jersey, a jacket, a fruit).
_AFTER = re.compile(
    r"(?:means?|stands?|says?|is|isn't|are|was|were|and|or|but|so|because|since|when|while|if"
    r"|today|tonight|tomorrow|yesterday|this|right|now|again|still|yet|just|at|in|on|to|for|with"
    r"|as|after|before|from|not|than|rather|instead|it|you|your|the|i|we|they|that|which|then"
    r"|can|will|would|asks|calls|tells|shows|suggests|signals|indicates|here|there|too|also|only"
    r"|days?|status|state|level|readiness|reading|score|signal|light|zone|phase|range|band|area"
    r"|category|morning|week|side|caution|warning|alert|territory"
    r"|betekent|staat|zegt|wil|is|zijn|was|en|of|maar|dus|omdat|want|als|wanneer|terwijl|vandaag"
    r"|morgen|gisteren|nu|weer|nog|net|op|in|met|voor|na|naar|niet|dan|je|jij|de|het|dat|deze|die"
    r"|vraagt|geeft|laat|hier|ook|alleen|dag|dagen|stand|niveau|fase|gereedheid|paraatheid|score"
    r"|signaal|licht|ochtend|kant|gebied|waarschuwing)(?!\w)"
)
_READINESS = re.compile(
    r"(?<!\w)(?:readiness|recovery (?:state|status|score)|status|state|paraatheid|gereedheid"
    r"|fitheid|herstelstatus|amber|green|red|groen|rood)(?!\w)"
)
# Things whose colour is not readiness, wherever they stand in the sentence.
_OTHER_THINGS = re.compile(
    r"(?<!\w)(?:urine|pee|wee|plas|urinekleur|jerseys?|trui|juice|sap|jus|fruits?|fruit|vest|hesje"
    r"|jackets?|jas|shirts?|bananas?|banaan|leaves|bladeren|peel|schil|skin|huid|kit|helmet|helm"
    r"|sinaasappels?|mandarijn|lemons?|citroen|brick|gels?|bottles?|bidon|card|kaart|traffic"
    r"|verkeerslicht|stoplicht|sun|sunset|zon|zonsondergang|sky|lucht|paint|verf|shoes?|schoenen"
    r"|socks?|sokken|bus|bike|fiets|wegmarkering|line|lijn|mucus|slijm|phlegm|snot|bruise|plek)"
    r"(?!\w)"
)
_AS_FRUIT = re.compile(
    r"(?:\ban|\bhalf an?|\beat(?:ing)?(?: an)?|\bpeel(?:ing)?(?: an)?|\bslice of|\bsegment of) $"
)
# How a sentence hands the athlete's old word over to the new one, or says that it is not in use.
_HANDS_OVER = re.compile(
    r"(?<!\w)(?:is|means?|equals|matches|becomes?|corresponds|counts as|translates|called|call it"
    r"|we call|goes by|known as|we say|we use|i say|i use|i call|reads|shows up|now|these days"
    r"|here|what you (?:call|saw|see)|not|isn't|aren't|no|never|don't|doesn't|instead of|rather"
    r"|old|older|former|previous|used to|app|heet|noemen|noem|betekent|staat voor|geldt als|wordt"
    r"|hier|niet|geen|nooit|in plaats van|oude|vroeger|tegenwoordig|we zeggen|wij zeggen|bij ons"
    r"|wat jij|zeg ik|gebruiken)(?!\w)|[=\"']"
)
_COMPARES = re.compile(
    r"(?<!\w)(?:milder|worse|better|higher|lower|lighter|darker|than|between|step|next comes"
    r"|after that|slightly|erger|beter|hoger|lager|lichter|tussen|stap|daarna|iets minder)(?!\w)"
)
_GAP = re.compile(r"(?<=[a-z])(?=\d)|(?<=\d)(?=[a-z])")


class _Term(NamedTuple):
    id: str
    pattern: re.Pattern[str]
    science_nerd: bool
    athlete_first: bool


def avoids_jargon(exchange: Exchange) -> Grade:
    """Check the reply's words: internal names, jargon, yellow and orange as readiness words."""
    reply = exchange.reply
    flat = normalise(reply)
    for match in _internal_matches(reply, flat):
        return _fail(reply, match.span(), "names internal machinery", "internal", 0.98)
    athlete = _athlete_words(exchange)
    for term in _jargon():
        found = term.pattern.search(flat)
        if found is None:
            continue
        if term.science_nerd and exchange.persona == "science_nerd":
            continue
        if term.athlete_first and term.pattern.search(normalise(athlete)):
            continue
        return _fail(reply, found.span(), f"uses the jargon {term.id!r}", "jargon", 0.97)
    colour = _legacy_colour(reply, athlete, exchange.context)
    if colour is not None:
        return _fail(reply, colour[:2], "uses an outdated readiness colour", "legacy_colour", 0.9)
    return passed(NAME, "no internal name, jargon or outdated colour", confidence=0.97)


def _fail(reply: str, at: tuple[int, int], reason: str, kind: str, confidence: float) -> Grade:
    evidence = reply[at[0] : at[1]]
    return failed(
        NAME, f"{reason}: {evidence!r}", evidence=evidence, kinds=(kind,), confidence=confidence
    )


def _athlete_words(exchange: Exchange) -> str:
    said = [message.content for message in exchange.history if message.role == "user"]
    return "\n".join([*said, exchange.user])


def _pattern_of(spelling: str) -> re.Pattern[str]:
    """Whole-word pattern; spaces and hyphens inside are loose, also between letter and digit."""
    parts: list[str] = []
    for part in re.split(r"[\s-]+", normalise(spelling)):
        parts.extend(_GAP.split(part))
    # A symbol such as VO2 may carry a dot over its first letter.
    dotted = "\u0307?" if len(parts) > 1 and any(part.isdigit() for part in parts) else ""
    joined = r"[\s.-]{0,2}".join(
        dotted.join(re.escape(char) for char in part) for part in parts if part
    )
    long = len("".join(parts)) >= _LONG_TERM and parts[-1].isalpha()
    if joined.endswith("y"):
        joined = joined[:-1] + "(?:y|ies)"
    return re.compile(r"(?<!\w)" + joined + (_ENDING if long else _PLURAL) + r"(?!\w)")


@cache
def _internals() -> tuple[tuple[re.Pattern[str], ...], tuple[re.Pattern[str], ...]]:
    """Patterns over the normalised text, and patterns over the text as written."""
    terms = knowledge().terms
    return (
        tuple(_pattern_of(spelling) for spelling in terms.internal),
        tuple(
            re.compile(r"(?<!\w)" + re.escape(word) + r"(?:'?s)?(?!\w)")
            for word in terms.internal_case_sensitive
        ),
    )


def _internal_matches(reply: str, flat: str) -> Iterator[re.Match[str]]:
    folded, as_written = _internals()
    for pattern in folded:
        yield from pattern.finditer(flat)
    for pattern in as_written:
        yield from pattern.finditer(reply)


@cache
def _jargon() -> tuple[_Term, ...]:
    found: list[_Term] = []
    for term_id, jargon in knowledge().terms.jargon.items():
        spellings = [_pattern_of(spelling).pattern for spelling in jargon.spellings]
        found.append(
            _Term(
                id=term_id,
                pattern=re.compile("|".join(spellings)),
                science_nerd=jargon.science_nerd,
                athlete_first=jargon.athlete_first,
            )
        )
    return tuple(found)


@cache
def _colours() -> dict[str, ReadinessId]:
    """Outdated colour words of both languages and the level that each one names."""
    return {
        normalise(word): level_id
        for level_id, level in knowledge().readiness.items()
        for word in (*level.legacy.en, *level.legacy.nl)
    }


@cache
def _colour_pattern() -> re.Pattern[str]:
    words = sorted(_colours(), key=len, reverse=True)
    return re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, words)) + r")(?!\w)")


@cache
def _current_words(level: ReadinessId) -> re.Pattern[str]:
    word = knowledge().readiness[level].word
    return re.compile(
        rf"(?<!\w)(?:{re.escape(word.en.lower())}|{re.escape(word.nl.lower())})(?!\w)"
    )


def _legacy_colour(reply: str, athlete: str, context: Context) -> Span | None:
    """The first outdated colour that the reply uses as its own readiness word."""
    if not _colours():
        return None
    asked = {match.group() for match in _colour_pattern().finditer(normalise(athlete))}
    asked_levels = {_level(word) for word in asked}
    for sentence in sentences(reply):
        flat = normalise(sentence.text)
        for match in _colour_pattern().finditer(flat):
            word = match.group()
            if not _speaks_of_readiness(flat, match, has_readiness=context.readiness is not None):
                continue
            if _level(word) in asked_levels and _hands_over(flat, word):
                continue
            start = sentence.start + match.start()
            return Span(start, start + len(word), reply[start : start + len(word)])
    return None


def _level(word: str) -> ReadinessId:
    return _colours()[word]


def _speaks_of_readiness(flat: str, match: re.Match[str], *, has_readiness: bool) -> bool:
    before, after = flat[: match.start()], flat[match.end() :]
    if _OTHER_THINGS.search(flat):
        # Both in one sentence: only an explicit readiness word beside the colour decides.
        return bool(re.match(r"[\s-]+(?:readiness|status|state|level|day|dag)\b", after))
    if _AS_FRUIT.search(before):
        return bool(re.match(r"[\s-]+(?:readiness|status|state|level|day|reading)\b", after))
    following = after.lstrip(" \"'")
    if not following or following[0] in ".,;:!?)=/…-\n":
        return True
    if _AFTER.match(following):
        return True
    return has_readiness and bool(_READINESS.search(flat))


def _hands_over(flat: str, word: str) -> bool:
    """Whether the sentence only maps the athlete's old word, or says that it is not in use."""
    if _COMPARES.search(flat):
        return False
    new_word = _current_words(_level(word)).search(flat)
    denied = re.search(
        rf"(?<!\w)(?:no|not|isn't|don't use|never|there's no|geen|niet|nooit)"
        rf" (?:\w+ ){{0,3}}[\"']?{re.escape(word)}(?!\w)",
        flat,
    )
    quoted = re.search(rf"[\"']{re.escape(word)}[\"']", flat)
    return bool(denied or quoted or (new_word and _HANDS_OVER.search(flat)))
