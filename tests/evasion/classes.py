"""classes.py - one function for each class of evasion, and the table of them.

Each function takes a Form, a random generator and the number of the variant, changes the form and says whether it
could. The number goes through the kinds of a class in turn, so that each of them is there.
"""
from dataclasses import dataclass, field

import alphabets as abc
from unihan import readings, toneless, variants


def some(rng, items, least=1):
    """One, a few or all of the items, in their order."""
    if len(items) < least:
        return []
    count = rng.choice((least, rng.randint(least, len(items)), len(items)))
    return sorted(rng.sample(items, count))


def turn(kinds, number):
    kinds = list(kinds)
    return kinds[number % len(kinds)]


def replace(form, rng, places, forms_of, kind):
    """Puts one of forms_of(unit) into some of the places where there is one."""
    places = some(rng, [i for i in places if forms_of(form.units[i])])
    for i in places:
        form.put(i, rng.choice(forms_of(form.units[i])))
    form.kinds.append(kind)
    return bool(places)


# Base ------------------------------------------------------------------------------------------------------------------


def case(form, rng, number):
    latin, han = form.latin(), form.han()
    if not latin:
        return replace(form, rng, han, lambda c: abc.COMPATIBILITY.get(c, []), "compatibility")
    kind = turn(("upper", "mixed", "first", "full-width", "ligature", "mathematical"), number)
    if kind == "ligature":  # two letters in one character; where there is none, a single one
        for i in latin:
            pair = "".join(form.units[i:i + 2])
            if i + 1 in latin and form.gaps[i] == "" and pair in abc.COMPATIBILITY:
                form.put(i, rng.choice(abc.COMPATIBILITY[pair]))
                del form.units[i + 1], form.gaps[i]
                form.changed = {j if j <= i else j - 1 for j in form.changed}
                form.kinds.append(kind)
                return True
        kind = "upper"
    if kind == "full-width":
        return replace(form, rng, latin, lambda c: [abc.full_width(c), abc.full_width(c.upper())], kind)
    if kind == "mathematical":
        return replace(form, rng, latin, lambda c: abc.LETTER_STYLES["bold"][c], kind)
    places = {"upper": latin, "mixed": some(rng, latin), "first": latin[:1]}[kind]
    for i in places:
        form.put(i, form.units[i].upper())
    form.kinds.append(kind)
    return True


def invisible(form, rng, number):
    kind = turn(("one", "every gap", "runs", "any of Unicode's"), number)
    source = abc.INVISIBLES if kind == "any of Unicode's" else abc.USUAL_INVISIBLES
    gaps = list(range(len(form.gaps)))
    for i in gaps if kind == "every gap" else some(rng, gaps):
        form.gaps[i] += "".join(rng.choices(source, k=rng.randint(2, 4) if kind == "runs" else 1))
    form.kinds.append(kind)
    return True


# Latin letters ---------------------------------------------------------------------------------------------------------


def accents(form, rng, number):
    kind = turn(("marks", "precomposed", "strokes", "zalgo"), number)
    if kind == "precomposed":
        return replace(form, rng, form.latin(), lambda c: abc.PRECOMPOSED.get(c, []), kind)
    if kind == "strokes":
        return replace(form, rng, form.latin(), lambda c: abc.STROKES.get(c, []), kind)
    if kind == "marks":
        return replace(form, rng, form.latin(), lambda c: [c + mark for mark in abc.USUAL_MARKS], kind)
    stacks = [rng.choices(abc.MARKS, k=rng.randint(1, 5)) for _ in range(40)]
    return replace(form, rng, form.latin(), lambda c: [c + "".join(stack) for stack in stacks], kind)


def letters(form, rng, number):
    # Those that compatibility (the base) cannot undo come twice as often.
    kind = turn([*abc.LETTER_STYLES, *list(abc.LETTER_STYLES)[:5]], number)
    if rng.random() < 0.1:
        mixed = list(abc.LETTER_STYLES.values())
        return replace(form, rng, form.latin(), lambda c: [f for style in mixed for f in style.get(c, [])], "mixed")
    return replace(form, rng, form.latin(), lambda c: abc.LETTER_STYLES[kind].get(c, []), kind)


def lookalikes(form, rng, number):
    kind = turn(("cyrillic", "scripts", "cjk", "bars", "capitals"), number)
    if kind != "capitals":
        table = abc.LOOKALIKES[kind]
        usable = lambda c: [f for f in table.get(c, []) if f not in form.avoid]
        return replace(form, rng, form.latin(), usable, kind)
    done = replace(form, rng, form.latin(), lambda c: [f for f in abc.LOOKALIKES["scripts"].get(c, [])
                                                       if f.upper() == f], kind)
    for i in form.latin():
        form.units[i] = form.units[i].upper()
    return done


def leet(form, rng, number):
    places = [i for i in form.latin() if form.units[i] in abc.LEET]
    if len(form.latin()) - len(places) < 1:
        places = places[1:]     # at least one real letter stays
    kind = turn(("one", "some"), number)
    if not places:
        return False
    places = [rng.choice(places)] if kind == "one" else places
    return replace(form, rng, places, lambda c: [f for f in abc.LEET[c] if f not in form.avoid], kind)


# Numbers ---------------------------------------------------------------------------------------------------------------


def numbers(form, rng, number):
    digits = form.digits()
    kind = turn([*abc.NUMBER_STYLES, "Chinese", "financial", "other scripts"], number)
    if kind == "Chinese":
        usable = lambda c: list(abc.CHINESE_DIGITS[int(c)][:1])
    elif kind == "financial":
        usable = lambda c: list(abc.CHINESE_DIGITS[int(c)][1:])
    elif kind == "other scripts":
        zero = rng.choice(list(abc.SCRIPT_DIGITS.values()))
        usable = lambda c: [chr(zero + int(c))]
    else:
        usable = lambda c: [f for f in abc.NUMBER_STYLES[kind][int(c):int(c) + 1] if f]
    form.single.update(digits)
    return replace(form, rng, digits, usable, kind)


# Between and around ----------------------------------------------------------------------------------------------------


def separators(form, rng, number):
    """English with blanks, line breaks or emoji: all letters apart. Punctuation may stand at one place only; between
    Chinese characters anything may."""
    kind = turn(("one mark", "same mark", "marks", "runs", "blanks", "lines", "emoji", "boxes", "spaced marks"), number)
    marks = [mark for mark in abc.PUNCTUATION if mark not in form.avoid]
    gaps = list(range(len(form.gaps)))
    every = {"same mark", "blanks", "lines", "spaced marks"}
    places = gaps if kind in every and (form.spelled or rng.random() < 0.5) else some(rng, gaps)
    if kind == "one mark":
        places = [rng.choice(gaps)]
    if kind == "emoji" and form.spelled:
        places = gaps
    same = rng.choice(marks)
    space = rng.choice(abc.SPACES)
    box = rng.choice(abc.BOXES)
    for i in places:
        form.gaps[i] = {"one mark": lambda: same, "same mark": lambda: same, "marks": lambda: rng.choice(marks),
                        "runs": lambda: "".join(rng.choices(marks, k=rng.randint(2, 3))), "blanks": lambda: space,
                        "lines": lambda: "\n", "emoji": lambda: rng.choice(abc.EMOJI), "boxes": lambda: box,
                        "spaced marks": lambda: f" {same} "}[kind]()
    form.kinds.append(kind)
    return bool(places)


def repeats(form, rng, number):
    kind = turn(("doubled", "long"), number)
    # A digit of a term is part of a number: 77 is not 7.
    places = (set(form.latin()) | set(form.han()) | form.changed) - form.single
    places = some(rng, sorted(places))
    for i in places:
        form.put(i, form.units[i] * (2 if kind == "doubled" else rng.randint(3, 6)))
    form.kinds.append(kind)
    return bool(places)


def censored(form, rng, number):
    """Inner letters only, at most half of them all; of two Chinese characters the second."""
    kind = turn(("one", "half", "mixed"), number)
    size = len(form.units)
    inner = [1] if size == 2 else list(range(1, size - 1))
    inner = [i for i in inner if i in form.latin() or i in form.han()]
    if not inner:
        return False
    count = 1 if kind == "one" else rng.randint(1, min(len(inner), size // 2))
    symbol = rng.choice(abc.CENSORS)
    for i in rng.sample(inner, count):
        form.put(i, rng.choice(abc.CENSORS) if kind == "mixed" else symbol)
        form.single.add(i)
    form.avoid.update(abc.CENSORS)
    form.kinds.append(kind)
    return True


# Chinese ---------------------------------------------------------------------------------------------------------------


def simplified(form, rng, number):
    return replace(form, rng, form.han(), lambda c: variants().get(c, []), "variant")


def pinyin(form, rng, number):
    kind = turn(("joined", "mixed", "apostrophes", "blanks", "first capital"), number)
    places = form.han()
    if kind == "mixed":
        if len(places) < 2:
            return False
        places = sorted(rng.sample(places, rng.randint(1, len(places) - 1)))
    if not places or any(c not in readings().main for c in form.term if ord(c) > 0x2E00):
        return False
    for i in reversed(places):
        syllable = readings().main[form.units[i]].replace("ü", rng.choice("vuü"))
        if kind == "first capital":
            syllable = syllable.capitalize()
        if i + 1 < len(form.units):
            form.gaps[i] = {"apostrophes": "'", "blanks": " "}.get(kind, form.gaps[i])
        form.expand(i, list(syllable))
    form.spelled = True
    if kind == "blanks":
        form.needs.add("separators")
    form.kinds.append(kind)
    return True


def initials(form, rng, number):
    if len(form.han()) != len(form.units) or len(form.units) < 3:
        return False
    kind = turn(("small", "capital"), number)
    form.units = [readings().main[c][0] for c in form.units]
    form.spelled = True
    if kind == "capital":
        form.units = [c.upper() for c in form.units]
    form.kinds.append(kind)
    return True


def homophones(form, rng, number):
    kind = turn(("one", "some"), number)
    places = form.han()
    if kind == "one" and places:
        places = [i for i in places if readings().homophones(form.units[i])]
        places = [rng.choice(places)] if places else []
    return replace(form, rng, places, lambda c: readings().homophones(c), kind)


# How it is sent --------------------------------------------------------------------------------------------------------


def elements(form, rng, number):
    form.sending = "elements"
    form.kinds.append("elements")
    return True


def escapes(form, rng, number):
    form.sending = turn(("cloud", "custom"), number)
    form.kinds.append(form.sending)
    return True


# The table -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class EvasionClass:
    name: str
    evade: object
    rank: int               # in a pair, the one with the lower rank works first
    folding: tuple = ()     # beside the base
    groups: tuple = ("english", "chinese")
    control: bool = True    # without its folding it is hardly caught
    bare: tuple = ("case", "invisible")     # the folding of that control
    clashes: frozenset = field(default_factory=frozenset)   # classes it makes no sense with, on the same term


def _class(evade, rank, own=True, clashes=(), **more):
    folding = (evade.__name__,) if own else ()
    return EvasionClass(evade.__name__, evade, rank, folding, clashes=frozenset(clashes), **more)


ALL = ("english", "chinese", "numbers")
CLASSES = {c.name: c for c in (
    _class(case, 6, own=False, bare=()),
    _class(invisible, 8, own=False, bare=()),
    _class(accents, 4, groups=("english",)),
    _class(letters, 3, groups=("english",)),
    _class(lookalikes, 3, groups=("english",)),
    _class(leet, 3, groups=("english",)),
    _class(numbers, 2, groups=("numbers",)),
    _class(separators, 7),
    _class(repeats, 5),
    _class(simplified, 1, groups=("chinese",)),
    _class(pinyin, 0, groups=("chinese",)),
    # Two letters for three characters leave nothing to censor, to spell or to repeat.
    _class(initials, 0, groups=("chinese",),
           clashes=("pinyin", "homophones", "simplified", "censored", "repeats", "leet", "lookalikes")),
    _class(homophones, 1, groups=("chinese",)),
    # "q*n" for a syllable is a guess, not a reading.
    _class(censored, 3, clashes=("pinyin",)),
    _class(elements, 9, own=False, groups=ALL, control=False, clashes=("escapes",)),
    _class(escapes, 9, own=False, groups=ALL, control=False),
)}
BASE = ("case", "invisible")
