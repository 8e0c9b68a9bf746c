"""Reading amounts of training: minutes, kilometres, repeats, zones, heart rates, dates.

Takes text, gives `Quantity`s in one unit per kind, so that "an hour" equals "60 min". Which of them
a reply may state is decided in `sources.py`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple

from harness.graders.text import normalise

Kind = Literal[
    "time",  # seconds
    "distance",  # metres
    "sets",  # low = how many, high = of how much
    "reps",
    "zone",  # 0 = R, 1 to 8
    "rate",  # beats per minute
    "power",  # watts
    "pace",  # seconds per kilometre or mile
    "clock",  # seconds; a finish time, or a time of day
    "percent",
    "energy",  # kilocalories
    "days",
    "often",  # times a week
    "date",  # day of a month
    "reading",  # the bare value of something measured
    "bare",
]


class Quantity(NamedTuple):
    """An amount and where it stands: `text[start:end]`."""

    kind: Kind
    low: float
    high: float
    start: int
    end: int


class _Token(NamedTuple):
    text: str
    start: int
    end: int


_CROSS = "\u00d7"
_TOKEN = re.compile(r"\d+(?:[.,:]\d+)*|[^\W\d_]+(?:'[^\W\d_]+)?|[%/\u00d7&,.;:!?()-]")


def _listed(names: str) -> tuple[str, ...]:
    return tuple(names.split())


_UNITS_EN = _listed(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    " fifteen sixteen seventeen eighteen nineteen"
)
_TENS_EN = _listed("twenty thirty forty fifty sixty seventy eighty ninety")
_UNITS_NL = _listed(
    "nul een twee drie vier vijf zes zeven acht negen tien elf twaalf dertien veertien"
    " vijftien zestien zeventien achttien negentien"
)
_TENS_NL = _listed("twintig dertig veertig vijftig zestig zeventig tachtig negentig")


# An order to answer in another language must not hide a workout.
_ELSEWHERE = (
    _listed("dos tres cuatro cinco seis siete ocho nueve diez"),
    _listed("zwei drei vier fünf sechs sieben acht neun zehn"),
    _listed("deux trois quatre cinq six sept huit neuf dix"),
)


def _number_words() -> dict[str, float]:
    table: dict[str, float] = {"hundred": 100, "honderd": 100, "anderhalf": 1.5, "anderhalve": 1.5}
    for names in (_UNITS_EN, _UNITS_NL):
        table |= {name: float(value) for value, name in enumerate(names)}
    for names in (_TENS_EN, _TENS_NL):
        table |= {name: 20.0 + 10 * step for step, name in enumerate(names)}
    for step, ten in enumerate(_TENS_NL):
        for unit in range(1, 10):
            for joint in ("en", "ën"):
                table[_UNITS_NL[unit] + joint + ten] = 20.0 + 10 * step + unit
    for names in _ELSEWHERE:
        table |= {name: float(value) for value, name in enumerate(names, 2)}
    table |= {"één": 1, "dozen": 12, "couple": 2, "dozijn": 12}
    return table


_NUMBERS = _number_words()

_TIME = {
    **dict.fromkeys(_listed("s sec secs second seconds seconde seconden secondes tel tellen"), 1.0),
    **dict.fromkeys(_listed("min mins minute minutes minuut minuten minuutjes minuutje m'n"), 60.0),
    **dict.fromkeys(_listed("h hr hrs hour hours uur uren uurtje uurtjes u"), 3600.0),
    **dict.fromkeys(_listed("kwartier kwartiertje"), 900.0),
}
_DISTANCE = {
    **dict.fromkeys(_listed("km kms k kilometre kilometres kilometer kilometers"), 1000.0),
    **dict.fromkeys(_listed("m metre metres meter meters"), 1.0),
    **dict.fromkeys(_listed("mile miles mi mijl"), 1609.0),
}
_DAYS = {
    **dict.fromkeys(_listed("day days dag dagen dagje"), 1.0),
    **dict.fromkeys(_listed("week weeks weken weekje"), 7.0),
    **dict.fromkeys(_listed("month months maand maanden"), 30.0),
}
_PLAIN: dict[str, Kind] = {
    **dict.fromkeys(_listed("bpm beats slagen hartslagen"), "rate"),
    **dict.fromkeys(_listed("w watt watts"), "power"),
    **dict.fromkeys(_listed("kcal calories calorieën kilocalories calorie"), "energy"),
    **dict.fromkeys(_listed("% percent procent pct"), "percent"),
    **dict.fromkeys(_listed("ms milliseconds milliseconden"), "reading"),
}
_REPEATS = frozenset(
    _listed(
        "reps rep repeats repetitions sets set rounds intervals efforts blocks hills "
        "sprints strides laps"
        " bouts accelerations herhalingen series sprintjes intervallen blokken rondes rondjes"
        r" heuvels repeticiones wiederholungen répétitions versnellingen squats lunges "
        r"raises pushups planks"
    )
)
_TIMES = frozenset(("x", _CROSS, "times", "by", "keer", "maal"))
_JOINERS = frozenset(("-", "to", "tot", "à", "or", "of"))
_ORDINAL = frozenset(("st", "nd", "rd", "th", "e", "ste", "de"))
_MONTHS = frozenset(
    _listed(
        "january february march april may june july august september october november december"
        " januari februari maart mei juni juli augustus oktober"
    )
)
_PER_WEEK = re.compile(r"[\s-]*(?:x|times|keer)?[\s-]*(?:a|per|each|every|in de)[\s-]+week\b")
_PER_KM = re.compile(r"\s*(?:min(?:utes|uten)?\s*)?(?:/|per|a|the)\s*(?:km|k\b|kilomet|mi\b|mile)")
_MEASURED = re.compile(
    r"\b(?:heart rate|pulse|hrv|\w*hartslag\w*|hr|rmssd|score|tsb|ctl|atl|tss|ftp|watts?"
    r"|wattage|bpm"
    r"|vermogen|power|rustpols|pols|resting|your max|target|aim (?:for|at)|mik op|max hr"
    r"|je max)\b[^.;!?]{0,40}$"
)


@lru_cache(maxsize=4096)
def quantities(text: str) -> tuple[Quantity, ...]:
    """Read every amount in `text`, in order.

    >>> [(q.kind, q.low, q.high) for q in quantities("An hour in Z2, then 5 x 3 min.")]
    [('time', 3600.0, 3600.0), ('zone', 2.0, 2.0), ('sets', 5.0, 180.0)]
    """
    flat = normalise(text)
    tokens = [_Token(m.group(), m.start(), m.end()) for m in _TOKEN.finditer(flat)]
    found: list[Quantity] = []
    at = 0
    while at < len(tokens):
        quantity, after = _quantity_at(flat, tokens, at)
        if quantity is not None:
            found.append(quantity)
        at = max(after, at + 1)
    return tuple(found)


def _quantity_at(flat: str, tokens: list[_Token], at: int) -> tuple[Quantity | None, int]:
    token = tokens[at]
    zone = _zone_at(tokens, at)
    if zone is not None:
        return zone
    fixed = _fixed_time_at(tokens, at)
    if fixed is not None:
        return fixed
    number = _number_at(tokens, at)
    if number is None:
        return None, at + 1
    low, after = number
    high = low
    if after + 1 < len(tokens) and tokens[after].text in _JOINERS:
        upper = _number_at(tokens, after + 1)
        if upper is not None:
            high, after = upper
    if after < len(tokens) and tokens[after].text in _TIMES:
        inner = _measure_at(flat, tokens, after + 1)
        if inner is not None:
            return Quantity("sets", low, inner[0].low, token.start, inner[0].end), inner[1]
        often = _PER_WEEK.match(flat, tokens[after].start)
        if often:
            return Quantity("often", low, high, token.start, often.end()), after + 1
        return Quantity("reps", low, high, token.start, tokens[after].end), after + 1
    return _with_unit(flat, tokens, at, after, low, high)


def _with_unit(
    flat: str, tokens: list[_Token], at: int, after: int, low: float, high: float
) -> tuple[Quantity | None, int]:
    start, end = tokens[at].start, tokens[after - 1].end
    text = tokens[at].text
    if ":" in text:
        pace = _PER_KM.match(flat, end)
        if pace:
            return Quantity("pace", low, high, start, pace.end()), after
        return Quantity("clock", low, high, start, end), after
    often = _PER_WEEK.match(flat, end)
    if often:
        return Quantity("often", low, high, start, often.end()), after
    step = after + 1 if after < len(tokens) and tokens[after].text == "-" else after
    unit = tokens[step] if step < len(tokens) else None
    if unit is not None:
        name = unit.text
        adjacent = unit.start == end
        if name in _TIME and (name not in {"u", "h", "s"} or adjacent or text[0].isdigit()):
            pace = _PER_KM.match(flat, unit.end)
            if pace:
                return Quantity("pace", low * 60, high * 60, start, pace.end()), step + 1
            return Quantity(
                "time", low * _TIME[name], high * _TIME[name], start, unit.end
            ), step + 1
        for kind, table in (("distance", _DISTANCE), ("days", _DAYS)):
            if name in table:
                scale = table[name]
                return _scaled(kind, low, high, scale, start, unit.end), step + 1
        if name in _PLAIN:
            return Quantity(_PLAIN[name], low, high, start, unit.end), step + 1
        if (name in _ORDINAL and adjacent) or name in _MONTHS:
            return Quantity("date", low, high, start, unit.end), step + 1
        inner = _measure_at(flat, tokens, step) if name in _NUMBERS or name[0].isdigit() else None
        if inner is not None and inner[0].kind in {"time", "distance"}:
            return Quantity("sets", low, inner[0].low, start, inner[0].end), inner[1]
        named = _repeats_at(flat, tokens, step, low, start)
        if named is not None:
            return named
    if text[0].isdigit() and _MEASURED.search(flat, max(0, start - 60), start):
        return Quantity("reading", low, high, start, end), after
    return Quantity("bare", low, high, start, end), after


def _repeats_at(
    flat: str, tokens: list[_Token], step: int, count: float, start: int
) -> tuple[Quantity, int] | None:
    """Repeats a few words on: "eight quick 200s", "four blocks of six minutes"."""
    for at in range(step, min(step + 3, len(tokens))):
        ahead = tokens[at]
        following = tokens[at + 1] if at + 1 < len(tokens) else None
        if (
            ahead.text.isdigit()
            and int(ahead.text) >= 100
            and following is not None
            and following.text == "s"
            and following.start == ahead.end
        ):
            return Quantity("sets", count, float(ahead.text), start, following.end), at + 2
        if ahead.text in _REPEATS:
            if following is not None and following.text in {"of", "van", "de"}:
                inner = _measure_at(flat, tokens, at + 2)
                if inner is not None and inner[0].kind != "bare":
                    return Quantity("sets", count, inner[0].low, start, inner[0].end), inner[1]
            return Quantity("reps", count, count, start, ahead.end), at + 1
    return None


def _scaled(kind: str, low: float, high: float, scale: float, start: int, end: int) -> Quantity:
    named: Kind = "distance" if kind == "distance" else "days"
    return Quantity(named, low * scale, high * scale, start, end)


def _measure_at(flat: str, tokens: list[_Token], at: int) -> tuple[Quantity, int] | None:
    """A single amount at `at`, with or without a unit."""
    fixed = _fixed_time_at(tokens, at)
    if fixed is not None:
        return fixed
    number = _number_at(tokens, at) if at < len(tokens) else None
    if number is None:
        return None
    value, after = number
    end = tokens[after - 1].end
    step = after + 1 if after < len(tokens) and tokens[after].text == "-" else after
    if step < len(tokens):
        name = tokens[step].text
        if name in _TIME:
            return Quantity(
                "time", value * _TIME[name], value, tokens[at].start, tokens[step].end
            ), (step + 1)
        if name in _DISTANCE:
            scale = _DISTANCE[name]
            return Quantity("distance", value * scale, value, tokens[at].start, tokens[step].end), (
                step + 1
            )
    return Quantity("bare", value, value, tokens[at].start, end), after


def _number_at(tokens: list[_Token], at: int) -> tuple[float, int] | None:
    if at >= len(tokens):
        return None
    text = tokens[at].text
    if text[0].isdigit():
        return _digits(text), at + 1
    value = _NUMBERS.get(text)
    if value is None or (text == "een" and not _counts(tokens, at)):
        return None
    after = at + 1
    if value >= 20 and value % 10 == 0 and value < 100:
        step = after + 1 if after < len(tokens) and tokens[after].text == "-" else after
        if step < len(tokens):
            unit = _NUMBERS.get(tokens[step].text)
            if (
                unit is not None
                and 0 < unit < 10
                and tokens[step].start - tokens[after - 1].end <= 1
            ):
                return value + unit, step + 1
    if value < 20 and after < len(tokens) and tokens[after].text in {"hundred", "honderd"}:
        return value * 100, after + 1
    return value, after


def _counts(tokens: list[_Token], at: int) -> bool:
    # Dutch "een" is the article nearly always; it counts before a unit only.
    if at + 1 >= len(tokens):
        return False
    following = tokens[at + 1].text
    return following in _TIME or following in _DISTANCE


def _digits(text: str) -> float:
    if ":" in text:
        value = 0.0
        for part in text.split(":"):
            value = value * 60 + float(part.replace(",", ".").split(".")[0] or 0)
        # m:ss and h:mm look alike; equal texts still read equal.
        return value
    parts = re.split(r"[.,]", text)
    if len(parts) == 2 and len(parts[1]) != 3:
        return float(".".join(parts))
    return float("".join(parts))


def _zone_at(tokens: list[_Token], at: int) -> tuple[Quantity, int] | None:
    token = tokens[at]
    if token.text not in {"z", "zone", "zones"} or at + 1 >= len(tokens):
        return None
    number = _number_at(tokens, at + 1)
    if number is None or not 0 <= number[0] <= 9:
        return None
    value, after = number
    return Quantity("zone", value, value, token.start, tokens[after - 1].end), after


def _fixed_time_at(tokens: list[_Token], at: int) -> tuple[Quantity, int] | None:
    """Amounts without a number: "an hour", "half an hour", "drie kwartier"."""
    texts = [token.text for token in tokens[at : at + 6]]
    for words, seconds in _FIXED_TIMES:
        if texts[: len(words)] == words:
            end = at + len(words)
            return Quantity("time", seconds, seconds, tokens[at].start, tokens[end - 1].end), end
    return None


_FIXED_TIMES: tuple[tuple[list[str], float], ...] = tuple(
    (phrase.split(), float(seconds))
    for phrase, seconds in (
        ("an hour and a half", 5400),
        ("hour and a half", 5400),
        ("three quarters of an hour", 2700),
        ("a quarter of an hour", 900),
        ("quarter of an hour", 900),
        ("half an hour", 1800),
        ("a half hour", 1800),
        ("half - hour", 1800),
        ("half hour", 1800),
        ("anderhalf uur", 5400),
        ("drie kwartier", 2700),
        ("een half uur", 1800),
        ("een halfuur", 1800),
        ("half uur", 1800),
        ("half uurtje", 1800),
        ("halfuur", 1800),
        ("halfuurtje", 1800),
        ("een kwartier", 900),
        ("an hour", 3600),
        ("full hour", 3600),
        ("your hour", 3600),
        ("the hour", 3600),
        ("het uur", 3600),
    )
)
