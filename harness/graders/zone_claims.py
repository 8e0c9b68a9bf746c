"""Read what a reply claims about the effort zones and judge each claim against the zone table.

Part of the facts grader: takes text and the zone in question, gives `Claim`s. A claim belongs to
the zone that is named before it in the same sentence, else to the zone under discussion.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from harness.graders.text import Span, normalise, sentences
from harness.graders.zone_words import (
    AFTER_DENIAL,
    BASE,
    BOUNDS,
    CLAUSE,
    COMPARISON,
    CONTRAST,
    COPULA,
    DURATION,
    EASY,
    FEELS,
    FULL_REST,
    HEART,
    HR_BAD,
    HR_GOOD,
    HR_WORD,
    JOINED,
    LONGEST,
    MAXIMAL,
    MENTION,
    NAMES,
    NEGATION,
    NOT_EFFORT,
    NOT_SUBJECT,
    NUMBERS,
    OTHER_PERCENT,
    PERCENT,
    RANGE,
    RPE,
    SHORT_REST,
    SPEED,
    TALK,
    TOO_LONG,
    TOP,
    TURN,
    UNITS,
    R,
)
from harness.knowledge import ZONES, ZoneId, knowledge

Zones = tuple[ZoneId, ...]


class Claim(NamedTuple):
    """One checkable statement."""

    kind: str
    span: Span
    """Where it stands in the reply."""
    error: str
    """Why it is false; empty for a true one."""
    guessed: bool = False
    """Whether the zone it speaks of was named by nobody but the session."""


def mentions(text: str) -> list[tuple[int, int, Zones]]:
    """Where zones are named, with zones joined by 'and', 'or', 'to' as one group."""
    flat = normalise(text)
    found: list[tuple[int, int, Zones]] = [
        (match.start(), match.end(), zone)
        for match in MENTION.finditer(flat)
        if (zone := _zone(match["digit"] or match["n"]))
    ]
    found += [(match.start(), match.end(), ("R",)) for match in R.finditer(text)]
    found.sort(key=lambda mention: mention[:2])
    groups: list[tuple[int, int, Zones]] = []
    for start, end, zone in found:
        if groups:
            last_start, last_end, members = groups[-1]
            between = flat[last_end:start]
            if start >= last_end and JOINED.fullmatch(between):
                if RANGE.fullmatch(between):
                    low, high = ZONES.index(members[-1]), ZONES.index(zone[0])
                    zone = ZONES[min(low, high) : max(low, high) + 1]
                groups[-1] = (last_start, end, tuple(dict.fromkeys((*members, *zone))))
                continue
        groups.append((start, end, zone))
    return groups


def _zone(word: str) -> Zones:
    number = int(NUMBERS.get(word, 0)) if not word.isdigit() else int(word)
    return (ZONES[number],) if 1 <= number < len(ZONES) else ()


def zone_claims(reply: str, topic: Zones, numbers_given: frozenset[str]) -> Iterator[Claim]:
    """All claims on zones; `topic` is what the reply speaks of before it names a zone itself.

    `numbers_given` are durations of the session or of the athlete's own words: no claims.
    """
    yield from _scale_claims(reply)
    current, guessed = topic, True
    for sentence in sentences(reply):
        groups = mentions(sentence.text)
        flat = normalise(sentence.text)
        yield from _comparisons(sentence, flat, groups)
        subjects = [g for g in groups if not NOT_SUBJECT.search(flat[: g[0]])]
        if not subjects:
            alias = _alias(flat)
            for claim in _segment(sentence, flat, 0, len(flat), alias or current, numbers_given):
                yield claim._replace(guessed=guessed and not alias)
            continue
        lead = _own_clause(flat, subjects[0][0])
        for claim in _segment(sentence, flat, 0, lead, current, numbers_given):
            yield claim._replace(guessed=guessed)
        for index, (start, _, zones) in enumerate(subjects):
            begin = lead if index == 0 else start
            end = subjects[index + 1][0] if index + 1 < len(subjects) else len(flat)
            yield from _segment(sentence, flat, begin, end, zones, numbers_given)
        current, guessed = subjects[-1][2], False


def _own_clause(flat: str, start: int) -> int:
    """Where the part of a sentence begins that belongs to the first zone it names."""
    cuts = [match.end() for match in TURN.finditer(flat, 0, start)]
    return cuts[-1] if cuts else 0


@cache
def _aliases() -> tuple[tuple[Zones, re.Pattern[str]], ...]:
    table = knowledge().zones
    found: list[tuple[Zones, re.Pattern[str]]] = []
    for zone_id, zone in table.items():
        names = {zone.label.lower(), zone.speakable.en.lower(), zone.speakable.nl.lower()}
        # "tempo" is any pace in Dutch, "recovery" any rest, "aerobic" any easy work.
        names -= {"tempo", "recovery", "herstel", "aerobic"}
        pattern = "|".join(re.escape(name) for name in sorted(names) if len(name) > 4)
        if pattern:
            found.append(((zone_id,), re.compile(rf"(?<!\w)(?:{pattern})(?!\w)")))
    return tuple(found)


def _alias(flat: str) -> Zones:
    return next((zones for zones, pattern in _aliases() if pattern.search(flat)), ())


def _segment(
    sentence: Span, flat: str, begin: int, end: int, zones: Zones, given: frozenset[str]
) -> Iterator[Claim]:
    part = flat[begin:end] if zones else ""
    if not part:
        return
    for kind, low, high, error in (
        *_talk(part, zones),
        *_effort(part, zones),
        *_heart_rate(part, flat, zones),
        *_duration(part, zones, given),
        *_character(part, zones),
    ):
        if error and kind in ("talk_test", "feel") and CONTRAST.search(flat):
            # "If you can chat, you go too easy": says what the zone is not.
            error = ""
        if error and kind == "duration" and TOO_LONG.match(flat[begin + high :]):
            error = ""
        start = sentence.start + begin + low
        stop = sentence.start + begin + high
        yield Claim(kind, Span(start, stop, sentence.text[begin + low : begin + high]), error)


Found = tuple[str, int, int, str]


def negated(part: str, at: int) -> bool:
    """Whether a negation stands before `at` in its clause."""
    clause = part[:at]
    for cut in CLAUSE.finditer(part, 0, at):
        clause = part[cut.end() : at]
    return bool(NEGATION.search(clause))


@cache
def _speech(zone: ZoneId) -> tuple[int, int]:
    """The levels of speech that fit a zone, read from its talk test."""
    text = normalise(knowledge().zones[zone].talk_test.en)
    for low, high, pattern in TALK:
        if pattern.search(text):
            return (0, 2) if high <= 2 else (low, max(high, 6) if low >= 5 else high)
    return (5, 6)


def _talk(part: str, zones: Zones) -> Iterator[Found]:
    taken: list[tuple[int, int]] = []
    for low, high, pattern in TALK:
        for match in pattern.finditer(part):
            if any(start < match.end() and match.start() < end for start, end in taken):
                continue
            taken.append(match.span())
            said = (low, high)
            denied = AFTER_DENIAL.match(part[match.end() :]) is not None
            if low < 5 and (negated(part, match.start()) or denied):
                if high > 2:
                    continue
                said = (3, 6)
            fits = any(_speech(z)[0] <= said[1] and said[0] <= _speech(z)[1] for z in zones)
            error = "" if fits else f"talk test of {_names(zones)}"
            yield "talk_test", match.start(), match.end(), error


def _value(word: str) -> float:
    number = NUMBERS.get(word)
    return float(word.replace(",", ".")) if number is None else float(number)


def _effort(part: str, zones: Zones) -> Iterator[Found]:
    taken: set[int] = set()
    for index, pattern in enumerate(RPE):
        for match in pattern.finditer(part):
            low = _value(match["a"])
            high = _value(match["b"]) if match["b"] else low
            if low > 10 or high > 10 or low > high or match.start("a") in taken:
                continue
            if (index == 2 and match["b"] is None) or negated(part, match.start()):
                continue
            taken.add(match.start("a"))
            ranges = [knowledge().zones[zone].rpe for zone in zones]
            lowest, highest = min(r[0] for r in ranges), max(r[1] for r in ranges)
            fits = lowest - 0.5 <= low and high <= highest + 0.5
            yield "effort", match.start(), match.end(), "" if fits else f"effort of {_names(zones)}"


def _heart_rate(part: str, flat: str, zones: Zones) -> Iterator[Found]:
    tables = [knowledge().zones[zone].heart_rate_percent for zone in zones]
    invisible = all(table is None for table in tables)
    for match in PERCENT.finditer(part):
        low, high = float(match["a"]), float(match["b"] or match["a"])
        clause = flat if len(flat) < 200 else part
        if not HEART.search(clause) or OTHER_PERCENT.search(part) or negated(part, match.start()):
            continue
        known = [table for table in tables if table is not None]
        fits = any(table[0] - 1.5 <= low and high <= table[1] + 1.5 for table in known)
        error = "" if fits else f"heart rate of {_names(zones)}"
        yield "heart_rate", match.start(), match.end(), error
    heart = HR_WORD.search(part)
    if heart is None:
        return
    bad, good = HR_BAD.search(part), HR_GOOD.search(part)
    if invisible and (bad or good):
        found = bad or good
        assert found is not None
        error = "" if bad else f"heart rate cannot show {_names(zones)}"
        yield "heart_rate_use", found.start(), found.end(), error
    elif bad and not invisible and all(ZONES.index(z) <= ZONES.index("Z4") for z in zones):
        strong = re.search(
            r"reliable|useless|unreliable|no use|betrouwbaar|onbruikbaar", bad.group()
        )
        error = f"heart rate is a fair check in {_names(zones)}" if strong else ""
        yield "heart_rate_use", bad.start(), bad.end(), error


def _duration(part: str, zones: Zones, given: frozenset[str]) -> Iterator[Found]:
    for match in DURATION.finditer(part):
        if match.group() in given or f"{match['a']} {match['unit'][0]}" in given:
            continue
        before = part[: match.start()]
        cuts = [cut.end() for cut in CLAUSE.finditer(before)]
        tail = part[match.end() :]
        cut = CLAUSE.search(tail)
        clause = before[cuts[-1] if cuts else 0 :] + " # " + (tail[: cut.start()] if cut else tail)
        if NOT_EFFORT.search(clause) or negated(part, match.start()):
            continue
        unit = UNITS[match["unit"][0]]
        low = _value(match["a"]) * unit
        high = (_value(match["b"]) if match["b"] else _value(match["a"])) * unit
        if "or two" in match.group() or " of twee" in match.group():
            high = 2 * unit
        if all(ZONES.index(zone) < ZONES.index("Z5") for zone in zones):
            continue
        bounds = [_bounds(zone) for zone in zones]
        fits = any(least <= high and low <= most and high <= most for least, most in bounds)
        yield "duration", match.start(), match.end(), "" if fits else f"duration of {_names(zones)}"


@cache
def _bounds(zone: ZoneId) -> tuple[float, float]:
    """Seconds of one effort, with room for rounding; in Z7 'up to about a minute' counts."""
    low, high = knowledge().zones[zone].effort_seconds
    if zone == "Z4":
        high = max(high, 3600)  # the hardest effort that can be held for about an hour
    return (low * 0.4, max(high, 60) * 1.25 if zone == "Z7" else high * 1.5)


def _character(part: str, zones: Zones) -> Iterator[Found]:
    rank = [ZONES.index(zone) for zone in zones]
    named = MENTION.search(part) or re.search(r"(?<![\w'])r(?!\w)", part)
    offset = named.end() if named is not None else 0
    after = part[offset:]
    for owners, name in NAMES:
        match = re.match(COPULA + rf"(?P<name>{name})(?!\w)", after)
        if match is not None:
            fits = bool(owners & set(zones)) is (match["no"] is None)
            error = "" if fits else f"{match['name']} against {_names(zones)}"
            yield "name", offset + match.start("name"), offset + match.end("name"), error
    for pattern, wrong, kind in (
        (EASY, min(rank) >= 5, "feel"),
        (MAXIMAL, max(rank) <= 3, "feel"),
        (BASE, min(rank) >= 6, "purpose"),
        (SPEED, max(rank) <= 3, "purpose"),
        (SHORT_REST, min(rank) >= 7, "rest"),
        (FULL_REST, False, "rest"),
    ):
        found = pattern.search(part)
        if found is None or (kind == "feel" and not FEELS.search(part[: found.start()])):
            continue
        if negated(part, found.start()):
            continue
        right = (max(rank) <= 2 and pattern is EASY) or (min(rank) >= 6 and pattern is MAXIMAL)
        if wrong or right or kind == "purpose" or (kind == "rest" and min(rank) >= 6):
            error = f"{kind} of {_names(zones)}" if wrong else ""
            yield kind, found.start(), found.end(), error


def _comparisons(
    sentence: Span, flat: str, groups: list[tuple[int, int, Zones]]
) -> Iterator[Claim]:
    for index, (start, end, zones) in enumerate(groups):
        after = flat[end:]
        if len(zones) == 1:
            for pattern, right in ((TOP, "Z8"), (LONGEST, "")):
                match = pattern.match(after)
                if match is None or negated(after, match.end()):
                    continue
                rank = ZONES.index(zones[0])
                wrong = zones[0] != right if right else rank >= 5
                if wrong and (right or rank >= 5):
                    yield _claim(sentence, start, end + match.end(), f"{zones[0]} is not that")
        if index + 1 < len(groups):
            other = groups[index + 1]
            match = COMPARISON.match(flat[end : other[0]])
            if match is None:
                continue
            more = (match["more"] is not None) is (match["neg"] is None)
            first, second = ZONES.index(zones[0]), ZONES.index(other[2][0])
            right_order = (first > second) is more
            error = "" if right_order else f"order of {zones[0]} and {other[2][0]}"
            yield _claim(sentence, start, other[1], error)


def _scale_claims(reply: str) -> Iterator[Claim]:
    flat = normalise(reply)
    for match in BOUNDS.finditer(flat):
        top = match["top"] or match["top_nl"]
        count = match["count"]
        wrong = int(top) < 8 if top else int(_value(count)) not in (8, 9)
        about_others = re.search(
            r"(?<!\w)(?:watch|garmin|polar|horloge|other)", flat[: match.start()]
        )
        if count and about_others:
            continue
        span = Span(match.start(), match.end(), reply[match.start() : match.end()])
        yield Claim("scale", span, "there are nine levels, R and Z1 to Z8" if wrong else "")


def _claim(sentence: Span, start: int, end: int, error: str) -> Claim:
    text = sentence.text[start:end]
    return Claim("order", Span(sentence.start + start, sentence.start + end, text), error)


def _names(zones: Zones) -> str:
    return " and ".join(zones)
