"""Reading text the way every grader does: normalised, in sentences and clauses, in whole words.

Offsets always point into the text as it was given, so that evidence can be quoted verbatim.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from harness.knowledge import Language

_SAME_LENGTH = str.maketrans(
    {"‘": "'", "’": "'", "‛": "'", "`": "'", "“": '"', "”": '"', "„": '"', "–": "-", "—": "-",
     "‑": "-", "\u00a0": " ", "\u202f": " ", "\u2009": " ", "₂": "2", "²": "2"}
)  # fmt: skip
_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"')\]]*\s+|\n+")
_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")

# Function words that separate the two product languages in a sentence or two.
_NL = frozenset(
    [
        "de",
        "het",
        "een",
        "je",
        "ik",
        "jij",
        "niet",
        "geen",
        "van",
        "voor",
        "met",
        "maar",
        "naar",
        "zijn",
        "wat",
        "mijn",
        "jouw",
        "kan",
        "moet",
        "ook",
        "als",
        "bij",
        "dat",
        "deze",
        "dit",
        "die",
        "waarom",
        "hoe",
        "wel",
        "nog",
        "wordt",
        "goed",
        "vandaag",
        "en",
        "aan",
        "uit",
        "om",
        "te",
        "op",
        "er",
        "is",
        "ga",
        "gaat",
        "hebt",
        "heb",
        "daar",
        "dus",
        "dan",
        "meer",
        "rustig",
    ]
)
_EN = frozenset(
    [
        "the",
        "a",
        "an",
        "you",
        "i",
        "not",
        "no",
        "of",
        "for",
        "with",
        "but",
        "to",
        "are",
        "what",
        "today",
        "my",
        "your",
        "can",
        "must",
        "also",
        "if",
        "at",
        "that",
        "this",
        "these",
        "why",
        "how",
        "and",
        "it",
        "is",
        "it's",
        "you're",
        "don't",
        "in",
        "on",
        "be",
        "have",
        "has",
        "do",
        "so",
        "then",
        "more",
        "easy",
    ]
)


class Span(NamedTuple):
    """A piece of a text: `text[start:end]`."""

    start: int
    end: int
    text: str


@lru_cache(maxsize=4096)
def normalise(text: str) -> str:
    """Straighten quotes, dashes and odd spaces and lower the case; the length never changes."""
    flat = text.translate(_SAME_LENGTH)
    return "".join(_fold(char) for char in flat)


def _fold(char: str) -> str:
    if char.isascii():
        return char.lower()
    folded = unicodedata.normalize("NFKC", char).lower()
    return folded if len(folded) == 1 else char


def sentences(text: str) -> list[Span]:
    """Split into sentences; line breaks end one too. Blank pieces are left out."""
    spans: list[Span] = []
    start = 0
    for match in _SENTENCE_END.finditer(text):
        spans.append(Span(start, match.start(), text[start : match.start()]))
        start = match.end()
    spans.append(Span(start, len(text), text[start:]))
    return [span for span in spans if span.text.strip()]


def words(text: str) -> list[str]:
    """Lower-case words; apostrophes and hyphens inside a word stay.

    >>> words("Don't push, it's Z2!")
    ["don't", 'push', "it's", 'z2']
    """
    return _WORD.findall(normalise(text))


@lru_cache(maxsize=8192)
def phrase_pattern(phrase: str) -> re.Pattern[str]:
    """Compile a phrase into a whole-word pattern over normalised text; inner spaces are loose."""
    parts = [re.escape(part) for part in normalise(phrase).split()]
    return re.compile(r"(?<!\w)" + r"[\s-]{1,3}".join(parts) + r"(?!\w)")


def find_phrase(text: str, phrases: Iterable[str]) -> Span | None:
    """The first of `phrases` that occurs in `text` as whole words, any case."""
    return next(find_phrases(text, phrases), None)


def find_phrases(text: str, phrases: Iterable[str]) -> Iterator[Span]:
    """All whole-word occurrences of `phrases`, phrase by phrase."""
    flat = normalise(text)
    for phrase in phrases:
        for match in phrase_pattern(phrase).finditer(flat):
            yield Span(match.start(), match.end(), text[match.start() : match.end()])


def language_of(text: str) -> Language | None:
    """Tell English from Dutch by function words; None where the text is too short to tell.

    >>> language_of("Je mag vandaag rustig aan doen, dat is goed voor je.")
    'nl'
    """
    found = words(text)
    dutch = sum(word in _NL for word in found)
    english = sum(word in _EN for word in found)
    if max(dutch, english) < 2 or dutch == english:
        return None
    return "nl" if dutch > english else "en"
