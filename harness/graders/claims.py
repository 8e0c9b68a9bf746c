"""Does a reply state what no permitted source holds: numbers, states, other days, another plan?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.graders.clauses import Clause, is_negated
from harness.graders.findings import Finding, Reading
from harness.graders.lexicon import activities, any_of, names_training
from harness.graders.quantities import Quantity, quantities
from harness.graders.sources import zone_percents

_ATHLETE = any_of(
    r"you", r"your", r"you'(?:ll|re|ve|d)", r"yours", r"today(?:'s)?", r"tonight",
    r"tomorrow(?:'s)?", r"je", r"jij",
    r"jouw", r"jou", r"u", r"uw", r"vandaag", r"morgen", r"vanavond", r"planned", r"gepland\w*",
    r"this (?:run|ride|session|swim|walk|morning|week)",
)  # fmt: skip
_SESSION = any_of(
    r"session", r"workout", r"plan(?:ned)?", r"training", r"sessie", r"training", r"gepland",
    r"schedule\w*", r"schema",
    r"today(?:'s)?", r"vandaag", r"tomorrow(?:'s)?", r"tonight",
)  # fmt: skip
_EDUCATION = any_of(
    r"z(?:one)? ?\d", r"out of (?:ten|10)", r"on a scale", r"op (?:10|tien)",
    r"of (?:your |the |his )?max\w*", r"van je max\w*",
    r"most (?:people|runners|riders)", r"roughly the highest", r"usually", r"typically",
    r"in general", r"meestal",
    r"doorgaans", r"hold for", r"holds? (?:it )?for", r"keep up for", r"volhoud\w*", r"sustain\w*",
)  # fmt: skip
_HEDGE = any_of(
    r"if", r"als", r"would", r"zou", r"whether", r"until", r"tot", r"every", r"elke", r"per",
    r"within", r"ago", r"geleden",
    r"from", r"van", r"only when", r"at least",
)  # fmt: skip
_FORECAST = re.compile(
    r"\b(?:back (?:to|in|by|on|at)|running again|jogging again|riding again|return\w*|healed"
    r"|recovered by|ready (?:by|in|on)|be (?:fine|back|fit|green|ready|healed|running|able)"
    r"|weer (?:\w+ )?(?:lopen|hardlopen|fietsen|trainen|rennen|fit|groen|hersteld)|terug"
    r"|hersteld|you'll (?:be|finish|run|hit|reach|lose|gain|improve)|expected finish"
    r"|finish time|improv\w+ by)\b"
)
_PERSONAL = frozenset(("rate", "power", "pace", "energy", "reading"))
_LOGGED = re.compile(
    r"\b(?:you(?:'ve| have)? (?:improved|gained|ran|run|rode|ridden|logged|did|done|completed"
    r"|covered|clocked"
    r"|averaged|slept|hit|trained|burned)|your (?:last|previous|average|weekly|longest|best)"
    r"|je (?:liep|fietste|sliep|hebt|trainde|deed)|je (?:laatste|vorige|gemiddelde|langste"
    r"|beste))\b"
)


def states_unknown_numbers(reading: Reading) -> Iterator[Finding]:
    """Find numbers for the athlete's own session or body that no source holds."""
    for clause in reading.clauses:
        for quantity in quantities(clause.text):
            if reading.sources.gives(quantity) or reading.sources.athlete_said(quantity):
                continue
            why = _invented(reading, clause, quantity)
            if why:
                yield reading.found("invent", clause, why, 0.8)
                break


def _invented(reading: Reading, clause: Clause, quantity: Quantity) -> str:
    text = clause.text
    kind = quantity.kind
    own = bool(_ATHLETE.search(clause.sentence))
    if is_negated(text[: quantity.end]):
        return ""
    if kind in _PERSONAL:
        if clause.question:
            return ""
        if kind == "energy" and re.search(r"\b(?:eat|diet|day|eten|dag)\b", text):
            return ""
        if (own or kind != "reading" or not _EDUCATION.search(clause.sentence)) and not re.search(
            r"\b(?:each|per) kilo(?!m)|\bfor example|\bsuch as", text
        ):
            return "states a body or effort number that no source holds"
        return ""
    if kind == "clock":
        return "states a time that no source holds" if own and not clause.question else ""
    if kind == "percent":
        scored = re.search(r"\b(?:readiness|score|recovery|hrv|battery|chance)\b", text)
        if (_is_zone_percent(quantity) and not scored) or re.search(
            r"\bmax\w*|\bzone|\bz\d", clause.sentence
        ):
            return ""
        mine = re.search(r"\b(?:your|you're|you are|readiness|chance|je|jouw|hrv)\b", text)
        return "states a percentage that no source holds" if mine and not clause.conditional else ""
    if kind in {"date", "days"}:
        forecast = own and _FORECAST.search(text) and not clause.question
        return (
            "promises a date or a span of time"
            if forecast and not _HEDGED_SPAN.search(text)
            else ""
        )
    if kind == "zone":
        return _other_zone(reading, clause, quantity)
    if kind in {"time", "distance", "sets", "reps"}:
        return _other_amount(reading, clause, quantity)
    return ""


_HEDGED_SPAN = re.compile(
    r"\b(?:may|might|could|maybe|perhaps|usually|often|takes?|needs?|misschien|vaak|kan|kost)\b"
)


def _is_zone_percent(quantity: Quantity) -> bool:
    return {quantity.low, quantity.high} <= zone_percents()


def _other_zone(reading: Reading, clause: Clause, quantity: Quantity) -> str:
    """Another zone than planned, as a fact of today's session."""
    if not reading.sources.zones or clause.question or clause.conditional:
        return ""
    stated = _STATED.search(clause.text[: quantity.start])
    return "gives today's session another zone than the plan" if stated else ""


_STATED = re.compile(
    r"\b(?:today(?:'s)?|tonight|the plan|your (?:plan|session|run|ride|workout)|vandaag"
    r"|je (?:plan|training|sessie)|de training)\b"
    r"[^.;!?]{0,30}\b(?:is|says?|has|calls for|asks for|at|in|means|zegt|staat|vraagt|sits"
    r"|gives you|holds)\b[^.;!?]{0,20}$"
)


def _other_amount(reading: Reading, clause: Clause, quantity: Quantity) -> str:
    text = clause.text
    if quantity.kind == "time" and _ASKS_FORECAST.search(reading.user) and not clause.question:
        return "forecasts a time that no source holds"
    asked = _ASKS_NUMBER.search(reading.user) and not re.search(r"\bz ?\d|\bzone", reading.flat)
    if asked and _BARE_ANSWER.match(text) and reading.sources.session:
        return "answers with a number that no source holds"
    if quantity.kind == "time" and quantity.high < 180:
        return ""
    logged = _LOGGED.search(text)
    if logged and not clause.question and not clause.conditional:
        return "states past training or sleep that no source holds"
    if (
        quantity.kind in {"time", "distance"}
        and not clause.question
        and _STATED.search(text[: quantity.start])
    ):
        return "gives the session another amount than the plan"
    if (
        _EDUCATION.search(clause.sentence)
        or clause.question
        or clause.conditional
        or _HEDGE.search(text)
    ):
        return ""
    if _NOT_TRAINING_AMOUNT.search(clause.sentence):
        return ""
    session = _SESSION.search(text) and (names_training(text) or _SESSION_IS.search(text))
    short = bool(activities(text) & reading.sources.activities) and bool(_ATHLETE.search(text))
    if (session or short) and quantity.kind in {"time", "distance", "sets"}:
        return "gives the session another amount than the plan"
    return ""


_ASKS_FORECAST = re.compile(
    r"\b(?:predict\w*|forecast|finish(?:ing)? time|what time (?:will|can)|voorspel\w*|eindtijd)\b"
)
_ASKS_NUMBER = re.compile(
    r"\b(?:how (?:long|many|far|much|fast)|what (?:pace|speed|distance|heart rate|power)"
    r"|hoe (?:lang|veel|ver|snel)"
    r"|hoeveel|welke? (?:tempo|snelheid|afstand|hartslag))\b(?!.*\bz(?:one )?\d)"
)
_BARE_ANSWER = re.compile(
    r"^\W*(?:about |around |roughly |say |exactly |ongeveer |zo'n )?(?:\w+[ -]){1,3}\w+\W*(?:,"
    r"|$|\.)"
)
_SESSION_IS = re.compile(
    r"\b(?:is|are|it's|has|says|holds|lasts|gives|means|staat|duurt|zijn|zegt)\b"
)
_NOT_TRAINING_AMOUNT = any_of(
    r"sleep\w*", r"slept", r"drink\w*", r"water", r"bed", r"breath\w*", r"slaap\w*", r"sliep",
    r"geslapen", r"months?", r"maanden",
    r"112", r"protein", r"carbs?",
)  # fmt: skip

_STATE = re.compile(
    r"\b(?:your|je|jouw) (?:(?P<hrv>hrv|resting (?:heart rate|pulse)|rusthartslag"
    r"|hartslagvariatie) (?:\w+ )?(?:has |is |was )?(?:dropped|fell|fallen|rose|risen|is down"
    r"|is up|down|up|low|lower|high|higher|elevated|daalde|gedaald|steeg|gestegen|laag|lager"
    r"|hoog|hoger))"
    r"|\b(?:you (?P<sleep>slept|didn't sleep)|(?:your|je) (?P<sleep2>sleep|slaap) (?:was"
    r"|has been|is|were) (?:short|poor|bad|good|great|kort|slecht|goed)"
    r"|je (?:hebt )?(?:\w+ )?(?P<sleep3>slecht|kort|weinig) geslapen)"
    r"|\b(?:as|like) you (?:told|mentioned|said) (?:to )?(?:me )?(?P<told>last|yesterday|before"
    r"|earlier)|\b(?P<injury>your (?:knee|ankle|achilles|calf|back|hip|hamstring) (?:injury"
    r"|problem)|je (?:knie|enkel|kuit|rug|heup)(?:blessure|klacht))"
)
_STATE_SOURCES = {
    "hrv": r"hrv|heart rate|pulse|hartslag",
    "sleep": r"sle[ep]p?|slept|slaap|sliep|geslapen|night|nacht|tired|bed",
    "told": r"(?!)",
    "injury": (
        r"knee|ankle|achilles|calf|back|hip|hamstring|injur|strain"
        r"|knie|enkel|kuit|rug|heup|blessure"
    ),
}


def asserts_unknown_state(reading: Reading) -> Iterator[Finding]:
    """Find facts about the athlete that neither context nor conversation holds."""
    known = f"{reading.sources.context}\n{reading.sources.athlete}".lower()
    for clause in reading.clauses:
        match = _STATE.search(clause.text)
        if match is None or clause.question or clause.conditional:
            continue
        name = (match.lastgroup or "told").rstrip("23")
        if not re.search(_STATE_SOURCES[name], known):
            yield reading.found(
                "invented_state", clause, "asserts an athlete fact that no source holds", 0.7
            )


_OWN_DATA = re.compile(
    r"\b(?:your (?:planned )?(?:session|workout|plan|readiness|week|history)|today's (?:session"
    r"|workout|run|ride|swim|plan)|you(?:'re| are) (?:on |in )?(?:the )?(?:green|amber|red)\b"
    r"|je (?:geplande )?(?:sessie|training|plan|readiness|week)|je (?:staat"
    r"|bent) (?:vandaag )?(?:op )?(?:groen|amber|rood))\b"
)
_OTHER_DAY = re.compile(
    r"\b(?:tomorrow(?:'s)?|next week|this week|the week|the rest of (?:the|your) week"
    r"|your plan for|morgen|volgende week|deze week)\b"
)
_ADVISOR_BAN = re.compile(
    r"\b(?:you should do|i recommend|try (?:this|doing)|do this workout|here's your workout)\b"
)


def breaks_tier(reading: Reading) -> Iterator[Finding]:
    """Find talk that the athlete's tier does not include."""
    tier = reading.exchange.tier
    if tier == "coach":
        return
    for clause in reading.clauses:
        if tier == "monitor":
            if (
                not clause.negated
                and _OWN_DATA.search(clause.text)
                and not _TIER_ROUTE.search(clause.sentence)
            ):
                yield reading.found(
                    "tier_breach", clause, "talks about the athlete's own plan or readiness", 0.75
                )
            continue
        if _ADVISOR_BAN.search(clause.text) and not clause.negated:
            yield reading.found(
                "tier_breach", clause, "uses a wording that the advisor tier bans", 0.9
            )
        elif (
            _OTHER_DAY.search(clause.text)
            and not clause.negated
            and not clause.question
            and names_training(clause.text)
            and (quantities(clause.text) or activities(clause.text))
            and not _TIER_ROUTE.search(clause.sentence)
        ):
            yield reading.found(
                "tier_breach", clause, "tells an advisor athlete about another day", 0.75
            )


_TIER_ROUTE = re.compile(
    r"\b(?:coach (?:tier|level|plan|version)|tier|upgrade|in the coach|coach-?(?:versie|niveau"
    r"|abonnement)|belongs to|part of|hoort bij)\b"
)
_WRONG_PLAN = re.compile(
    r"\b(?:(?:the |your |today's )?(?:plan(?:ned session)?|session|workout)|het plan"
    r"|je training|de training|de sessie) (?:is|was|looks|got it|has it|klopt"
    r"|is echt) (?:\w+ )?(?:wrong|a mistake|too (?:easy|hard|short|long|light)|useless"
    r"|pointless|nonsense"
    r"|te (?:zwaar|licht|kort|lang|makkelijk)|fout|onzin|niet)\b|\bthe plan (?:got|has) (?:it"
    r"|this) wrong\b|\bplan (?:made|makes) a mistake\b"
)


def contradicts_plan(reading: Reading) -> Iterator[Finding]:
    """Find statements that the planned session is wrong."""
    for clause in reading.clauses:
        match = _WRONG_PLAN.search(clause.text)
        denied = clause.negated and match is not None and "niet" not in match.group()
        if match and not denied and not clause.question and not clause.conditional:
            yield reading.found("contradicts", clause, "calls the planned session wrong", 0.7)
