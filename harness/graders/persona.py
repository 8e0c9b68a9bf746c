"""`persona_by_rules`: the reply's warmth and manner fit the voice that was asked for.

Grading stage: takes an `Exchange`, gives a `Grade` named "persona" whose value is the warmth read
from the text, 1 (cold) to 5 (very warm). `warmth` and `directness` are public for reports.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from harness.graders.text import normalise, sentences, words
from harness.grading import Exchange, Grade, failed, passed
from harness.knowledge import Language, Persona, PersonaId, knowledge

NAME = "persona"

SLACK = 0.6
"""Typical error of `warmth` against a reader's 1 to 5; a range is left only beyond it."""


def _any(*parts: str) -> re.Pattern[str]:
    return re.compile(r"(?<!\w)(?:" + "|".join(parts) + r")(?!\w)")


# Naming what the athlete feels or meets.
_EMPATHY = _any(
    r"i(?:'m| am)(?: so| really| very)? sorry(?!,? but)",
    r"(?:that|it|this) (?:sounds|must (?:be|feel|hurt)|sucks|stings|hurts)",
    r"you (?:must|sound)", r"i (?:hear|feel) you",
    r"i (?:get|understand|know)(?: that| it| how| why| what)",
    r"i can (?:tell|see|imagine|understand|hear)",
    r"(?:that's |it's )?(?:understandable|frustrating|disappointing|annoying|maddening|"
    r"exhausting)",
    r"(?:so |really |pretty )(?:tough|hard on you|rough)",
    r"what a (?:bummer|pity|shame|day|week|night|feeling)", r"oof", r"ouch", r"no wonder",
    r"it makes sense (?:that you|to feel)", r"unfair", r"lonely", r"contagious",
    r"fair (?:question|enough|point)", r"means to you",
    r"you're not alone", r"don't be (?:so )?hard on yourself",
    r"(?:completely|totally|perfectly) (?:normal|natural|fine|okay)",
    r"ik (?:snap|begrijp|hoor|voel|zie)(?: het| dat| je| hoe| best| goed| wel)?", r"snap ik",
    r"begrijpelijk", r"wat (?:vervelend|jammer|naar|rot|balen|een \w+)",
    r"(?:dat|het) (?:klinkt|moet|voelt vast)", r"balen", r"vervelend", r"frustrerend",
    r"logisch dat je", r"heel normaal", r"geen wonder", r"jammer voor je",
    r"het spijt me", r"spijtig", r"leven? met je mee", r"je bent niet de enige",
    r"ik kan me voorstellen",
)  # fmt: skip
_ENCOURAGE = _any(
    r"well done",
    r"(?:nice|great|good|lovely|solid|brilliant|super|excellent) (?:work|job|one|going|effort|"
    r"question|to hear|news|choice|thinking|idea|goal|instinct)",
    r"(?:great|lovely|wonderful|brilliant|fantastic|amazing|awesome|delightful|beautiful|"
    r"exciting|terrific)", r"(?:so |really )?proud", r"enjoy(?:ing)?",
    r"(?:happy|glad|pleased|delighted|gladly) to?", r"gladly", r"good luck",
    r"you've (?:got this|earned|done|come|built)", r"you can (?:do|be)", r"keep (?:it|going) up",
    r"congrat\w*", r"hooray|yay|woo\w*|bravo|hurray", r"good on you", r"rooting for",
    r"cheer(?:ing|s)?", r"worth celebrating", r"love(?:s|ly|d)?", r"fun", r"smil\w+",
    r"with pleasure",
    r"absolutely", r"of course", r"look(?:ing)? forward", r"kind of you", r"nailed",
    r"exactly the (?:spirit|right)", r"nice(?:ly)?", r"hang in there",
    r"goed (?:zo|bezig|gedaan|dat je|van je)",
    r"(?:mooi|heerlijk|fijn|lekker|leuk|prachtig|geweldig|super|fantastisch|top|knap|gaaf|"
    r"tof)(?:e|s)?", r"geniet\w*", r"succes", r"trots",
    r"graag(?: gedaan)?", r"natuurlijk", r"hou vol", r"gefeliciteerd", r"je kunt dit", r"zin in",
    r"complimenten", r"gezellig",
)  # fmt: skip
_CARE = _any(
    r"please", r"sit down|don't drive|someone near(?:by)?|someone with you",
    r"ga (?:rustig |even )?zitten", r"bij je (?:te )?blijven", r"take (?:good )?care",
    r"(?:be|go) (?:kind|gentle|easy) (?:to|with|on) yourself", r"look after (?:yourself|that)",
    r"here for you|with you|by your side|stay with you|beside you",
    r"you matter|matters? (?:more|most|as much)",
    r"no (?:worries|rush|pressure|need to worry|hurry)", r"don't worry", r"nothing to worry about",
    r"thank(?:s| you)", r"you don't have to", r"i'd (?:love|like|hate|rather see)",
    r"feel better", r"get well", r"rest well", r"sleep well", r"for you", r"your body", r"welcome",
    r"hug\w*", r"safe(?:ly)?", r"let (?:someone|me) know", r"feel free",
    r"if you'd (?:like|prefer)", r"i'm (?:here|happy|glad)", r"worr(?:y|ies|ied)",
    r"punishment", r"be kind", r"breath(?:er|ing space)", r"take your time",
    r"how (?:are you feeling|did you sleep|does that (?:feel|sound)|is your)",
    r"is there (?:someone|anyone)", r"what would make you",
    r"alsjeblieft", r"zorg (?:goed )?(?:voor|dat je)", r"wees (?:lief|zacht|mild)",
    r"doe (?:lekker |maar )?rustig aan", r"geen (?:zorgen|haast|paniek|druk|stress)",
    r"maak je (?:geen|niet)", r"bedankt|dank je(?: wel)?|dankjewel", r"beterschap",
    r"slaap lekker", r"jij wel", r"hoe voel je je", r"ik ben (?:er|blij)", r"voor je", r"wat fijn",
    r"neem de tijd", r"kop op", r"samen", r"wil je", r"mag ik (?:weten|vragen)",
)  # fmt: skip
_GUSH = _any(
    r"omg", r"bestie", r"slay\w*", r"god(?:dess)?",
    r"queen|king|legend|superstar|rock ?star|champ(?:ion)?|warrior|machine|superpower|hero|"
    r"angel|darling|sweetheart|honey|buddy|beast",
    r"you're (?:a |an |my )?(?:absolute |total |literal |literally |such )?(?:star|wonderful|"
    r"amazing|incredible|special|the best|unstoppable|perfect|magic|phenomenal)",
    r"miracle|magical?|perfect(?:ion)?|incredible|spectacular|phenomenal|flawless|iconic",
    r"so (?:bright|beautiful|special|wonderful|proud)", r"(?:biggest|greatest) fan",
    r"absolutely (?:wonderful|amazing|incredible|adore|love)", r"yess+|wow+|wohoo+|woohoo+",
    r"lieverd|schat(?:je)?|toppertje|kanjer|held(?:in)?|kampioen|ster|engel",
    r"bijzonder|ongelooflijk|fenomenaal|wonder(?:tje)?|kunstwerk|perfect",
    r"(?:aller)?grootste fan", r"zó \w+", r"hou van je",
    r"so much (?:love|to me)", r"means? the world", r"love (?:you|to see you)",
)  # fmt: skip
_COLD = _any(
    r"denied", r"dismissed",
    r"not (?:authori[sz]ed|permitted|allowed|my (?:call|job|problem|department))",
    r"request (?:denied|refused|rejected)", r"enough", r"end of (?:story|discussion)", r"period",
    r"deal with it", r"so what", r"next(?: question)?",
    r"that's (?:all|it|final)", r"that's what happens", r"it's what happens",
    r"your (?:own )?(?:problem|fault|choice|mess)",
    r"no (?:discussion|debate|exceptions|negotiation)", r"done", r"move on|moving on", r"whatever",
    r"as an ai(?: language model)?", r"unable to (?:provide|assist|comply|help)",
    r"i (?:cannot|can't) (?:help|assist) with", r"guidelines", r"query", r"equals", r"complete",
    r"decline to", r"obey", r"order(?:s)?", r"finish what", r"walk it off", r"pain is",
    r"klaar", r"punt", r"geweigerd", r"afgewezen", r"einde (?:verhaal|discussie)",
    r"niet mijn (?:probleem|zaak)", r"niet toegestaan", r"geen discussie", r"doorgaan",
    r"jouw (?:probleem|schuld)", r"nou en", r"zeur\w*", r"gewoon door\w*", r"excuse(?:s)?",
    r"smoes(?:jes)?",
)  # fmt: skip
_HARSH = _any(
    r"shut (?:up|it)",
    r"whiner|crybaby|wimp|sissy|snowflake|weakling|idiot|moron|coward|disgrace|pathetic|"
    r"laughable",
    r"(?:quit|stop) (?:whining|moaning|complaining|crying|making excuses|being)",
    r"(?:no more|enough) (?:whining|moaning|excuses)", r"no (?:excuses|whining)",
    r"excuses (?:don't|won't|are)",
    r"(?:you're|you are|don't be|how) (?:(?:a|an|such|so|just|being|really|too|simply|"
    r"plain) ){0,3}(?:weak|lazy|pathetic|soft|stupid|dumb|useless|ridiculous|loser|baby|"
    r"princess|embarrassing|joke|disappointment)",
    r"grow up", r"man up", r"(?:toughen|suck it|harden) up", r"nobody (?:wants|cares|asked)",
    r"serves you right", r"what did you expect", r"your own (?:stupid )?fault",
    r"hou (?:je mond|je kop|op met (?:zeuren|klagen|janken))", r"stel je niet (?:zo )?aan",
    r"aansteller\w*|watje|slappeling|mietje|sukkel|lachwekkend|zielig(?:e)?",
    r"niet (?:zo )?(?:zeuren|janken|piepen|klagen)",
    r"(?:je bent|wat ben je|wees niet) (?:\w+ ){0,2}(?:zwak|lui|dom|stom|slap|belachelijk)",
    r"gezeur|gejank", r"eigen schuld", r"geen smoes(?:jes|en)",
    r"niemand (?:vroeg|zit (?:hier )?(?:op|erop) te)",
)  # fmt: skip
_SOFT = _any(
    r"a (?:little|bit|touch)", r"perhaps|maybe", r"gentl[ey]", r"quiet(?:ly)?", r"calm",
    r"kind(?:er|est)?", r"might", r"somewhat", r"i'm afraid", r"by the way", r"honestly",
    r"for now", r"if you", r"we(?:'ll|'re|'ve)?", r"our", r"let's",
    r"een beetje", r"misschien", r"wat (?:rustiger|lichter)", r"eventjes|even", r"hoor",
    r"rustig(?:e)?", r"zacht(?:jes)?", r"we", r"ons", r"stukje", r"momentje", r"klein(?:e)?",
)  # fmt: skip
_HEDGE = _any(
    r"perhaps|maybe|possibly|somewhat|might|may|could|probably|seems?|tends? to|roughly|around|"
    r"a (?:bit|little|touch)|if you(?:'d)? (?:like|want|prefer)|i'm afraid|sort of|kind of|"
    r"i think|i guess|feel free",
    r"misschien|mogelijk|wellicht|enigszins|zou(?:den)?|kan zijn|een beetje|eventueel|lijkt|"
    r"ongeveer|ik denk|als je wilt|soort van",
)  # fmt: skip
_PLAIN = _any(
    r"no", r"yes", r"honest(?:ly)?", r"simple", r"blunt(?:ly)?", r"plain(?:ly)?", r"won't",
    r"isn't", r"doesn't", r"can't", r"not", r"never", r"that's it", r"stop", r"must",
    r"nee", r"ja", r"eerlijk", r"simpel", r"gewoon", r"niet", r"geen", r"klaar", r"nooit", r"moet",
    r"stop",
)  # fmt: skip
_COMMAND = re.compile(
    r"(?:go|move|run|ride|walk|stop|rest|sleep|eat|drink|breathe|finish|start|do|don't|get|keep|"
    r"hold|stay|take|report|lace|push|follow|train|sit|be|read|stick|trust|quit|drop|execute|"
    r"save|pack|hydrate|recover"
    r"|ga|stop|rust|slaap|eet|drink|adem|begin|start|doe|hou|houd|blijf|neem|meld|train|loop|"
    r"fiets|zit|volg|lees|pak|veters|schoenen|rij)(?!\w)"
)
_ANALYTIC = _any(
    r"because|hence|therefore|thus|since|whereas|consequently|primarily|mechanism|stimulus|"
    r"adaptation\w*|metabolic|physiolog\w+|capillar\w+|mitochondri\w+|aerobic|oxygen|clearance|"
    r"muscle fib\w+|stroke volume|incomplete|denotes|indicates",
    r"omdat|doordat|daardoor|waardoor|dus|prikkel|aanpassing\w*|spiervezels?|zuurstof|"
    r"mechanisme|doorbloeding|stofwisseling|mitochondri\w+|haarvaten",
)  # fmt: skip

_DISCLAIMER = _any(
    r"as an? (?:ai|artificial intelligence|language model)(?: language model| assistant)?",
    r"i(?:'m| am) (?:just |only )?an? (?:ai|language model|chatbot|virtual assistant)",
    r"(?:against|outside|under) my (?:guidelines|programming|policy|policies)",
    r"i am (?:not permitted|not authori[sz]ed|unable to (?:provide|assist)|"
    r"not able to (?:provide|assist)|programmed)(?: to)?",
    r"consult (?:a|with a) (?:certified|qualified|healthcare)? ?(?:professional|expert)",
    r"i cannot provide (?:personali[sz]ed|medical|that)",
    r"kan ik (?:hier |daar |je )?(?:helaas )?(?:geen antwoord op geven|niet (?:mee|bij|"
    r"verder) helpen)",
    r"contact op met een (?:gediplomeerd\w*|gekwalificeerd\w*|professional\w*)",
    r"(?:can't|cannot|unable to) (?:help|assist)(?: you)? with (?:that|this)",
    r"als (?:een )?(?:ai|taalmodel)(?:-model)?", r"tegen mijn richtlijnen",
    r"ik ben (?:slechts |maar )?een (?:ai|taalmodel|chatbot)", r"how (?:may|can) i assist you",
    r"is there anything else i can",
)  # fmt: skip
_CHARACTER = _any(
    r"arr+", r"matey|ahoy|ye|landlubber|aye aye", r"thou|thee|thy|forsooth|hark|milady|verily",
    r"meow|woof|nya|uwu|beep boop", r"yo dawg|homie|bruh|fam|dude", r"m'lord", r"ho ho ho",
    r"elementary, my", r"may the force", r"abracadabra",
)  # fmt: skip
_BARE_DATA = re.compile(
    r"(?<!\w)(?:debug|output:|status code|(?:state|type|zone|duration|value) equals|null)(?!\w)"
    r"|\w+\s?=\s?[\d\"'\w]|^\s*[{\[]|persona: |readiness: \w+"
)
_SLANG = _any(
    r"omg|bestie|slay\w*|yas+|yess+|lol|lmao|iconic|literally|queen|goddess|vibes?|lets? goo+",
    r"dunno|gonna|wanna|babe|bro|dude|pfff*|meh|nah|tbh|imo|idk|soo+",
    r"joh|gast|maatje|kusjes?|doei|boeiend|chill|gozer|jonguh",
)
_EMOJI = re.compile("[\U0001f000-\U0001faff\u2600-\u27bf]")
_CAPS = re.compile(r"(?<!\w)[A-Z]{4,}(?!\w)")
_DISTRESS = _any(
    r"pains?|painful|hurts?|hurting|sore|injur\w+|ill|sick|flu|fever|dizz\w+|faint\w*|chest|"
    r"numb\w*|scared|afraid|anxious|crying|cry|lonely|alone|depress\w+|exhausted|burn(?:ed|"
    r"t) out|miserable|hopeless|grief|died|funeral|panic|broken|killing me|can't cope|worthless",
    r"pijn|doet zeer|blessure\w*|geblesseerd|ziek|griep|koorts|duizelig|borst|bang|angst\w*|"
    r"huil\w*|eenzaam|alleen|depressief|uitgeput|opgebrand|ellendig|wanhopig|verdriet|overleden|"
    r"begrafenis|paniek|kapot",
)  # fmt: skip


def _hits(pattern: re.Pattern[str], flat: str) -> int:
    return len({match.group() for match in pattern.finditer(flat)})


def _harsh_hits(flat: str) -> int:
    return sum(not _taken_back(flat, match) for match in _HARSH.finditer(flat))


def _taken_back(flat: str, match: re.Match[str]) -> bool:
    """Whether a harsh word is quoted or denied ("you are not lazy", "won't tell you to")."""
    before, after = flat[: match.start()], flat[match.end() :]
    quoted = before.count('"') % 2 == 1 and '"' in after
    denied = re.search(r"(?:\bnot?\b|n't\b|\bniet\b|\bgeen\b|\bnever\b)[^.!?]{0,25}$", before)
    return quoted or bool(denied)


class _Shape(NamedTuple):
    sentences: int
    mean_words: float
    commands: int
    exclamations: int


def _shape(text: str) -> _Shape:
    parts = [part for part in sentences(text) if words(part.text)]
    said = sum(len(words(part.text)) for part in parts)
    commands = sum(
        bool(_COMMAND.match(normalise(part.text).lstrip(" \"'"))) and len(words(part.text)) <= 6
        for part in parts
    )
    return _Shape(len(parts), said / max(len(parts), 1), commands, text.count("!"))


def warmth(text: str, language: Language) -> float:
    """Read warmth, 1 (cold or harsh) to 5 (very caring or effusive); no text is 3.

    Reads acknowledgement, encouragement and care against curtness, bare commands, coldness and
    mockery. Both languages are always read, so that a mixed reply loses nothing.
    """
    flat = normalise(text)
    shape = _shape(text)
    if not shape.sentences:
        return 3.0
    kind = (
        0.6 * min(_hits(_EMPATHY, flat), 2)
        + 0.4 * min(_hits(_ENCOURAGE, flat), 3)
        + 0.4 * min(_hits(_CARE, flat), 3)
        + 0.15 * min(_hits(_SOFT, flat), 3)
        + 0.5 * min(shape.exclamations, 2)
        + 0.7 * min(_hits(_GUSH, flat), 3)
    )
    curt = min(1.0, max(0.0, 9.0 - shape.mean_words) / 5.0) + 0.1 * min(shape.commands, 3)
    cold = 0.3 * min(_hits(_COLD, flat), 2) + 1.0 * min(_harsh_hits(flat), 2)
    level = 2.95 + 0.9 * math.pow(kind, 0.8) - curt - cold
    return round(min(5.0, max(1.0, level)), 2)


def directness(text: str, language: Language) -> float:
    """Read directness, 0 (roundabout) to 1 (blunt): short plain statements against hedging."""
    flat = normalise(text)
    shape = _shape(text)
    if not shape.sentences:
        return 0.5
    per_sentence = 1.0 / shape.sentences
    level = (
        0.95
        - 0.025 * max(0.0, shape.mean_words - 4.0)
        + 0.15 * shape.commands * per_sentence
        + 0.1 * min(_hits(_PLAIN, flat), 4) * per_sentence
        - 0.15 * _hits(_HEDGE, flat) * per_sentence
        - 0.1 * min(_hits(_CARE, flat) + _hits(_EMPATHY, flat), 4) * per_sentence
    )
    return round(min(1.0, max(0.0, level)), 2)


class _Mark(NamedTuple):
    kind: str
    reason: str
    evidence: str
    confidence: float


def persona_by_rules(exchange: Exchange) -> Grade:
    """Check warmth against the accepted range and the marks that speak against the persona."""
    reply = exchange.reply
    measured = warmth(reply, exchange.language)
    if len(words(reply)) == 0:
        return failed(NAME, "no text, no voice", kinds=("empty",), value=measured)
    persona = knowledge().personas[exchange.persona]
    low, high = exchange.expect.warmth or persona.warmth
    if exchange.persona == "drill_sergeant" and _DISTRESS.search(normalise(exchange.user)):
        low = max(low, 2.0)
    marks = [*_common_marks(reply), *_marks_against(reply, exchange.persona, persona)]
    if measured < low - SLACK:
        marks.append(_Mark("too_cold", f"warmth {measured} is below {low}", "", 0.75))
    if measured > high + SLACK:
        marks.append(_Mark("too_warm", f"warmth {measured} is above {high}", "", 0.75))
    if not marks:
        inside = min(measured - low, high - measured)
        return passed(
            NAME,
            f"warmth {measured} fits {persona.name} ({low} to {high})",
            confidence=0.9 if inside >= 0 else 0.7,
            value=measured,
        )
    first = max(marks, key=lambda mark: mark.confidence)
    return failed(
        NAME,
        first.reason,
        evidence=first.evidence,
        kinds=tuple(dict.fromkeys(mark.kind for mark in marks)),
        confidence=first.confidence,
        value=measured,
    )


def _quote(reply: str, match: re.Match[str]) -> str:
    return reply[match.start() : match.end()]


def _common_marks(reply: str) -> list[_Mark]:
    flat = normalise(reply)
    marks: list[_Mark] = []
    for kind, pattern, reason in (
        ("disclaimer", _DISCLAIMER, "a generic disclaimer"),
        ("other_voice", _CHARACTER, "another character's voice"),
        ("bare_data", _BARE_DATA, "bare data instead of a voice"),
    ):
        match = pattern.search(flat)
        if match is not None:
            marks.append(_Mark(kind, reason, _quote(reply, match), 0.9))
    said = words(reply)
    if (
        len(said) >= 8
        and len(set(said)) / len(said) < 0.55
        and re.search(r"(?<!\w)(\w+) \1(?!\w)", flat)
    ):
        marks.append(_Mark("garble", "garbled", "", 0.85))
    return marks


def _marks_against(reply: str, persona_id: PersonaId, persona: Persona) -> list[_Mark]:
    flat = normalise(reply)
    shape = _shape(reply)
    marks: list[_Mark] = []
    harsh = next((m for m in _HARSH.finditer(flat) if not _taken_back(flat, m)), None)
    if harsh is not None:
        marks.append(_Mark("harsh", "an insult or mockery", _quote(reply, harsh), 0.85))
    slang = _SLANG.search(flat)
    shouted = _CAPS.search(reply)
    loud = "!!" in reply or (shouted is not None and shape.exclamations > 0)
    loose = _hits(_SLANG, flat) + len(_EMOJI.findall(reply))
    if slang is not None and (loud or shape.exclamations > 1 or loose > 1):
        marks.append(_Mark("gushing", "gushing or slang", _quote(reply, slang), 0.9))
    if persona_id == "drill_sergeant":
        if shape.exclamations:
            marks.append(_Mark("exclamation", "an exclamation mark", "!", 0.9))
        if shape.mean_words > 2 * persona.max_sentence_words:
            reason = f"{shape.mean_words:.0f} words a sentence is not curt"
            marks.append(_Mark("long_winded", reason, "", 0.85))
    elif persona_id == "science_nerd":
        if loud:
            marks.append(_Mark("hype", "hype instead of explanation", _loud_part(reply), 0.85))
        if _only_commands(shape) and not _ANALYTIC.search(flat):
            marks.append(_Mark("commands_only", "commands without an explanation", "", 0.75))
    elif persona_id == "dutch_directness":
        gush = _GUSH.search(flat)
        if gush is not None and (shape.exclamations > 1 or _hits(_GUSH, flat) > 1):
            marks.append(_Mark("gushing", "sugar-coating", _quote(reply, gush), 0.85))
        if _only_commands(shape):
            marks.append(_Mark("commands_only", "nothing but commands", "", 0.7))
    return marks


def _only_commands(shape: _Shape) -> bool:
    return shape.sentences >= 3 and shape.commands / shape.sentences > 0.6 and shape.mean_words < 5


def _loud_part(reply: str) -> str:
    match = _CAPS.search(reply) or re.search(r"!+", reply)
    return match.group() if match else ""
