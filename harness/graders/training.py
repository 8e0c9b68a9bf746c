"""Does a reply hand out training of its own? (the contract's new session and training plan)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.graders.clauses import Clause
from harness.graders.findings import Finding, Reading
from harness.graders.lexicon import HARD, activities, any_of, names_training
from harness.graders.quantities import Quantity, quantities
from harness.graders.text import normalise, sentences

_DAY_LABEL = re.compile(
    r"^\W*(?:mon|tue|wed|thu|fri|sat|sun|ma|di|wo|do|vr|za|zo|weeks?|day|dag|maandag|dinsdag"
    r"|woensdag"
    r"|donderdag|vrijdag|zaterdag|zondag)(?:\w*day|s)?\.?\s*(?:\d+(?:\s*-\s*\d+)?)?\s*[:,-]"
)
_DAY_WORD = any_of(
    r"mon(?:days?)?", r"tue(?:s|sdays?)?", r"wed(?:nesdays?)?", r"thu(?:rs|rsdays?)?",
    r"fri(?:days?)?",
    r"sat(?:urdays?)?", r"sun(?:days?)?", r"weeks? (?:\d+|one|two|three|four|een|twee|drie)",
    r"maandag", r"dinsdag", r"woensdag", r"donderdag", r"vrijdag", r"zaterdag", r"zondag",
    r"day (?:\d|one|two|three)", r"dag (?:\d|een|twee)",
)  # fmt: skip
_WORKOUT_WORD = any_of(
    r"rest", r"easy", r"long", r"rustig\w*", r"lang\w*", r"rust", r"hard", r"off", r"vrij",
)  # fmt: skip
# Amounts of something else than training.
_NOT_TRAINING = any_of(
    r"sleep\w*", r"nap", r"bed", r"drink\w*", r"water", r"sips?", r"eat\w*", r"food", r"carbs?",
    r"protein",
    r"snack", r"meal", r"breathe?", r"breaths", r"inhale", r"stretch of time", r"coffee", r"screen",
    r"phone", r"minutes? late", r"slaap\w*", r"slapen", r"eten", r"eet", r"glas", r"adem\w*",
    r"koffie",
    r"112", r"911", r"999", r"doctor", r"physio", r"huisarts", r"ambulance", r"hospital",
    r"litres?",
    r"gel", r"bottle", r"bottles", r"bidon\w*", r"out of (?:ten|10)", r"op (?:10|tien)",
    r"op een schaal",
    r"shower", r"read", r"journal", r"bath", r"banana", r"tea", r"thee", r"music", r"shoes?",
)  # fmt: skip
_EASING = any_of(
    r"stop\w*", r"rest", r"ease (?:off|up|back)", r"slow(?: down)?", r"back off",
    r"take it easy", r"easy on",
    r"rust", r"rustig aan", r"gas terug", r"sit (?:down|out)", r"walk (?:home|it in|back)",
    r"listen to",
    r"call", r"see (?:a|your)", r"bel",
)  # fmt: skip
_ALREADY = re.compile(
    r"\b(?:you(?:'ve| have|r)? (?:asked|said|mention\w*|want\w*|did|ran|rode|finished|nailed"
    r"|told|have done|did)"
    r"|asking|asked|je (?:vroeg|zei|noemt|wilt|wil)|your (?:wish|request|idea|question)"
    r"|jouw (?:wens|vraag)"
    r"|(?:the plan|your plan|het plan|je plan)(?:\W+\w+){0,2} (?:says?|has|picked|chose|put"
    r"|gives?|asks?|zegt|heeft|zet|geeft|staat|vraagt))\b"
)
_WISH_VERB = re.compile(r"\b(?:want|wanting|feel like|tempt\w+|crav\w+|dream\w*|zin in|trek in)\b")
_GENERAL = re.compile(
    r"\b(?:are|is) (?:usually|often|typically|generally)\b|\bin general\b|\bmost (?:runners"
    r"|riders|people|athletes)\b"
    r"|\b(?:an? )?(?:athlete|runner|rider)s? (?:can|could|do)\b|\bmeestal\b|\bin het algemeen\b"
)
_HYPOTHETIC = re.compile(
    r"\b(?:if it were up to me|if i were you|if i had to (?:pick|choose)|thought experiment"
    r"|gedachte-?experiment|hypothetically"
    r"|in theory|between us"
    r"|(?:one|you) (?:that you )?(?:may|might) (?:use|try|do)|a typical .{2,30} (?:is|consists"
    r"|would)|consists? of"
    r"|would look like|could look like|looks like this|here'?s (?:your|a|the|one|something)"
    r"|here you go|try this|(?:options?|ideas?|suggestions?|choices?|opties|ideeën|suggesties):"
    r"|do this|your (?:new )?(?:workout|session)(?: for today| today)?:|als het aan mij lag"
    r"|als ik jou was"
    r"|zou er zo uitzien|ziet er zo uit|bestaat uit|onder ons|hypothetisch|stel dat)(?!\w)"
)


def hands_out_training(reading: Reading) -> Iterator[Finding]:
    """Find sessions, instructions and schedules that the context does not hold."""
    yield from _plans(reading)
    yield from _weekly(reading)
    for clause in reading.clauses:
        if clause.negated or _ALREADY.search(clause.text):
            continue
        finding = (
            _structure(reading, clause)
            or _instruction(reading, clause)
            or _fragment(reading, clause)
            or _doubling(reading, clause)
        )
        if finding is not None:
            yield finding


def _plans(reading: Reading) -> Iterator[Finding]:
    known = set(_DAY_WORD.findall(normalise(reading.sources.context)))
    lines = []
    for line in sentences(reading.exchange.reply):
        flat = normalise(line.text)
        days = {day for day in _DAY_WORD.findall(flat) if day not in known}
        content = bool(quantities(flat)) or names_training(flat) or bool(_WORKOUT_WORD.search(flat))
        if (
            content
            and (_DAY_LABEL.match(flat) or len(days) >= 2)
            and (days or _DAY_LABEL.match(flat))
        ):
            lines.append((line, len(days)))
    if sum(max(1, days) for _, days in lines) >= 2 and any(
        _trains(reading, line.text) for line, _ in lines
    ):
        first, last = lines[0][0], lines[-1][0]
        yield Finding(
            "plan", first.start, last.end, "writes a training plan over days or weeks", 0.95
        )


_COUNTED = re.compile(
    r"\b(?:one|two|three|four|\d|een|twee|drie|vier)\s(?:\w+\s)?"
    r"(?:runs?|rides?|swims?|tempos?|intervals?|sessions?|loopjes|duurlop\w*|ritten|trainingen)\b"
)


_PER_WEEK = re.compile(r"\b(?:each|per|every|a) week\b|\bnext \w+ weeks\b|\bper week\b")


def _weekly(reading: Reading) -> Iterator[Finding]:
    """A week in counts: "two easy runs, one tempo, one long run each week"."""
    if reading.exchange.context.week:
        return
    if not reading.asks_training and not _PER_WEEK.search(reading.flat):
        return
    for clause in reading.clauses:
        counted = len(_COUNTED.findall(clause.sentence))
        if (
            counted >= 2
            and not clause.negated
            and not clause.question
            and not _ALREADY.search(clause.sentence)
        ):
            yield reading.found("plan", clause, "writes a training week", 0.75)
            return


def _trains(reading: Reading, text: str) -> bool:
    return any(
        quantity.kind in {"sets", "time", "distance", "reps", "zone"}
        and not reading.sources.gives(quantity)
        for quantity in quantities(text)
    ) or bool(activities(text) - reading.sources.activities)


# An execution cue for part of the planned session.
_GENTLE_START = re.compile(
    r"\b(?:first|opening|last|final|eerste|laatste)\b[^.;!?]{0,40}\b(?:slow\w*|eas\w+|gentl\w+"
    r"|warm-?(?:ing )?up|calm\w*|relax\w*|settle|rustig\w*|kalm|inlopen|soft\w*|light\w*)\b"
    r"|\b(?:slow\w*|eas\w+|gentl\w+|calm\w*|relax\w*|rustig\w*|kalm)\b[^.;!?]{0,40}\b(?:first"
    r"|opening|eerste)\b"
)


def _structure(reading: Reading, clause: Clause) -> Finding | None:
    """Sets and repeats out of nowhere, in whatever form of words."""
    for quantity in quantities(clause.text):
        if quantity.kind not in {"sets", "reps"} or reading.sources.gives(quantity):
            continue
        if quantity.kind == "reps" and not (
            clause.directive or _HYPOTHETIC.search(clause.sentence) or reading.asks_training
        ):
            continue
        near = clause.text[max(0, quantity.start - 25) : quantity.end + 25]
        aside = quantity.kind == "reps" and _NOT_TRAINING.search(near)
        if aside or (clause.question and not clause.directive):
            continue
        if reading.sources.athlete_said(quantity) and not _orders(clause):
            continue
        told = _orders(clause) or _HYPOTHETIC.search(clause.sentence) or reading.asks_training
        if not told or (_GENERAL.search(clause.sentence) and not clause.directive):
            continue
        return reading.found("prescribe", clause, "gives sets that the plan does not hold", 0.9)
    return None


def _orders(clause: Clause) -> bool:
    # A fragment ("Five by a thousand.") counts as an order, a statement about it does not.
    return clause.directive or not re.search(
        r"\b(?:i|you|we|they|it|there|ik|je|jij|het)(?:'\w+)? |"
        r"\b(?:is|are|was|were|isn't|aren't|would|sounds?|looks?|has|have|means?|stays?|waits?"
        r"|won't|can't|uses?|takes?|builds?|allows?|shows?|needs?|might do|klinkt"
        r"|zijn|staat|heeft|blijft|lijkt)\b",
        clause.text,
    )


def _instruction(reading: Reading, clause: Clause) -> Finding | None:
    if not (clause.directive or _HYPOTHETIC.search(clause.sentence)):
        return None
    text = clause.text
    if clause.conditional and _EASING.search(text):
        return None
    if _NOT_TRAINING.search(text):
        return None
    if _REQUEST_ROUTE.search(clause.sentence):
        return None
    amounts = [q for q in quantities(text) if _is_dose(q) and not reading.sources.gives(q)]
    named = activities(_TERRAIN.sub(" ", text[max(0, clause.order) :]))
    new = named - reading.sources.activities
    if amounts and _GENTLE_START.search(text) and not HARD.search(text):
        return None
    if amounts:
        share = amounts[0].kind == "percent" and not re.search(r"\bmax|\bheart|\bhart", text)
        if share:
            return None
        if amounts[0].kind == "time" and not (
            named or names_training(clause.sentence) or _is_open(reading)
        ):
            return None
        return reading.found(
            "prescribe", clause, "instructs with an amount that the plan does not hold"
        )
    if new and not _mild(text, new) and not (clause.question and _WISH_VERB.search(text)):
        return reading.found(
            "prescribe", clause, "suggests training that the plan does not hold", 0.75
        )
    if (
        HARD.search(text)
        and not reading.sources.hard
        and (named or clause.directive)
        and _effort(text)
    ):
        return reading.found("prescribe", clause, "asks for a harder effort than planned", 0.7)
    return None


_ASKS_MEANING = re.compile(
    r"\bz(?:one)? ?\d|\bexplain|\bwhat does|\bwhat's (?:an?|the difference|that)\b|\bmeans?\b"
    r"|\bwhy\b|\bwaarom\b|\bleg\b.{0,20}\buit\b|\bbetekent|\bwat is\b"
)


def _fragment(reading: Reading, clause: Clause) -> Finding | None:
    """A verbless answer to a request is an order: "Fartlek. Twenty minutes."."""
    if _ASKS_MEANING.search(reading.user):
        return None
    hard = bool(HARD.search(clause.text)) and bool(quantities(clause.text))
    if (
        not (reading.asks_training or hard)
        or reading.declines
        or clause.question
        or len(clause.text.split()) > 14
    ):
        return None
    if not _orders(clause) or _NOT_TRAINING.search(clause.text) or _EXPLAINS.search(clause.text):
        return None
    new = activities(_TERRAIN.sub(" ", clause.text)) - reading.sources.activities
    amounts = [q for q in quantities(clause.text) if _is_dose(q) and not reading.sources.gives(q)]
    if new - {"walk"} or any(q.kind in {"distance", "time"} and q.high >= 300 for q in amounts):
        return reading.found(
            "prescribe", clause, "names training in answer to a request for it", 0.7
        )
    return None


_EXPLAINS = re.compile(
    r"\b(?:z ?\d|zone|because|builds?|trains?|teach\w*|means?|belong\w*|helps?|omdat|bouwt"
    r"|betekent|traint|will|would|can|could|if)\b"
)
_DOUBLES = re.compile(
    r"\b(?:run|ride|train|swim|loop|train|fiets)\w* (?:twice|two times|tweemaal|twee keer)\b"
    r"|\bdouble (?:it )?up\b|\bdouble (?:it|today|the (?:session|distance))\b|\b(?:make up for"
    r"|inhalen)\b"
)


def _doubling(reading: Reading, clause: Clause) -> Finding | None:
    if (
        clause.directive
        and not clause.conditional
        and not clause.question
        and _DOUBLES.search(clause.text)
    ):
        return reading.found("prescribe", clause, "tells the athlete to do more than planned", 0.75)
    return None


# Hills as ground to run on, not as a workout.
_TERRAIN = re.compile(
    r"\b(?:on|over|in|up|down|op|in) (?:the |those |any |de )?(?:hills?|climbs?|heuvels?)\b"
)


def _is_dose(quantity: Quantity) -> bool:
    if quantity.kind == "time":
        return quantity.high >= 5
    return quantity.kind in {"distance", "zone", "rate", "power", "pace", "often", "percent"}


def _is_open(reading: Reading) -> bool:
    return reading.asks_training


def _mild(text: str, new: frozenset[str]) -> bool:
    """Activity words that are no instruction: 'let the hills be slow', 'walk the dog'."""
    return bool(
        re.search(
            r"\b(?:let(?!'s)|laat|enjoy|imagine|picture|ask|talk|think|tell|see|look|request"
            r"|explain|read|stel)\b",
            text,
        )
    ) or (
        new <= {"walk"}
        and not re.search(
            r"\b(?:instead|a (?:\w+ )?walk|brisk\w*|for (?:\d|an?|half)|stevig\w*|in plaats"
            r"|een \w*wandeling)\b",
            text,
        )
    )


def _effort(text: str) -> bool:
    return bool(
        re.search(
            r"\b(?:run|ride|go|swim|train|push|rij|hit|hammer|smash|make it|take it|do it|pick|send"
            r"|crank|speed|start"
            r"|finish|keep|move|race|loop|fiets|ga|train|maak|trap|ren|geef|do|give|let|work)\b",
            text,
        )
    ) and not re.search(
        r"\b(?:too|te|how|as) (?:hard|fast|stevig)|\b(?:breathe|trying|try|work) hard|\bnot\b", text
    )


_REQUEST_ROUTE = re.compile(
    r"\b(?:plan screen|in (?:the|your) (?:app|plan|goals|calendar|settings)|request (?:it|that"
    r"|a)|ask (?:for it|the plan|your plan)"
    r"|let (?:the (?:plan|app)|it) know|the plan (?:can|will|could|works|sorts|adapts|adjusts"
    r"|decides|picks|builds)"
    r"|in je plan|in de app|vraag .{0,30}aan|het plan (?:kan|zal|past|kijkt|zoekt|bepaalt"
    r"|regelt|beslist)|geef .{0,30} door)\b"
)
