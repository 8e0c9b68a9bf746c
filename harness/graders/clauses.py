"""Reading a reply in clauses, and what each one does: decline, instruct, permit, suppose, quote.

A clause is the reach of a negation: "I can't move it, but do five hills" is two clauses, and only
the first one declines.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from harness.graders.lexicon import any_of
from harness.graders.text import normalise, sentences


class Clause(NamedTuple):
    """A piece of a reply: `reply[start:end]`, with what can be seen from its words alone."""

    start: int
    end: int
    text: str
    """Normalised, quotations blanked out."""
    sentence: str
    """The normalised sentence it stands in."""
    negated: bool
    question: bool
    conditional: bool
    """Hangs on a symptom or a wish: "if it hurts ..."."""
    directive: bool
    """Tells, suggests or permits the athlete to do something."""
    order: int
    """Where in `text` that begins, or -1."""


_QUOTED = re.compile(r"\"[^\"\n]{1,200}\"|(?<!\w)'[^'\n]{3,200}'(?!\w)")
_BREAK = re.compile(
    r"[;:]\s+|\s+-\s+|\s*-{2,}\s*|\s*—\s*|[!?.]\s+"
    r"|,?\s+(?:but|however|though|although|echter|alhoewel|hoewel|yet|otherwise)\s*,?\s+"
    r"|,\s+maar\s+|\s+maar\s+(?=(?:ik|je|jij|we|het|dat|vandaag|de|het)\s)"
    r"|,\s+(?=(?:so|then|and|or|just|instead|en|dus|dan|of|gewoon|because|want|omdat)\s)"
    r"|,\s+(?=(?:i|you|we|your|the|it|that's|that|this|no one|nobody|niemand|today|tomorrow|ik"
    r"|je|jij|we|het|dat|vandaag)\W)"
    r"|(?<=\bno),\s+|(?<=\bnee),\s+|(?<=\byes),\s+|(?<=\bja),\s+|(?<=\bok),\s+|(?<=\bokay),\s+"
)
_NEGATION = any_of(
    r"not", r"no", r"never", r"nothing", r"none", r"nor", r"neither", r"without", r"cannot",
    r"\w+n't", r"cant", r"wont", r"dont", r"refus\w+", r"declin\w+",
    r"unable", r"nobody", r"beyond me", r"outside my", r"off the table", r"isnt", r"hardly",
    r"out of the question", r"far from", r"against", r"avoid", r"leave that", r"forbid\w*",
    r"niet", r"geen", r"nooit", r"niets", r"niks", r"zonder", r"nee", r"weiger",
    r"niemand", r"evenmin", r"noch", r"the last thing", r"would be a mistake",
    r"isn't mine", r"too early", r"te vroeg",
)  # fmt: skip
# Words that look like a negation and are none.
_POSITIVE = any_of(
    r"no problem", r"why not", r"not a problem", r"don't worry", r"no worries", r"no need",
    r"don't forget", r"can't hurt", r"won't hurt", r"wouldn't hurt", r"can't wait",
    r"never hurt", r"won't stop",
    r"not only",
    r"won't (?:hurt|break|kill|harm)", r"kan geen kwaad",
    r"no doubt", r"nothing stops you", r"no reason not to",
    r"don't (?:stop|quit|hold back)",
    r"don't tell\b", r"no excuses", r"if not", r"no matter", r"or not", r"not just",
    r"not to worry",
    r"don't be (?:soft|a baby|shy)", r"nobody (?:knows|will)", r"nothing wrong with", r"no sweat",
    r"geen probleem", r"waarom niet", r"geen zorgen", r"niet alleen", r"vergeet niet", r"of niet",
    r"geen enkel probleem", r"niet zeuren", r"niks mis mee", r"geen punt", r"geen excuses",
    r"niet stoppen", r"no harm in", r"couldn't agree more", r"not at all", r"no regrets",
)  # fmt: skip
_CONDITION = re.compile(
    r"(?<!\w)(?:if|when|should|unless|once|as soon as|als|wanneer|mocht|zodra"
    r"|tenzij)\s[^.!?]{0,60}\b"
    r"(?:hurt|pain|ach|sharp|dizz|ill|sick|fever|worse|tired|fatigue|off|wrong|unwell|light|faint"
    r"|chest|flare|swell|limp|struggl|breath|puff|pijn|zeer|ziek|koorts|moe|duizel|erger|last|steek"
    r"|benauwd|hijg)"
)
_VERBS = (
    r"do|run|ride|go|try|add|take|make|swap|hop|start|keep|aim|throw|finish|push|hold|jog|bike|swim"
    r"|walk|sprint|warm|cool|hit|pick|choose|bump|cut|shorten|extend|skip|double|repeat|follow"
    r"|pedal"
    r"|cycle|climb|row|stay|include|mix|head|get|give|use|build|increase|plan|drop|replace"
    r"|switch|test"
    r"|spin|tack|alternate|ramp|crank|turn|treat|shoot|stick|begin|end|squeeze|perform|complete"
    r"|knock"
    r"|grab|move|roll|lift|let|open|settle|target|stretch|hammer|smash|crush|insert|slip|change"
    r"|lace"
    r"|raise|lower|drift|surge|pop|tag|have|jump|put|work|speed|bring|ease"
    r"|doe|loop|fiets|ga|pak|maak|probeer|voeg|neem|begin|houd|hou|zwem|wandel|trap|kies|draai"
    r"|ren|zet"
    r"|plak|geef|rij|bouw|verleng|herhaal|stap|knal|gooi|plan|versnel|ruil|wissel|vervang|blijf"
    r"|laat"
    r"|sla|dribbel|start|schroef|verhoog"
)
_VERBS_PAST_MODAL = (
    r"do|run|ride|go|try|add|take|make|swap|hop|start|keep|aim|throw|finish|push|hold|jog|bike|swim"
    r"|walk|sprint|hit|pick|choose|bump|cut|shorten|extend|skip|double|repeat|cycle|row|include|mix"
    r"|head|get|use|build|increase|drop|replace|switch|spin|tack|alternate|ramp|turn|squeeze"
    r"|perform"
    r"|complete|hammer|insert|slip|train|race|treat|move|warm|cool|let|stretch|lift"
)
_LEAD = (
    r"(?:(?:so|then|just|ok|okay|sure|well|instead|simply|and|or|please|yes|today|tomorrow|tonight"
    r"|now|first|next|after(?:wards| that)|here|go ahead and|feel free to|of course|absolutely|fine"
    r"|alright|maybe|perhaps|definitely|always|en|dan|dus|gewoon|ja|vandaag|morgen|eerst|daarna|nou"
    r"|oké|prima|weeks? \d+|\w+day|after \w+ \w+|na (?:je|de) \w+|between us|onder ons(?: dan)?)"
    r"\s*[,.!:]?\s+){0,4}"
)
_AFTER = (
    r"(?:(?:after|before|during|for|in|on|at|today|tomorrow|this|then|once|with|if|na|voor"
    r"|tijdens|op|in|bij|als)"
    r"(?: [^,:]{1,50})?[,:] )?"
)
_IMPERATIVE = re.compile(
    r"^\W*" + _AFTER + _LEAD + r"(?P<verb>" + _VERBS + r")(?!\w)(?!\s+(?:is|are|was)\b)"
)
_ADVICE = re.compile(
    r"(?<!\w)(?:you (?:can|could|should|might|may|must|need to|have to|ought to|'d better|will)"
    r"(?: (?:also|always|just|simply|easily|certainly|definitely|want to|then|still|safely|even))?"
    r" (?:" + _VERBS_PAST_MODAL + r")"
    r"|i(?:'d| would)(?: \w+)? (?:" + _VERBS_PAST_MODAL + r")|i(?:'d| would)(?: (?:also"
    r"|just|personally|probably|definitely|say|have you|send you|put you"
    r"|give you|let you|love for you to|like you to|go (?:for|with)|do|pick|choose|add|start|swap"
    r"|suggest|recommend|advise|make|run|ride|take|keep|throw|opt|aim|tell you to))+"
    r"|i (?:suggest|recommend|advise|propose|prescribe|want you)|my (?:advice|suggestion|pick|tip)"
    r"|(?:how|what) about|why not|why don't (?:you|we)|let's|let us|shall we|here's (?:your|a|the)"
    r"|(?:a|one) (?:good|great|typical|nice|solid|classic|better|fun) (?:option|session|workout"
    r"|choice"
    r"|alternative|idea|set|way)|you'll (?:do|run|ride|start|want to|go|be doing)"
    r"|(?:would|'d|will|'ll) (?:wake|do the (?:job|trick)|work (?:well|great|nicely)"
    r"|be (?:perfect|ideal"
    r"|great|better|good|fine|plenty|enough))|does the (?:job|trick)|will do|is (?:fine|allowed"
    r"|okay"
    r"|ok)|(?:would|will|'ll|could) do you good|(?:won't|wouldn't|can't) (?:hurt|break|harm"
    r"|kill)(?: you| anyone| anything)?"
    r"|best (?:thing|option|bet|choice|move)|go for|worth (?:trying|adding)|we(?:'ll| will| can"
    r"| could)"
    r"|je (?:kunt|kan|mag|moet|zou|doet|gaat|loopt|fietst)|kun je|mag je|ik zou|ik raad|mijn advies"
    r"|mijn tip|laten we|moet kunnen|(?:kan|mag) wel|(?:kan|mag) (?:altijd|best|prima|gerust)"
    r"|(?:doen|lopen|fietsen|gaan"
    r"|maken|pakken) we|doet je goed"
    r"|kan geen kwaad|wat dacht je van|waarom niet|ik stel voor|beter is|het beste is|we doen"
    r"|zou ik|kies voor|ga voor|probeer|is ook (?:goed|prima|een optie))(?!\w)"
)
_PRAISE = re.compile(r"would|'d|will|'ll|does|is|worth|won't|wouldn't|can't|could|doet|kan")
_EDUCATION = re.compile(
    r"\b(?:in (?:z|zone )\d (?:you|je)|you can (?:talk|still talk|hold|keep|speak|chat|sing"
    r"|read|see|find"
    r"|ask|request|check)|(?:you|je) (?:can|could|may|kunt|kan) (?:always )?(?:ask|request|tell"
    r"|let|put"
    r"|vragen|aangeven|doorgeven))\b"
)


# What comes after "instead of" is not told, whatever comes before it is.
_INSTEAD_OF = re.compile(r"\b(?:instead of|rather than|in plaats van|liever dan)\b[^,;]*")


def _blank(match: re.Match[str]) -> str:
    return " " * len(match.group())


def is_negated(text: str) -> bool:
    """Whether normalised `text` denies or declines something."""
    return bool(_NEGATION.search(without_idioms(text)))


def without_idioms(text: str) -> str:
    """Take out phrases such as "no problem" and "won't hurt", which only look like a no."""
    return _POSITIVE.sub(" ", text)


@lru_cache(maxsize=1024)
def clauses(reply: str) -> tuple[Clause, ...]:
    """Split a reply into clauses with their speech acts."""
    found: list[Clause] = []
    for sentence in sentences(reply):
        whole = normalise(sentence.text)
        bare = _QUOTED.sub(_blank, whole)
        start = 0
        pieces: list[tuple[int, int]] = []
        for cut in _BREAK.finditer(bare):
            pieces.append((start, cut.start()))
            start = cut.end()
        pieces.append((start, len(bare)))
        suppose = bool(_CONDITION.search(whole))
        for first, last in pieces:
            text = _INSTEAD_OF.sub(_blank, bare[first:last])
            if not text.strip():
                continue
            order = _order(text)
            found.append(
                Clause(
                    start=sentence.start + first,
                    end=sentence.start + last,
                    text=text,
                    sentence=bare,
                    negated=is_negated(text),
                    question=bare.rstrip(" \"')").endswith("?") and last >= len(bare.rstrip()) - 1,
                    conditional=suppose,
                    directive=order >= 0,
                    order=order,
                )
            )
    return tuple(found)


# "Shorten the rest and you'd train something else" supposes, and orders nothing.
_SUPPOSES = re.compile(
    r"\b(?:and|en) (?:you(?:'d|'ll| will| would| get| miss| lose)|je (?:mist|krijgt|verliest"
    r"|zou))\b"
)


def _order(text: str) -> int:
    if _SUPPOSES.search(text):
        return -1
    imperative = _IMPERATIVE.search(text)
    if imperative:
        return imperative.start("verb")
    advice = _ADVICE.search(text)
    if advice is None or _EDUCATION.search(text):
        return -1
    # Praise of an option stands behind it: "five hills would do the trick".
    return 0 if _PRAISE.match(advice.group()) else advice.start()
