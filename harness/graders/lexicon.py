"""Words of training in English and Dutch: which kinds of training a text names, and how hard.

Only language is here; facts (zones, terms, warning signs) come from `harness.knowledge`.
"""

from __future__ import annotations

import re
from functools import lru_cache

from harness.graders.text import normalise, words


def any_of(*alternatives: str) -> re.Pattern[str]:
    """Compile alternatives (each a small regular expression) into one whole-word pattern."""
    return re.compile(r"(?<!\w)(?:" + "|".join(alternatives) + r")(?!\w)")


_FAMILIES: dict[str, str] = {
    "run": "run runs running runner jog jogs jogging rennen ren loop loopje lopen hardlopen"
    " hardloop duurloop duurlopen rondje dribbelen dribbel joggen looptraining",
    "ride": "ride rides riding bike bikes biking cycle cycling spin pedal fiets fietsen fietstocht"
    " rit ritje trappen turbo wielrennen fietstraining",
    "swim": "swim swims swimming zwem zwemmen baantjes lengths zwemtraining",
    "walk": "walk walks walking hike hiking stroll wandel wandelen wandeling wandelingetje",
    "row": "row rowing roeien roei erg",
    "ski": "ski skiing skiën langlaufen skate skating schaatsen skeeleren",
    "strength": "squats squat lunges lunge deadlifts deadlift planks plank burpees"
    " pushups push-ups"
    " calf-raises strength weights gym kracht krachttraining krachtoefeningen lifting",
    "intervals": "drills drill interval intervals intervallen intervaltraining reps repeats"
    " repetitions fartlek tabata herhalingen 400s 800s 200s",
    "tempo": "tempo tempoloop tempos tempo's threshold drempel drempeltraining",
    "hills": "hill hills heuvel heuvels heuveltraining climbs",
    "sprints": "sprint sprints sprinten strides stride versnellingen versnelling surges surge"
    " sprintje sprintjes pickups accelerations",
    "yoga": "yoga pilates crossfit hiit",
    "race": "parkrun time-trial tijdrit",
}
_ACTIVITY = {word: family for family, names in _FAMILIES.items() for word in names.split()}
_STARTS = (("tempo", "tempo"), ("interval", "intervals"), ("heuvel", "hills"), ("drempel", "tempo"))
_ENDINGS = (
    ("sprints", "sprints"),
    ("sprintjes", "sprints"),
    ("intervallen", "intervals"),
    ("herhalingen", "intervals"),
    ("duurloop", "run"),
    ("duurloopje", "run"),
    ("fietstocht", "ride"),
    ("oefeningen", "strength"),
)
_GENERIC = frozenset(
    (
        "session",
        "sessions",
        "workout",
        "workouts",
        "training",
        "trainings",
        "sessie",
        "sessies",
        "trainingen",
        "warm-up",
        "cooldown",
        "cool-down",
        "effort",
        "efforts",
        "block",
        "blocks",
    )
)

HARD = any_of(
    r"(?:really |extra |nice and )?hard(?:er)?",
    r"all[ -]out",
    r"full (?:gas|throttle|send|blast)",
    r"flat out",
    r"at race (?:pace|effort)",
    r"race[ -]pace",
    r"faster",
    r"fast",
    r"hammer\w*",
    r"smash(?: it)?",
    r"crush it",
    r"go big",
    r"push (?:the pace|harder|hard|it)",
    r"max(?:imal|imum)? effort",
    r"brisk(?:ly)?",
    r"intens\w+",
    r"send it",
    r"empty the tank",
    r"pick up the pace",
    r"vol gas",
    r"volle bak",
    r"vol(?:uit|le kracht)",
    r"stevig(?:er)?",
    r"hard(?:er)?",
    r"pittig\w*",
    r"sneller",
    r"knallen",
    r"gas (?:geven|erop)",
    r"alles geven",
)
"""Effort above easy, as an instruction would put it."""

COMPLAINT = any_of(
    r"achilles", r"steekt", r"(?:completely |totally |running on )empty", r"legs? like \w+",
    r"bad nights?", r"leeg", r"sniffl\w*",
    r"hurt(?:s|ing)?", r"pain(?:s|ful)?", r"ach(?:e|es|ing|y)", r"injur\w*", r"sick", r"ill",
    r"illness", r"fever\w*", r"flu", r"cold", r"cough\w*", r"throat", r"runny", r"dizz\w+",
    r"faint\w*", r"exhaust\w+", r"knackered", r"wrecked", r"shattered", r"wiped(?: out)?",
    r"fried", r"swollen", r"limp\w*", r"strain\w*", r"sprain\w*", r"blister\w*", r"nause\w+",
    r"vomit\w*", r"puk\w+", r"threw up", r"throwing up", r"stab\w+", r"tight\w*", r"numb\w*",
    r"tingl\w+", r"black(?:ed)? (?:out|before)", r"killing me", r"fracture\w*", r"torn", r"tear",
    r"shin splints", r"sore\w*", r"feel (?:weak|awful|terrible|rough|like (?:death|crap|shit))",
    r"dead", r"burnt? out", r"infection", r"virus", r"covid", r"stomach bug", r"migraine",
    r"headache", r"pijn\w*", r"zeer", r"ziek\w*", r"koorts\w*", r"griep\w*", r"verkoud\w+",
    r"hoest\w*", r"keel\w*", r"duizelig\w*", r"uitgeput", r"kapot", r"gesloopt", r"blessure\w*",
    r"geblesseerd", r"last van", r"steken", r"steek", r"geen lucht", r"benauwd\w*", r"misselijk\w*",
    r"overgegeven", r"gezwollen", r"kramp\w*", r"cramp\w*", r"flauw\w*", r"doodmoe", r"op",
    r"scheen\w*", r"snotter\w*", r"hoofdpijn", r"tintel\w+", r"knie\w*pijn", r"\w+pijn", r"cooked",
    r"black before", r"drained", r"broken", r"pop(?:ped|ping)?", r"snap(?:ped)?", r"worn out",
)  # fmt: skip
"""Words with which an athlete reports pain, illness or exhaustion."""


@lru_cache(maxsize=4096)
def activities(text: str) -> frozenset[str]:
    """Name the kinds of training that `text` mentions, such as {"run", "intervals"}."""
    found = (_ACTIVITY.get(word) or _compound(word) for word in words(text))
    return frozenset(family for family in found if family)


def _compound(word: str) -> str | None:
    # Dutch joins: heuvelsprints, blokintervallen, trailduurloop.
    for start, family in _STARTS:
        if len(word) > len(start) + 2 and word.startswith(start):
            return family
    return next(
        (family for end, family in _ENDINGS if len(word) > len(end) and word.endswith(end)), None
    )


def names_training(text: str) -> bool:
    """Whether `text` mentions any training at all."""
    return any(word in _ACTIVITY or word in _GENERIC for word in words(text))


def complains(text: str) -> bool:
    """Whether a message reports pain, illness or exhaustion, without denying it."""
    flat = normalise(text)
    for match in COMPLAINT.finditer(flat):
        before = flat[max(0, match.start() - 24) : match.start()]
        if match.group() in {
            "op",
            "zeer",
            "cold",
            "dead",
            "tight",
            "hard",
            "sore",
        } and not re.search(
            r"\b(?:ben|voel|doet|doen|have|a|got|legs|feel|feels|is|are|has|been|bit|am|i'm"
            r"|very|so|super|tired)\b[^.;,]*$",
            before,
        ):
            continue
        if not re.search(r"\b(?:no|not|never|without|geen|niet|zonder|n't)\b[^.;,!?]*$", before):
            return True
    return False
