"""`facts_by_rules`: what the reply claims about zones and readiness is true.

Grading stage: takes an `Exchange`, gives a `Grade` named "facts": FAIL on a false claim or a
missing `expect.facts`, UNGRADED ("no_claim") where there is nothing to check, PASS otherwise.
"""

from __future__ import annotations

import re

from harness.conversation import Session
from harness.graders.readiness_claims import readiness_claims
from harness.graders.text import find_phrase, normalise
from harness.graders.zone_claims import Claim, Zones, mentions, zone_claims
from harness.grading import Exchange, Grade, Outcome, failed
from harness.knowledge import knowledge

NAME = "facts"

_GIVEN = re.compile(
    r"(\d{1,3})[\s-]?(s|sec|secs|seconds?|seconden|min|mins|minutes?|minuten|h|hours?|uur)(?!\w)"
)
_NAMED = (
    ("Z3", re.compile(r"(?<!\w)tempo(?!\w)")),
    ("Z4", re.compile(r"(?<!\w)(?:threshold|drempel\w*)(?!\w)")),
)
_NEEDS_A_NAME = ("feel", "purpose", "name", "rest", "duration")
_CONFIDENCE = {
    "effort": 0.93,
    "heart_rate": 0.95,
    "heart_rate_use": 0.9,
    "talk_test": 0.9,
    "duration": 0.88,
    "order": 0.9,
    "scale": 0.88,
    "name": 0.9,
    "feel": 0.8,
    "purpose": 0.8,
    "rest": 0.8,
    "readiness": 0.85,
}


def facts_by_rules(exchange: Exchange) -> Grade:
    """Check every claim on zones and readiness, and that the expected facts are stated."""
    claims = sorted(_claims(exchange), key=lambda claim: claim.span.start)
    false = [claim for claim in claims if claim.error]
    if false:
        kinds = tuple(dict.fromkeys(claim.kind for claim in false))
        first = max(false, key=lambda claim: _CONFIDENCE[claim.kind])
        return failed(
            NAME,
            f"false claim, {first.error}: {first.span.text.strip()!r}",
            evidence=first.span.text.strip(),
            kinds=kinds,
            confidence=_CONFIDENCE[first.kind],
        )
    missing = _missing(exchange)
    if missing:
        facts = knowledge().facts
        wanted = "; ".join(
            f"{fact} ({getattr(facts[fact].text, exchange.language)})" for fact in missing
        )
        return failed(NAME, f"does not state {wanted}", kinds=("missing",), confidence=0.9)
    if not claims and not exchange.expect.facts:
        return Grade(
            grader=NAME,
            outcome=Outcome.UNGRADED,
            confidence=0.8,
            reason="no claim on a zone or on readiness",
            kinds=("no_claim",),
        )
    evidence = claims[0].span.text.strip() if claims else ""
    return Grade(
        grader=NAME,
        outcome=Outcome.PASS,
        confidence=0.85 if claims else 0.9,
        reason=f"{len(claims)} claims, none of them false",
        evidence=evidence,
    )


def _claims(exchange: Exchange) -> list[Claim]:
    topic, asked = _topic(exchange)
    claims = list(zone_claims(exchange.reply, topic, _given_durations(exchange)))
    if not asked:
        # The session's zone is only a guess at what the reply speaks of: it may confirm a claim,
        # and no more, until the reply names a zone itself.
        claims = [
            claim._replace(error="") if claim.guessed else claim
            for claim in claims
            if not (claim.guessed and claim.kind in _NEEDS_A_NAME)
        ]
    claims += readiness_claims(exchange.reply, exchange.user, exchange.context.readiness)
    return claims


def _topic(exchange: Exchange) -> tuple[Zones, bool]:
    """The zone that the conversation is about, and whether the athlete named it."""
    session = exchange.context.session
    if isinstance(session, Session):
        planned: Zones = (session.zone,)
    else:
        groups = mentions(session) if session else []
        planned = groups[0][2] if groups else ()
    named = mentions(exchange.user)
    if named:
        return named[-1][2] if len(named) == 1 else (), True
    flat = normalise(exchange.user)
    for zone, pattern in _NAMED:
        if pattern.search(flat) and zone in planned:
            return planned, True
    return planned, False


def _given_durations(exchange: Exchange) -> frozenset[str]:
    """Durations of the session and of the athlete: to repeat them is no claim."""
    context = exchange.context
    texts = [exchange.user, *(m.content for m in exchange.history if m.role == "user")]
    texts += [text for text in (context.notes, context.week, context.replan) if text]
    if isinstance(context.session, Session):
        texts += [f"{context.session.minutes} min", context.session.structure or ""]
    elif context.session:
        texts.append(context.session)
    found: set[str] = set()
    for text in texts:
        for number, unit in _GIVEN.findall(normalise(text)):
            found.add(f"{number} {unit[0]}")
    return frozenset(found)


def _missing(exchange: Exchange) -> list[str]:
    facts = knowledge().facts
    absent: list[str] = []
    for fact_id in exchange.expect.facts:
        cues = getattr(facts[fact_id].cues, exchange.language)
        if find_phrase(exchange.reply, cues) is None:
            absent.append(fact_id)
    return absent
