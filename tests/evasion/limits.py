"""limits.py - what a folding must leave alone: texts that look like an evasion and are none.

Seeing through everything is easy; seeing through no more than that is what users notice. Each limit gives rows of
(foldings beside the base, term, text) that must not hit the term.
"""
import random

from unihan import readings
from variants import TERMS

LETTER_FOLDINGS = ("accents", "letters", "lookalikes", "leet", "repeats")
SINGLE_WORDS = [term for term in TERMS["english"] if " " not in term]


def part_of_a_longer_word():
    for folding in ((), *((name,) for name in LETTER_FOLDINGS), ("separators",), ("censored",)):
        for term in SINGLE_WORDS[:10]:
            yield folding, term, f"the {term}ish one"
            yield folding, term, f"un{term} it"


def fewer_letters_than_the_term():
    for term in SINGLE_WORDS:
        for i in range(1, len(term)):
            if term[i] == term[i - 1]:
                yield ("repeats",), term, term[:i] + term[i + 1:]
        yield ("repeats",), term, term[:-1]


def a_single_blank():
    """Two words side by side are two words."""
    for term in SINGLE_WORDS:
        yield ("separators",), term, f"well, {term[:len(term) // 2]} {term[len(term) // 2:]} it is"


def the_first_letter_censored():
    for term in SINGLE_WORDS:
        yield ("censored",), term, "so anyway *" + term[1:] + " lol"


def more_than_half_censored():
    for term in SINGLE_WORDS:
        hidden = len(term) - 2
        if hidden > len(term) // 2:
            yield ("censored",), term, f"so anyway {term[0]}{'*' * hidden}{term[-1]} lol"


def another_letter():
    """A real letter in place of one is another word, whatever is on."""
    for term in SINGLE_WORDS:
        other = "w" if "w" not in term else "k"
        text = term[:2] + other + term[3:]
        yield (*LETTER_FOLDINGS, "separators", "censored"), term, f"did you see {text} yesterday"


def another_number():
    for term in TERMS["numbers"]:
        last = int(term[-1]) if term[-1].isdigit() else None
        if last is not None:
            yield ("numbers",), term, term[:-1] + "〇一二三四五六七八九"[(last + 1) % 10]
            yield ("numbers",), term, term[:-1] + chr(0x0660 + (last + 3) % 10)


def initials_that_may_be_a_word():
    """Two letters are taken for initials only when no word can be made of them: wx, but not an."""
    for term in ("案卷", "安宁", "燕窝", "鹅毛", "艾叶", "羊毛"):
        short = "".join(readings().main[c][0] for c in term)
        yield ("initials",), term, short
        yield ("initials",), term, f"so anyway {short.upper()} lol"


def initials_inside_a_word():
    for term in TERMS["chinese"]:
        if len(term) > 2:
            short = "".join(readings().main[c][0] for c in term)
            yield ("initials",), term, f"so anyway o{short}e lol"


def pinyin_inside_a_word():
    for term in TERMS["chinese"]:
        word = "".join(readings().main[c] for c in term)
        yield ("pinyin",), term, f"so anyway x{word}ed lol"


def another_reading():
    rng = random.Random("another reading")
    common = sorted(readings().alike.items())
    for term in TERMS["chinese"]:
        place = rng.randrange(len(term))
        reading, characters = rng.choice(common)
        if reading != readings().main[term[place]]:
            yield ("homophones", "simplified"), term, term[:place] + rng.choice(characters) + term[place + 1:]


LIMITS = (part_of_a_longer_word, fewer_letters_than_the_term, a_single_blank, the_first_letter_censored,
          more_than_half_censored, another_letter, another_number, initials_that_may_be_a_word, initials_inside_a_word,
          pinyin_inside_a_word, another_reading)
