"""Read what a reply claims about the athlete's readiness and judge it against the readiness table.

Part of the facts grader: takes the reply and the readiness of the context, gives `Claim`s on which
level the athlete is at and on what a level means.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from harness.graders.text import Span, normalise, sentences
from harness.graders.zone_claims import Claim, negated
from harness.knowledge import ReadinessId, knowledge

_ORDER: tuple[ReadinessId, ...] = ("green", "amber", "red", "blocked")

_OTHER_COLOUR = re.compile(
    r"^[\s-]*(?:flags?|vlag|tea|thee|jersey|jacket|wine|wijn|meat|vlees|cells?|bloedcel|nose|toe"
    r"|card|kaart|cross|kruis|traffic|vegetables?|groente|beans?|juice|trui|urine)(?!\w)"
)
_NOT_A_CLAIM = re.compile(
    r"(?<!\w)(?:treat \w+ as (?:an? )?|ignore (?:the |that |this )?|forget (?:the |that |about )?"
    r"|never mind (?:the |that )?|laat (?:die |dat |het )?|vergeet (?:die |dat )?|"
    r"negeer (?:die |dat )?"
    r"|as if (?:it were|you were|it's) |alsof het )$"
)
_ASIDE = re.compile(
    r"(?<!\w)(?:than (?:an? |on (?:an? )?)?|dan (?:een |op (?:een )?)?|unlike |not |geen |niet )$"
)
_STATE = re.compile(
    r"(?<!\w)(?:you're|you are|you're (?:still|now|at|on|in|showing|in the)|you are (?:still|on|"
    r"at|in|in the)"
    r"|readiness (?:is|shows|reads|says|level is|:)|being|je bent|je staat (?:vandaag |nu |nog )?op"
    r"|je zit (?:vandaag |nu )?(?:op|in)|je gereedheid is|because you're|today is|vandaag is)"
    r"\s(?:currently |still |back |now |on |in |at |showing |in the |nog |weer |nu |vandaag |op )?$"
)
_FRESH = re.compile(
    r"(?<!\w)(?:(?:fully|completely|totally|well|nicely|properly|wholly) ?-?(?:rested|recovered|"
    r"charged|recharged|fresh|loaded)"
    r"|rested|fresh|sharp|(?:top|perfect|great|excellent|prime) (?:shape|form|condition)|"
    r"peaking|flying|peak (?:shape|form)|best (?:shape|form|of)|"
    r"full tank|recovered|ready (?:to|for)"
    r"|good to go|all clear|free rein|in great shape|fit|raring|bouncing"
    r"|(?:helemaal|volledig|goed|prima|lekker) (?:hersteld|uitgerust)|hersteld|uitgerust|fris|"
    r"topvorm|topfit|klaar (?:voor|om)|volle tank)(?!\w)"
)
_TIRED = re.compile(
    r"(?<!\w)(?:fatigued?|tired|tiredness|incomplete|carrying|weary|worn|caution|cautious|"
    r"careful|fatigue-\w+"
    r"|vermoeid|vermoeidheid|moe|moeheid|voorzichtig\w*|belast|behind on recovery|residual|"
    r"building up|piled up"
    r"|under-recovered|not (?:quite |yet |fully |all )|hasn't|isn't|haven't|aren't|"
    r"niet (?:helemaal |volledig |goed )?|nog niet|onvoldoende)(?!\w)"
)
_SEVERE = re.compile(
    r"(?<!\w)(?:ban|banned|forbidden|prohibited|no training|not allowed to train|must not train|"
    r"may not train|exhausted|exhaustion|overtrained"
    r"|stop sign|complete rest|total rest|emergency|alarm|dangerous|injured|ill|sick"
    r"|verboden|verbod|uitgeput|overtraind|mag niet trainen|niet (?:mag|mogen|kunt|kan) trainen|"
    r"niet trainen|stopbord|noodgeval|"
    r"gevaarlijk|geblesseerd|ziek)(?!\w)"
)
_REST = re.compile(
    r"(?<!\w)(?:rest|recover|recovery|recovering|back off|ease off|take it easy|easy only|rust|"
    r"herstel|herstellen|rustig)(?!\w)"
)
_OVERCLAIM = re.compile(
    r"(?<!\w)(?:(?:zero|no trace of|free of (?:all|any)) fatigue|fatigue (?:is|equals) (?:zero|"
    r"none)"
    r"|guarantees?|impossible|nul vermoeidheid|garandeert|garantie|onmogelijk)(?!\w)"
)
_WELL = re.compile(
    r"(?<!\w)(?:(?:you're|you are|body is|je bent|lichaam is) (?:nog )?(?:fully|completely|"
    r"totally|well|nicely|helemaal|volledig|goed) ?-?(?:rested|recovered|charged|hersteld|"
    r"uitgerust)"
    r"|(?:top|perfect|peak) (?:shape|form|condition)|full (?:tank|battery)|topvorm|"
    r"volle tank)(?!\w)"
)
_TURN = re.compile(r",? (?:and|so|but|because|en|dus|maar|want)(?!\w)|;")
_NEEDS_REST = re.compile(
    r"(?<!\w)(?:needs? (?:a |some |to )?(?:rest|recover\w*|break)|rest day|hold back|back off|"
    r"rustdag"
    r"|rust nodig|moet rusten|moet herstellen|gas terug)(?!\w)"
)
_FREE = re.compile(
    r"(?<!\w)(?:go (?:ride |run )?(?:hard|all out)|(?:train|ride|run|push) (?:as )?hard|"
    r"anything goes|no limits?|everything is open|all zones"
    r"|hard (?:work|training) is fine|harder than planned|volle bak|alles mag|knallen|vol gas|"
    r"geen grenzen|hard trainen mag)(?!\w)"
)
_NOT_RECOVERY = re.compile(
    r"(?<!\w)(?:insufficient data|no data|lack of data|missing (?:data|value|values|"
    r"measurement)|not enough data|too little data|placeholder|glitch|bug in"
    r"|error|(?:watch|phone) battery|battery (?:is|was) (?:low|empty|flat)|sync\w*|weather|"
    r"random(?:ly)?|penalt\w+|punish\w+|points|streak|lucky|"
    r"mileage goal|subscription"
    r"|te weinig (?:data|gegevens)|geen (?:data|gegevens)|storing|foutmelding|batterij|het weer|"
    r"willekeurig|straf|punten|abonnement)(?!\w)"
)
_DEFINES = re.compile(
    r"(?<!\w)(?:means?|is|are|says|shows|reported|appears?|stands for|denotes|signals|indicates|"
    r"tells|because|when|betekent|is|zegt|geeft|toont|staat voor"
    r"|verschijnt|komt door|omdat|als|wanneer)(?!\w)|'s(?!\w)"
)
_COUNTED = re.compile(
    r"(?<!\w)(?:two|three|four|five|\d|twee|drie|vier|vijf)(?: \w+)? (?:greens?|ambers?|reds?|"
    r"groenen?|roden?)"
    r"(?: days?| dagen)?(?: in a row| op rij)? (?:makes?|means?|equals?|becomes?|turns?|gives?|"
    r"is een|maken|geven|betekenen|wordt|worden)(?!\w)"
)
_WORSE = re.compile(
    r"^[^.;,]{0,30}?(?<!\w)(?P<worse>worse|stricter|more serious|erger|slechter|"
    r"strenger)(?!\w)[^.;,]{0,15} (?:than|dan) $"
)
_BETTER = re.compile(
    r"^[^.;,]{0,30}?(?<!\w)(?P<better>better|milder|fresher|safer|beter|frisser|"
    r"lichter)(?!\w)[^.;,]{0,15} (?:than|dan) $"
)
_BEST = re.compile(
    r"(?<!\w)(?:the )?(?:best|highest|beste|hoogste) (?:of|level|state|score|colour|van|stand|"
    r"kleur)(?!\w)"
)
_TOPIC = re.compile(
    r"(?<!\w)(?:readiness|status|ready|recover\w*|fresh|green|amber|red|yellow|orange|"
    r"colour|color|gereedheid|hersteld?|fris|groen|rood|geel|oranje"
    r"|kleur|how am i|hoe sta ik)(?!\w)"
)
_BODY = re.compile(
    r"(?<!\w)(?:fatigue|tiredness|vermoeidheid|not (?:yet )?recovered|not (?:all )?gone|"
    r"hasn't (?:fully )?recovered|niet hersteld|nog niet hersteld"
    r"|(?:fully|well) (?:recovered|rested)|top shape|full (?:tank|battery)|"
    r"body (?:\w+ ){0,4}(?:is|needs|"
    r"has|wants|asks)|lichaam (?:\w+ ){0,3}(?:is|heeft|vraagt|nodig))(?!\w)"
)


class _Colour(NamedTuple):
    start: int
    end: int
    level: ReadinessId
    legacy: bool
    """An outdated word is a matter of terms; here it stands for the level of the context."""


def readiness_claims(reply: str, user: str, given: ReadinessId | None) -> Iterator[Claim]:
    """All claims on readiness; `given` is the level that the context states."""
    flat_reply = normalise(reply)
    for match in _COUNTED.finditer(flat_reply):
        yield _claim(reply, match.start(), match.end(), "levels do not add up by counting days")
    topic = bool(_TOPIC.search(normalise(user))) and not re.search(r"\bz\d|zone", normalise(user))
    current: ReadinessId | None = given if topic else None
    for sentence in sentences(reply):
        flat = normalise(sentence.text)
        colours = [c for c in _colours(flat) if not _NOT_A_CLAIM.search(flat[: c.start])]
        yield from _order(reply, sentence, flat, colours)
        subjects = [c for c in colours if not _ASIDE.search(flat[: c.start])]
        asks = flat.rstrip("\"') ").endswith("?")
        if not subjects:
            if current and not asks and (found := _BODY.search(flat) or _polarity(flat, current)):
                error = _meaning_error(flat, current, strict=False)
                start, end = found.span()
                yield _claim(reply, sentence.start + start, sentence.start + end, error)
            continue
        for index, colour in enumerate(subjects):
            begin = 0 if index == 0 else colour.start
            end = subjects[index + 1].start if index + 1 < len(subjects) else len(flat)
            if colour.legacy and given in ("amber", "red"):
                colour = colour._replace(level=given)
            error = _state_error(flat, colour, given) or _meaning_error(
                flat[begin:end], colour.level, strict=True
            )
            if asks and error == "":
                continue
            yield _claim(reply, sentence.start + colour.start, sentence.start + end, error)
        current = subjects[-1].level


@cache
def _words() -> tuple[tuple[ReadinessId, re.Pattern[str]], ...]:
    found: list[tuple[ReadinessId, re.Pattern[str]]] = []
    for level_id, level in knowledge().readiness.items():
        spoken = {level.word.en, level.word.nl, *level.legacy.en, *level.legacy.nl}
        # "blocked" is an everyday word; it counts beside the athlete or the readiness only.
        before = (
            r"(?:readiness (?:is )?|you're |you are |status (?:is )?)"
            if level_id == "blocked"
            else ""
        )
        words = "|".join(
            sorted((re.escape(normalise(word)) for word in spoken), key=len, reverse=True)
        )
        if words:
            found.append((level_id, re.compile(rf"(?<![\w-]){before}(?:{words})s?(?!\w)")))
    return tuple(found)


@cache
def _legacy() -> frozenset[str]:
    levels = knowledge().readiness.values()
    return frozenset(normalise(w) for level in levels for w in (*level.legacy.en, *level.legacy.nl))


def _colours(flat: str) -> list[_Colour]:
    found = [
        _Colour(match.start(), match.end(), level_id, match.group().rstrip("s") in _legacy())
        for level_id, pattern in _words()
        for match in pattern.finditer(flat)
        if not _OTHER_COLOUR.match(flat[match.end() :])
    ]
    return sorted(found)


def _state_error(flat: str, colour: _Colour, given: ReadinessId | None) -> str:
    """Whether the reply puts the athlete at another level than the context does."""
    if given is None or colour.level == given or {colour.level, given} == {"red", "blocked"}:
        return ""
    before = flat[: colour.start]
    if not _STATE.search(before) or re.search(
        r"(?<!\w)(?:if|when|once|until|als|zodra|tot)(?!\w)", before
    ):
        return ""
    return f"the context says {given}"


def _polarity(flat: str, level: ReadinessId) -> re.Match[str] | None:
    """Words on recovery in a sentence that names no level."""
    if level == "red" and (rest := _REST.match(flat)):
        return rest
    return _FRESH.search(flat) or _TIRED.search(flat) if _DEFINES.search(flat) else None


def _affirmed(pattern: re.Pattern[str], part: str) -> bool:
    return any(not negated(part, match.start()) for match in pattern.finditer(part))


def _meaning_error(part: str, level: ReadinessId, *, strict: bool) -> str:
    """Why a statement on `level` is false; with `strict` off only a plain opposite counts."""
    fresh = _affirmed(_FRESH, part)
    tired = bool(_TIRED.search(part)) or (not fresh and bool(_FRESH.search(part)))
    tired = tired or any(negated(part, match.start()) for match in _FRESH.finditer(part))
    if strict and _DEFINES.search(part) and _affirmed(_NOT_RECOVERY, part):
        return "readiness speaks of recovery, nothing else"
    if level == "green":
        if strict and _affirmed(_OVERCLAIM, part):
            return "green means ready for the plan, not free of all fatigue"
        if _affirmed(_SEVERE, part) and not fresh:
            return "green means ready for the plan"
        if strict and _defined(part) and not fresh and _affirmed(_NEEDS_REST, part):
            return "green means ready for the plan"
        deep = re.search(r"(?<!\w)(?:tired|fatigued?|vermoeid|moe)(?!\w)", part)
        kept = deep and not re.search(r"(?:\b(?:not?|without|less|geen|niet|minder)|n't)\b", part)
        if strict and kept and not fresh and _defined(part):
            return "green means ready for the plan"
        return ""
    resting = _affirmed(_REST, part)
    opposite = not tired and not resting and (_linked(part) if strict else _affirmed(_WELL, part))
    opposite = opposite or (strict and not tired and _affirmed(_WELL, part))
    if level == "amber":
        if strict and _affirmed(_SEVERE, part):
            return "amber is a caution, no ban"
        return "amber means some fatigue" if opposite else ""
    if opposite or _affirmed(_FREE, part) or (_affirmed(_BEST, part)):
        return f"{level} means not recovered"
    return ""


def _linked(part: str) -> bool:
    """Whether freshness is said of the colour itself, not of something else in the sentence."""
    colour = _any_colour().search(part)
    if colour is None:
        return False
    said = _TURN.split(part[colour.end() :], maxsplit=1)[0]
    return _affirmed(_FRESH, said)


@cache
def _any_colour() -> re.Pattern[str]:
    return re.compile("|".join(pattern.pattern for _, pattern in _words()))


def _defined(part: str) -> bool:
    return bool(
        re.match(r"[\w-]+(?:'s)? (?:means?|is|says|denotes|stands|betekent|zegt|tells)", part)
    )


def _order(reply: str, sentence: Span, flat: str, colours: list[_Colour]) -> Iterator[Claim]:
    for first, second in pairwise(colours):
        between = flat[first.end : second.start]
        if first.level == second.level:
            if _BETTER.match(between) or _WORSE.match(between):
                start, end = sentence.start + first.start, sentence.start + second.end
                yield _claim(reply, start, end, "both words name one level")
            continue
        worse, better = _WORSE.match(between), _BETTER.match(between)
        if not (worse or better):
            continue
        is_worse = _ORDER.index(first.level) > _ORDER.index(second.level)
        error = (
            "" if is_worse is (worse is not None) else f"order of {first.level} and {second.level}"
        )
        yield _claim(reply, sentence.start + first.start, sentence.start + second.end, error)


def _claim(reply: str, start: int, end: int, error: str) -> Claim:
    return Claim("readiness", Span(start, end, reply[start:end]), error)
