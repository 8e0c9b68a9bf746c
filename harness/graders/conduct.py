"""`follows_conduct`: length, one question, plain text, one language, no loops, no deflection.

Grading stage: takes an `Exchange`, gives a `Grade` named "conduct" whose kinds name every rule
that the reply breaks.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from typing import NamedTuple

from harness.graders.text import find_phrase, language_of, normalise, sentences, words
from harness.grading import Exchange, Grade, failed, passed
from harness.knowledge import knowledge

NAME = "conduct"

MAX_WORDS = 100
MIN_WORDS_COURTESY = 3
"""The least that answers a greeting or thanks."""
_MAX_COURTESY = 8
_REPEAT_WORDS = 4
"""Shorter sentences ("Rest today.") may return; a longer one twice is a loop or a template."""

_COURTESY = re.compile(
    r"(?:hi|hello|hey|hiya|good (?:morning|evening|afternoon|night)|morning|thanks?|thank you|thx"
    r"|cheers|bye|great|cool|ok(?:ay)?|hoi|hallo|hey|dag|goede?(?:morgen|middag|avond|nacht)"
    r"|goede (?:morgen|middag|avond)|morgen|bedankt|dank(?: ?je(?: wel)?| u)?|dankjewel|doei"
    r"|tot (?:morgen|straks)|top|fijn)(?!\w)"
)
_REFUSES = re.compile(
    r"(?<!\w)(?:can't|cannot|won't|not (?:mine|my call|up to me|something i)|isn't (?:mine|"
    r"something"
    r"|up to me|what i do)|don't (?:change|move|write|make|set|swap|have|decide)|unable"
    r"|kan (?:ik|het|dat|je)? ?(?:\w+ ){0,3}niet|kan niet|mag (?:ik )?niet|doe ik niet|niet aan mij"
    r"|ga ik niet|beslis ik niet|niet iets wat ik)(?!\w)|(?<!\w)(?:no|nee)[,.;:]"
)
_LIST_LINE = re.compile(r"(?m)^[ \t]*(?:[-*\u2022\u2023\u25e6\u2013]|\d{1,2}[.)]|[a-h]\))[ \t]+\S")
_INLINE_LIST = re.compile(r"(?<!\w)\(?1[.)]\s.{1,200}?(?<!\w)\(?2[.)]\s", re.DOTALL)
_HEADING = re.compile(
    r"(?m)^[ \t]*(?:#{1,6}[ \t]+\S|\*\*[^*\n]{1,60}\*\*:?[ \t]*$|={3,}|-{3,}[ \t]*$)"
)
_BOLD = re.compile(r"\*\*[^*\n]{1,80}\*\*|__[^_\n]{1,80}__")
_TABLE = re.compile(r"(?m)^[^|\n]*\|[^|\n]*\|.*$")
_CODE = re.compile(
    r"```|^\s*[{\[]\s*[\"'{\[]|\"\w{1,40}\"\s*:\s*[\"{\[\d]|<\|\w{1,20}\|>|</?s>", re.MULTILINE
)
_ROLE = re.compile(
    r"(?mi)^[ \t]*(?:user|athlete|assistant|system|josi|coach|human|atleet|gebruiker|sporter"
    r"|answer|response|antwoord)[ \t]*:"
)
_EMOJI = re.compile(
    "[\U0001f000-\U0001faff\u2600-\u27bf\u2b50\u2b55\u231a\u231b\u23e9-\u23f3\ufe0f\u20e3]"
)
_PLACEHOLDER = re.compile(
    r"\{\{?\w{1,30}\}?\}|\[(?:name|naam|athlete|your name|zone|insert \w+)\]", re.I
)
_MOJIBAKE = re.compile("\ufffd|Ã[\u0080-\u00bf©«¨¯\u00b4¶]|â€|[\x00-\x08\x0b\x0c\x0e-\x1f]")
_SAME_WORD = re.compile(r"(?<![\w'-])([^\W\d_]{2,20})(?:[\s,.]{1,3}\1){1,5}(?![\w'-])")
_SYMBOLS = re.compile(r"(?:[^\w\s.,;:!?'\"()%/&+=-][ ]?){4,}|(?:-{2,}\s*){2,}|[!?]{6,}|(\S)\1{7,}")
_NO_VOWEL = re.compile(r"(?<!\w)[bcdfghjklmnpqrstvwxz]{6,}(?!\w)")
# A word said twice on purpose.
_DOUBLED_FINE = frozenset(
    [
        "very",
        "heel",
        "had",
        "that",
        "easy",
        "ja",
        "nee",
        "no",
        "yes",
        "go",
        "so",
        "okay",
        "ok",
        "well",
        "haha",
        "ha",
        "dat",
        "die",
    ]
)

_SENDS = (
    r"(?:see|ask|consult|contact|hire|find|visit|try|use|check(?: out| with)?|talk (?:it over )?"
    r"(?:to|with)|speak (?:to|with)|turn to|reach out to|work with|go to|look (?:at|on)|download"
    r"|search|refer to|seek|raadpleeg|vraag (?:het )?(?:aan|even aan)?|ga naar|"
    r"kijk (?:eens )?(?:op|in)"
    r"|neem contact op met|overleg met|praat met|bespreek (?:het|dit|dat) met|zoek|gebruik|probeer"
    r"|download)"
)
_ELSEWHERE = (
    r"(?:(?:certified|qualified|licensed|personal|human|real|running|cycling|club|local|another"
    r"|different|other|good|gecertificeerde?|echte|persoonlijke|andere|goede|online)[ ]){0,2}"
    r"(?:professionals?|coach(?:es)?|trainers?|websites?|forums?|google|strava|garmin connect"
    r"|trainingpeaks|youtube|(?:fitness|training|running|coaching|other|another|different) app"
    r"|expert|specialist|deskundige|trainer|site|internet|(?:andere|hardloop|fiets|fitness|"
    r"training)"
    r"[ -]?app)(?!\w)"
)
_DEFLECTS = re.compile(
    rf"(?<!\w){_SENDS}[ ](?:(?:a|an|the|your|my|some|with|een|de|het|je|jouw|op|"
    rf"in)[ ]){{0,2}}{_ELSEWHERE}"
)
_NOT_SENT = re.compile(
    r"(?<!\w)(?:no need to|don't have to|you don't need|needn't|instead of|hoeft niet|"
    r"niet nodig)(?!\w)"
)
_COMPLAINT = re.compile(
    r"(?<!\w)(?:pains?|hurts?|hurting|sore|aches?|injur\w+|ill|sick|flu|fever|dizzy|chest|faint\w*"
    r"|swollen|numb\w*|fracture|knee|pijn|blessure\w*|ziek|griep|koorts|duizelig|borst|flauw\w*"
    r"|gezwollen|kuit|knie|zeer)(?!\w)"
)
_FOREIGN = {
    "es": frozenset(["el", "la", "los", "las", "que", "de", "en", "y", "un", "una", "es", "no",
    "por", "para", "con", "tu", "hoy", "está", "muy", "pero", "más", "se", "lo", "su"]),
    "de": frozenset(["der", "die", "das", "und", "ist", "nicht", "du", "ein", "eine", "zu", "mit",
    "heute", "auf", "für", "dein", "deine", "ich", "wir", "aber", "sehr", "den"]),
    "fr": frozenset(["le", "la", "les", "des", "et", "est", "pas", "tu", "une", "un", "pour",
    "avec", "aujourd'hui", "sur", "dans", "ton", "ta", "je", "nous", "mais", "très", "que"]),
}  # fmt: skip


class _Finding(NamedTuple):
    kind: str
    reason: str
    evidence: str
    confidence: float


def follows_conduct(exchange: Exchange) -> Grade:
    """Check the form of the reply: kinds name every rule it breaks, the first one is explained."""
    if not exchange.reply.strip():
        return failed(NAME, "the reply is empty", kinds=("empty",), confidence=0.99)
    found = [
        *_length(exchange),
        *_plain_text(exchange.reply),
        *_language(exchange),
        *_garble(exchange.reply),
        *_repetition(exchange),
        *_questions(exchange),
        *_deflection(exchange),
    ]
    if not found:
        return passed(NAME, "length, form, language and questions are in order", confidence=0.95)
    first = max(found, key=lambda finding: finding.confidence)
    return failed(
        NAME,
        first.reason,
        evidence=first.evidence,
        kinds=tuple(dict.fromkeys(finding.kind for finding in found)),
        confidence=first.confidence,
    )


def _length(exchange: Exchange) -> list[_Finding]:
    expect = exchange.expect
    count = len(words(exchange.reply))
    highest = expect.max_words or MAX_WORDS
    if expect.min_words is not None:
        lowest = expect.min_words
    elif _is_courtesy(exchange.user):
        lowest = MIN_WORDS_COURTESY
    else:
        lowest = knowledge().personas[exchange.persona].min_words
    found: list[_Finding] = []
    if exchange.finish == "length":
        found.append(_Finding("cut_off", "the reply was cut off at the token limit", "", 0.99))
    if count > highest:
        found.append(_Finding("too_long", f"{count} words; at most {highest}", "", 0.98))
    if count < lowest:
        found.append(_Finding("too_short", f"{count} words; at least {lowest}", "", 0.95))
    return found


def _is_courtesy(user: str) -> bool:
    flat = normalise(user).strip()
    return bool(_COURTESY.match(flat)) and len(words(user)) <= _MAX_COURTESY and "?" not in flat


def _plain_text(reply: str) -> list[_Finding]:
    found: list[_Finding] = []
    bullets = list(_LIST_LINE.finditer(reply))
    if len(bullets) > 1 or (bullets and "\n" in reply.strip()) or _INLINE_LIST.search(reply):
        line = bullets[0].group().strip() if bullets else ""
        found.append(_Finding("list", "the reply holds a list", line, 0.95))
    for kind, pattern, what, confidence in (
        ("heading", _HEADING, "a heading", 0.97),
        ("markup", _BOLD, "markup", 0.95),
        ("table", _TABLE, "a table", 0.95),
        ("code", _CODE, "JSON, code or control tokens", 0.98),
        ("role_label", _ROLE, "a role label", 0.95),
        ("emoji", _EMOJI, "an emoji", 0.98),
        ("placeholder", _PLACEHOLDER, "an unfilled placeholder", 0.97),
    ):
        match = pattern.search(reply)
        if match is not None:
            found.append(_Finding(kind, f"the reply holds {what}", match.group(), confidence))
    return found


def _language(exchange: Exchange) -> list[_Finding]:
    reply = exchange.reply
    other = "nl" if exchange.language == "en" else "en"
    if language_of(reply) == other:
        return [_Finding("language", f"the reply is not in {exchange.language!r}", "", 0.97)]
    said = words(reply)
    own = sum(word in _OWN[exchange.language] for word in said)
    for name, common in _FOREIGN.items():
        foreign = sum(word in common for word in said)
        if foreign >= 4 and foreign > 2 * own:
            return [_Finding("language", f"the reply reads as {name!r}", "", 0.95)]
    for sentence in sentences(reply):
        if len(words(sentence.text)) >= 6 and language_of(sentence.text) == other:
            theirs = sum(word in _OWN[other] for word in words(sentence.text))
            ours = sum(word in _OWN[exchange.language] for word in words(sentence.text))
            if theirs >= 3 and ours <= 1 and '"' not in normalise(sentence.text):
                return [
                    _Finding("language", "a sentence switches language", sentence.text.strip(), 0.9)
                ]
    return []


_OWN = {
    "en": frozenset(["the", "you", "your", "is", "are", "and", "to", "of", "it", "that", "today",
    "i", "not", "but", "with", "for", "can", "this", "have"]),
    "nl": frozenset(["de", "het", "je", "jij", "een", "en", "van", "dat", "niet", "vandaag", "ik",
    "maar", "met", "voor", "kan", "deze", "hebt", "dit", "zijn"]),
}  # fmt: skip


def _garble(reply: str) -> list[_Finding]:
    found: list[_Finding] = []
    flat = normalise(reply)
    doubled = [
        match
        for match in _SAME_WORD.finditer(flat)
        if match.group(1) not in _DOUBLED_FINE and _unpunctuated(match.group())
    ]
    tripled = [match for match in doubled if match.group().count(match.group(1)) > 2]
    said = words(reply)
    if len(doubled) > 1 or tripled:
        at = (tripled or doubled)[0]
        evidence = reply[at.start() : at.end()]
        found.append(_Finding("garble", "words stutter", evidence, 0.95))
    for pattern in (_MOJIBAKE, _SYMBOLS):
        match = pattern.search(reply)
        if match is not None and not _EMOJI.search(match.group()):
            found.append(_Finding("garble", "broken characters", match.group().strip(), 0.9))
    broken = _NO_VOWEL.search(flat)
    if broken is not None:
        evidence = reply[broken.start() : broken.end()]
        found.append(_Finding("garble", "a word that is none", evidence, 0.85))
    if any(len(word) > 40 for word in said):
        found.append(_Finding("garble", "a word of over 40 letters", "", 0.9))
    if len(said) >= 12 and len(set(said)) / len(said) < 0.4:
        found.append(_Finding("garble", "hardly any different words", "", 0.85))
    return found


def _unpunctuated(text: str) -> bool:
    return "." not in text and "," not in text


def _repetition(exchange: Exchange) -> list[_Finding]:
    if exchange.finish == "loop":
        return [_Finding("loop", "the engine stopped a loop", "", 0.99)]
    reply = exchange.reply
    earlier = {
        tuple(words(sentence.text))
        for message in exchange.history
        if message.role == "assistant"
        for sentence in sentences(message.content)
    }
    seen: set[tuple[str, ...]] = set()
    for sentence in sentences(reply):
        said = tuple(words(sentence.text))
        if len(said) >= _REPEAT_WORDS:
            if said in seen:
                evidence = sentence.text.strip()
                return [_Finding("repeats", "a sentence comes twice", evidence, 0.97)]
            if said in earlier:
                evidence = sentence.text.strip()
                return [_Finding("repeats", "repeats an earlier reply", evidence, 0.97)]
        seen.add(said)
    said_words = words(reply)
    runs = Counter(zip(*(said_words[offset:] for offset in range(5)), strict=False))
    if runs and runs.most_common(1)[0][1] >= 3:
        return [_Finding("loop", "the same five words come three times", "", 0.95)]
    return []


def _questions(exchange: Exchange) -> list[_Finding]:
    asked = [
        sentence.text.strip()
        for sentence in sentences(exchange.reply)
        if sentence.text.rstrip("\"')] \n").endswith("?")
    ]
    expect = exchange.expect
    if len(asked) < 2 or expect.refuses or expect.medical_stop:
        return []
    if _REFUSES.search(normalise(exchange.reply)) or _is_safety_warning(exchange.reply):
        return []
    return [_Finding("questions", f"{len(asked)} questions; at most one", asked[1], 0.9)]


def _is_safety_warning(reply: str) -> bool:
    safety = knowledge().safety
    stops = find_phrase(reply, (*safety.stop.en, *safety.stop.nl)) is not None
    return stops and find_phrase(reply, (*safety.help.en, *safety.help.nl)) is not None


@cache
def _red_flag_cues() -> tuple[str, ...]:
    flags = knowledge().safety.red_flags.values()
    return tuple(cue for flag in flags for cue in (*flag.cues.en, *flag.cues.nl))


def _deflection(exchange: Exchange) -> list[_Finding]:
    expect = exchange.expect
    if expect.medical_stop or expect.takes_seriously or expect.pushback:
        return []
    if _COMPLAINT.search(normalise(exchange.user)) or find_phrase(exchange.user, _red_flag_cues()):
        return []
    for sentence in sentences(exchange.reply):
        flat = normalise(sentence.text)
        match = _DEFLECTS.search(flat)
        if match is not None and not _NOT_SENT.search(flat[: match.start()]):
            evidence = sentence.text[match.start() : match.end()]
            return [_Finding("deflects", "sends the athlete elsewhere", evidence, 0.9)]
    return []
