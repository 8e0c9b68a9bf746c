"""The words by which a reply speaks of effort zones: numbers, speech, heart rate, order.

Part of the facts grader: patterns over normalised text in English and Dutch. They hold no zone
facts; those are read from `harness.knowledge` by `zone_claims`.
"""

from __future__ import annotations

import re

from harness.knowledge import ZoneId

NUMBERS = {
    word: number
    for number, pair in enumerate(
        ["zero/nul", "one/één", "two/twee", "three/drie", "four/vier", "five/vijf", "six/zes",
        "seven/zeven", "eight/acht", "nine/negen", "ten/tien", "eleven/elf", "twelve/twaalf",
        "thirteen/dertien", "fourteen/veertien", "fifteen/vijftien"]
    )
    for word in pair.split("/")
} | {
    "twenty": 20, "twintig": 20, "thirty": 30, "dertig": 30, "forty": 40, "veertig": 40,
    "forty-five": 45, "fifty": 50, "vijftig": 50, "sixty": 60, "zestig": 60, "ninety": 90,
    "negentig": 90, "een": 1, "a": 1, "an": 1, "few": 4, "several": 6, "couple": 2, "paar": 4,
    "enkele": 4, "half": 0.5, "anderhalve": 1.5,
}  # fmt: skip
SMALL = "|".join(sorted((w for w, n in NUMBERS.items() if n <= 10 and len(w) > 2 and w not in
                          ("few", "several", "couple", "paar", "enkele", "half", "een",
                           "anderhalve")), key=len, reverse=True))  # fmt: skip
NUM = rf"(?:\d{{1,2}}(?:[.,]5)?|{SMALL})"
COUNT = (
    r"(?:\d{1,3}(?:[.,]\d)?|"
    + "|".join(sorted(map(re.escape, NUMBERS), key=len, reverse=True))
    + ")"
)
TO = r"\s*(?:-|to|or|tot(?: en met)?|à|of|/|and|en)\s*"

MENTION = re.compile(
    r"(?<!\w)(?:z[\s-]?(?P<digit>\d)|zones?[\s-]?(?P<n>\d|one|two|three|four|five|six|seven|eight"
    r"|nine|één|een|twee|drie|vier|vijf|zes|zeven|acht|negen))(?!\w|%|[.,]\d)"
)
R = re.compile(
    r"(?<![\w'&.-])R(?![\w'&])(?!-\d)|(?i:(?<!\w)(?:zone R|recovery zone|herstelzone)(?!\w))"
)
JOINED = re.compile(r"\s*(?:,|and|or|&|en|of|/|-|to|tot|through|t/m|\s)*\s*")
RANGE = re.compile(r"\s*(?:-|to|tot|through|t/m)\s*")
NOT_SUBJECT = re.compile(
    r"(?<!\w)(?:than|not|limit (?:of|is)|cap (?:of|is|at)|up to|at most|hooguit|grens (?:van|"
    r"is)|unlike|above|below|beyond|over|under|between|from|instead of|rather than|dan"
    r"|niet|geen|boven|onder|tussen|van|vanaf|in plaats van|compared (?:to|with)|versus|vs\.?"
    r"|before|after|voor|na|no|drift(?:ing)? (?:up )?(?:in)?to|towards?|richting)\s+(?:in |a |"
    r"de )?$"
)
NEGATION = re.compile(
    r"(?<!\w)(?:no|not|never|n't|hardly|barely|without|neither|nor|too|nothing|niet|geen|nooit"
    r"|nauwelijks|zonder|niets|te|stops?|ends?|impossible|beyond|far from|lang niet|rather than|"
    r"instead of|in plaats van)(?!\w)|"
    r"n't(?!\w)"
)
CLAUSE = re.compile(r"[,;:!?.]\s|\s(?:but|while|whereas|maar|terwijl)\s")

# Speech, from singing (0) to silence (6).
TALK: tuple[tuple[int, int, re.Pattern[str]], ...] = tuple(
    (low, high, re.compile(rf"(?<!\w)(?:{words})(?!\w)"))
    for low, high, words in (
        (5, 6, r"no (?:more )?(?:talking|talk|speaking|speech|words)"
               r"|(?:can't|cannot|can not|won't|couldn't|unable to|not able to|impossible to)"
               r" (?:really )?(?:talk|speak|say|converse|hold a conversation|chat|answer)"
               r"|talking (?:stops|is (?:out|over|impossible|off the table))"
               r"|speech (?:is )?(?:impossible|stops|gone)|cannot converse|not (?:a |"
               r"one )(?:single )?word"
               r"|(?:kun|kan|lukt) (?:je |jij |er )?(?:\w+ )?niet (?:meer )?(?:te )?(?:praten|"
               r"spreken|kletsen)"
               r"|praten (?:lukt|gaat|kan|is) (?:\w+ )?(?:niet|onmogelijk)|niet meer (?:praten|"
               r"spreken)"
               r"|geen (?:gesprek|woord|praatje)\w*|sprakeloos|speechless|none"),
        (0, 0, r"sing|singing|zingen"),
        (1, 2,
        r"(?:long(?:er|ish)?|full|whole|complete|entire|lange|hele|volledige) (?:sentences?|"
        r"zinnen)"
               r"|volzinnen|sentences? come easily"),
        (3, 3, r"(?:short(?:er|ish)?|brief|korte(?:re)?) (?:sentences?|phrases?|zinnen|zinnetjes)"
               r"|sentences? (?:get|become|turn|grow|are) short(?:er)?|"
               r"zinnen worden (?:\w+ )?kort(?:er)?"
               r"|zinnen worden korter"),
        (4, 4,
        r"(?:few|couple of|handful of|some|paar|enkele|two or three|three or four|isolated|losse"
               r"|twee of drie) (?:\w+ )?(?:words?|woorden|woordjes)|word or two"),
        (5, 5, r"(?:single|one|één) ?-?(?:words?|woord(?:en)?)|single[- ]word \w+|enkel woord"),
        (0, 2,
        r"(?:(?<!every )(?<!that )(?<!this )(?<!our )conversations?|"
        r"(?<!this )(?<!group )(?<!the )(?<!in )(?<!our )chat(?:ting)?|chatty|"
        r"paragraphs?|gossip|tell a story|a story"
               r"|talk (?:freely|normally|easily|comfortably|in full)|kletsen|klets|kletst|gesprek"
               r"|babbelen|keuvelen|een verhaal|verhaal|blijven praten|gewoon praten|"
               r"makkelijk praten)"),
    )
)  # fmt: skip

RPE = (
    re.compile(
    rf"(?<![\w.])(?P<a>{NUM})(?:{TO}(?:a |an |een )?(?P<b>{NUM}))?\s*(?:out of|of|op|/|uit|"
    rf"van de|on a scale of|op een schaal van)\s*(?:a |de )?(?:10|ten|tien)(?!\w)"),
    re.compile(
    rf"(?<!\w)(?:rpe|effort(?: level)?|exertion|inspanning|feels? like|call it|"
    rf"voelt(?: het)? als|is)(?: (?:of|is|at|around|about|a|an|een|roughly|van|rond|ongeveer|"
    rf"sits|level|lies|the)){{0,4}} (?P<a>{NUM})(?:{TO}(?P<b>{NUM}))?(?! ?(?:to|-|or|tot|"
    rf"of) \w+| ?(?:%|per|bpm|x|km|m\b|"
    rf"s\b|h\b|:|\d|st|nd|rd|th|-|min|sec|hour|uur|second|day|dag|week|zone|block|word|woord|"
    rf"more|less|step|times|of the|other|or so min))(?!\w)"),
    re.compile(rf"(?<=[:,] )(?P<a>{NUM})(?:{TO}(?P<b>{NUM}))?(?=[,.;]|$)"),
)  # fmt: skip
PERCENT = re.compile(
    r"(?<![\w.])(?P<a>\d{2,3})(?:\s?(?:%|per ?cent|procent))?(?:\s*(?:-|to|tot|and|"
    r"en)\s*(?P<b>\d{2,3}))?"
    r"\s?(?:%|per ?cent|procent)"
)
HEART = re.compile(
    r"(?<!\w)(?:heart|hr|hrmax|pulse|hartslag\w*|hart|polsslag|bpm|max(?:imum|imal|imale)?)(?!\w)"
)
HR_WORD = re.compile(
    r"(?<!\w)(?:heart rate|heart|hr|pulse|hartslag\w*|hart|hartslagmeter|monitor)(?!\w)"
)
OTHER_PERCENT = re.compile(
    r"(?<!\w)(?:power|ftp|vermogen|watts?|lthr|pace|tempo van je|economy|grade|stijging|"
    r"of your time|van je tijd|threshold heart)(?!\w)"
)
HR_BAD = re.compile(
    r"(?<!\w)(?:not (?:\w+ ){0,2}(?:reliable|useful|usable|a (?:\w+ )?guide|much use|of (?:much|"
    r"any) use|show|tell|keep up|helpful)"
    r"|isn't (?:\w+ ){0,3}(?:reliable|use|useful|usable|guide|helpful|help)|unreliable|"
    r"too short|mean(?:s|ing)? (?:anything|nothing)|no time to|te kort|useless|"
    r"unusable|no (?:use|help|good)"
    r"|(?:little|limited) use|doesn't (?:\w+ )?(?:tell|show|help|work|keep|catch)|"
    r"can't (?:\w+ )?(?:show|keep|tell|catch)|cannot (?:\w+ )?(?:show|keep|tell)"
    r"|lags?|lagging|too slow|slow to|behind|still climbing|catch(?:es)? up|needs time|"
    r"misleading|means nothing|means little|tells you (?:little|nothing)|ignore|forget"
    r"|onbruikbaar|onbetrouwbaar|niet (?:\w+ ){0,2}(?:betrouwbaar|bruikbaar|bij|mee|goed)|"
    r"te traag|traag|loopt achter|ijlt na|zegt (?:\w+ )?(?:niets|weinig|niks)"
    r"|heb je (?:\w+ )?(?:niets|weinig|niks)|komt te laat|te laat|geen (?:goede|betrouwbare|"
    r"bruikbare) \w+|read low|reads low)(?!\w)"
)
HR_GOOD = re.compile(
    r"(?<!\w)(?:reliable|guide|best (?:measure|way|check)|accurate|trust|watch your|"
    r"keep an eye on|check your|aim for|target|useful|precise|use your"
    r"|steady|betrouwbaar|bruikbaar|let op je|stuur op|richt je op|hou je|houd je|goede maat|"
    r"prima maat|nauwkeurig|bpm)(?!\w)"
)
UNITS = {"s": 1, "m": 60, "h": 3600, "u": 3600, "k": 900}
DURATION = re.compile(
    rf"(?<![\w.:])(?P<a>{COUNT})(?:{TO}(?P<b>{COUNT}))?(?: (?:of|or two|or so|an|a))?(?:[\s-]|"
    rf"(?<=\d))"
    r"(?P<unit>seconds?|secs?|(?<=\d)s|(?<=\d )s|minutes?|mins?|minuut|minuten|seconden|seconde|"
    r"hours?|hrs?|uur|uren|kwartier)(?!\w)"
)
NOT_EFFORT = re.compile(
    r"(?<!\w)(?:rest|resting|recover\w*|pauses?|breaks?|between|apart|warm\w*|cool\w*|session|"
    r"total|heart|pulse|hartslag|sets?|days?|easy|times|repeats?"
    r"|rust|herstel\w*|pauze|tussen|totaal|sessie|keer|inlopen|uitlopen|today|vandaag|week|"
    r"later|talk|reps?|jog|walk"
    r"|(?:your|je|jouw) (?:\w+ )?(?:ride|run|hour|half|rit|training|uur|minutes|minuten))(?!\w)|"
    r"\d\s?x"
)
GREATER = (
    r"(?:harder|tougher|higher|more intense|faster|heavier|fiercer|steeper|zwaarder|hoger|"
    r"harder|intensiever|sneller|feller|explosiever|more explosive|shorter|korter)"
)
LESSER = (
    r"(?:easier|lighter|gentler|lower|slower|softer|calmer|lichter|makkelijker|rustiger|lager|"
    r"langzamer|less intense|longer|langer|milder)"
)
COMPARISON = re.compile(
    rf"^[^.;,]{{0,40}}?(?P<neg>not |isn't |niet )?(?:(?P<more>(?<!\w){GREATER})|"
    rf"(?P<less>(?<!\w){LESSER}))(?!\w)[^.;,]{{0,25}}? (?:than|dan) (?:in )?$"
)
TOP = re.compile(
    r"^\s*(?:is|=|:|marks|are|vormt)\s+(?:(?:the|our|de|het|al|already|your) ){0,2}(?:top|"
    r"highest|hardest|last|final|hoogste|zwaarste|laatste|"
    r"bovenste)(?!\w)"
)
LONGEST = re.compile(r"^[^.;,]{0,25}?(?<!\w)(?:the |het )?(?:longest|langst|langste)(?!\w)")
NAMES: tuple[tuple[frozenset[ZoneId], str], ...] = (
    (frozenset({"R"}), r"recovery|herstel"),
    (frozenset({"Z3"}), r"tempo(?! waar| dat| waarop| waarbij)"),
    (frozenset({"Z4"}), r"threshold|drempel(?:tempo|zone|training)?|omslagpunt"),
    (frozenset({"Z8", "Z7"}), r"(?:(?:explosive|pure|explosieve|short) )?sprint(?:s|ing|zone)?"),
)
COPULA = (
    r"^[\s,]*(?:is|=|means|stands for|equals|covers|betekent|staat voor|:|isn't)\s*"
    r"(?P<no>(?<=n't )|not |niet |geen |no )?(?:(?:your|the|a|"
    r"an|je|de|het|een|pure|basically|really|just|simply|eigenlijk|gewoon|called) ){0,3}"
)
AFTER_DENIAL = re.compile(
    r",? (?:no|nee|niet)(?=[.!?;,]|$)|\? (?:no|nee)\b| (?:is|are|was|gaat|lukt|zit er) (?:off|"
    r"out|over|gone|impossible|not|"
    r"no|niet|onmogelijk)\b"
)
TURN = re.compile(r";\s|,?\s(?:but|while|whereas|maar|terwijl)\s")
EASY = re.compile(
    r"(?<!\w)(?:comfortable|comfortably|relaxed|effortless|easy|gentle|gently|rustig|ontspannen|"
    r"makkelijk|moeiteloos|comfortabel|stroll|wandeltempo)(?!\w)"
)
MAXIMAL = re.compile(
    r"(?<!\w)(?:gasp\w*|all[- ]out|maximal|explosive|breathless|flat out|out of breath|hijg\w*|"
    r"voluit|explosief|maximaal|buiten adem|burning|brandende)(?!\w)"
)
FEELS = re.compile(
    r"(?<!\w)(?:is|are|feels?|leaves?|means|voelt|zijn|laat)(?: (?:like|as|you|it|je|het|als|a|"
    r"an|een"
    r"|very|quite|so|really|pretty|heel|best|lekker|still|nog)){0,3} $"
)
CONTRAST = re.compile(
    r"(?<!\w)(?:(?:means?|going|is|are|you're|it's|that's|went|go) (?:a (?:little|"
    r"bit) )?too (?:fast|hard|easy|soft|slow|light)|isn't (?:z|zone)|not (?:z|zone)"
    r"|slow down|ease (?:off|back)|back off|you've (?:drifted|left|gone)|past (?:z|zone)|"
    r"dan (?:zit|ben|ga|loop|fiets) je|te (?:hard|snel|zacht|makkelijk|rustig|licht))(?!\w{2})"
)
TOO_LONG = re.compile(r"[^.;,]{0,15}?(?:too|te) (?:long|short|lang|kort)(?!\w)")
SHORT_REST = re.compile(
    r"(?<!\w)(?:incomplete (?:recovery|rest)|short(?:est)? (?:rests?|recover\w*|pauses?|"
    r"breaks?)|little (?:rest|recovery)|(?:almost )?no (?:rest|recovery)"
    r"|onvolledig herstel|korte (?:rust|pauzes?)|weinig (?:rust|herstel))(?!\w)"
)
FULL_REST = re.compile(
    r"(?<!\w)(?:full (?:recovery|rest)|complete (?:recovery|rest)|fully recovered?|"
    r"long (?:rests?|pauses?|breaks?)|volledig(?:e)? (?:herstel|rust)|lange (?:rust|"
    r"pauzes?))(?!\w)"
)
BASE = re.compile(
    r"(?<!\w)(?:aerobic base|endurance base|fat[- ]burning|burn(?:s|ing)? fat|vetverbranding|"
    r"duurbasis|aerobe basis|basisconditie)(?!\w)"
)
SPEED = re.compile(
    r"(?<!\w)(?:sprint speed|peak force|explosive power|top speed|topsnelheid|explosieve kracht|"
    r"maximal power|nerve-muscle|sprintkracht)(?!\w)"
)
BOUNDS = re.compile(
    r"(?<!\w)(?:there(?:'s| is| are) (?:nothing|no (?:zones?|levels?)) (?:above|beyond|"
    r"higher than) (?:z|"
    r"zone )?(?P<top>\d)|er (?:is|zijn|bestaat|bestaan) (?:niets|geen zones?) boven (?:z|"
    r"zone )?(?P<top_nl>\d)"
    r"|(?P<count>\d|two|three|four|five|six|seven|ten|drie|vier|vijf|zes|zeven|"
    r"tien) zones (?:are|is|in (?:the|this|our|total)|you|that's|exist|zijn|hebben|in de|"
    r"in totaal))(?!\w)"
)
