"""variants.py - the texts of the suite: variants of one class, and of two classes at a time. The same in every run."""
import random
import re
import unicodedata
from dataclasses import dataclass
from itertools import combinations

import alphabets as abc
from classes import ALL, BASE, CLASSES
from form import AROUND_CHINESE, AROUND_ENGLISH, Form, body_of

PER_CLASS = 240     # variants wanted of a class, over its groups of terms
PER_PAIR = 45       # of a pair, over the groups it can work on
TERMS = abc.groups_of(abc.DATA / "terms.txt")


@dataclass
class Variant:
    classes: tuple
    group: str
    term: str
    kinds: str
    folding: tuple      # needed beyond the base
    text: str           # with the words around it
    span: tuple         # bytes of the variant in the text
    sending: str
    body: str           # the webhook body that carries it

    def needs_callback(self):
        return self.sending != "text" or "\n" in self.text or "\r" in self.text


def as_it_is(text):
    """A text of no class."""
    return Variant((), "", "", "", (), text, (0, len(text.encode())), "text", "")


def is_plain(term, text):
    """Whether the text shows the term as it stands in the list, as a word where words count."""
    if not term[0].isascii() or not term[-1].isascii():
        return term in text
    for found in re.finditer(re.escape(term), text):
        before, after = text[:found.start()][-1:], text[found.end():][:1]
        if not (before.isalnum() and before.isascii()) and not (after.isalnum() and after.isascii()) \
                and not (after and unicodedata.category(after)[0] == "M"):
            return True
    return False


def put_words_around(form, rng):
    if rng.random() < 0.5:
        latin = form.is_latin() or not any(unicodedata.category(c) == "Lo" for c in form.core()) and rng.random() < 0.5
        form.around = rng.choice(AROUND_ENGLISH if latin else AROUND_CHINESE)


def one_variant(names, group, term, rng, number):
    """None when a class cannot change this term."""
    form = Form(term)
    classes = sorted((CLASSES[name] for name in names), key=lambda c: c.rank)
    if "separators" in names and "lookalikes" in names:
        form.avoid.add("|")     # a letter to one, a separator to the other
    if not all(c.evade(form, rng, number) for c in classes):
        return None
    put_words_around(form, rng)
    folding = {name for c in classes for name in c.folding} | form.needs
    body = body_of(form, rng)
    if form.sending == "text" and is_plain(term, form.text()):
        return None
    if form.sending != "text" and is_plain(term, body):     # seen whole in one field
        return None
    return Variant(tuple(names), group, term, "+".join(form.kinds), tuple(sorted(folding)), form.text(), form.span(),
                   form.sending, body)


def collect(names, groups, wanted):
    """Up to `wanted` different variants, over the terms of the groups in turn."""
    found = {}
    for group in groups:
        rng = random.Random("/".join((*names, group)))
        goal = len(found) + -(-wanted // len(groups))
        terms = TERMS[group]
        for number in range(wanted * 12):
            if len(found) >= goal:
                break
            term = terms[number % len(terms)]
            variant = one_variant(names, group, term, rng, number % len(terms) + number // len(terms))
            if variant:
                found.setdefault(variant.body, variant)
    return list(found.values())


def of_class(name):
    return collect((name,), CLASSES[name].groups, PER_CLASS)


def pairs():
    """Every two classes that make sense on one term."""
    return [(a, b) for a, b in combinations(CLASSES, 2)
            if b not in CLASSES[a].clashes and a not in CLASSES[b].clashes]


def of_pair(pair):
    return collect(pair, ALL, PER_PAIR)


def terms():
    return [term for group in TERMS.values() for term in group]


def folding_of(variant):
    return BASE + variant.folding
