"""The evasion suite: recall for each class of evasion and for pairs of them, false positives on the benign texts.

    test_evasion.py                          everything, with a table; what ctest runs as evasion.suite
    test_evasion.py --class leet --misses 50 one class (or several), and what was missed
    test_evasion.py --pairs | --limits | --starter | --every-folding    one part

The texts are generated, the same in every run, from Unicode's data and from what people write (alphabets.py), never
from tables of the program. Thresholds are the project's promise: see the constants.
"""
import argparse
import random
import sys
import unicodedata
import unittest
from collections import Counter

from trial import Refused, hits_of, overlapping, try_file, try_lists
from harness import ROOT, scaled
from limits import LIMITS
from unihan import readings
import variants as suite
from variants import BASE, CLASSES

RECALL_OF_A_CLASS = 0.98
RECALL_OF_PAIRS = 0.95
CONTROL_AT_MOST = 0.5       # caught without the class's folding
FALSE_POSITIVES = 0.002
VARIANTS_AT_LEAST = 50
TERMS_AT_LEAST = 10
BENIGN_AT_LEAST = 3000
LISTS_A_RUN = 8

BENIGN = ROOT / "config/rules/benign.txt"
STARTER = ROOT / "config/rules/starter.yaml"

PARTS = ("classes", "literals", "pairs", "limits", "starter", "every_folding")
options = argparse.Namespace(**dict.fromkeys(PARTS), misses=6)


def only_if_asked(test, part):
    if any(getattr(options, name) for name in PARTS) and not getattr(options, part):
        test.skipTest("not asked for")


def folding_sets(variants):
    """{folding: [index]}: most variants of a class need the same, pinyin with blanks needs separators too."""
    sets = {}
    for i, variant in enumerate(variants):
        sets.setdefault(suite.folding_of(variant), []).append(i)
    return sets


class Score:
    """What was caught of some variants, and how exactly."""

    def __init__(self):
        self.total = self.caught = self.exact = self.located = self.control = 0
        self.by_group = {}
        self.missed = []
        self.broken = []    # hits that cut a character in two

    def add(self, variant, hits, controlled=False):
        if variant.sending == "text":
            hits = overlapping(hits, variant.span)
            text = variant.text.encode()
            self.broken += [variant for h in hits for at in (h["start"], h["end"])
                            if not 0 <= at <= len(text) or text[at:at + 1] and text[at] & 0xC0 == 0x80]
            self.located += bool(hits)
            self.exact += any((h["start"], h["end"]) == variant.span for h in hits)
        group = self.by_group.setdefault(variant.group, [0, 0])
        group[0] += 1
        self.total += 1
        self.control += controlled
        if hits:
            group[1] += 1
            self.caught += 1
        else:
            self.missed.append(variant)

    def recall(self):
        return self.caught / self.total if self.total else 0.0

    def exactness(self):
        return f"{self.exact / self.located:.3f}" if self.located else "-"

    def of(self, group):
        total, caught = self.by_group.get(group, (0, 0))
        return f"{caught / total:.3f}" if total else "-"

    def print_misses(self, kinds_shown):
        for kinds, count in Counter(v.kinds for v in self.missed).most_common(kinds_shown):
            shown = [v for v in self.missed if v.kinds == kinds][:max(1, kinds_shown // 3)]
            print(f"    missed {count} of kind {kinds}: " + ", ".join(f"{v.term} as {v.text!r}" for v in shown))


def score_class(name):
    found = suite.of_class(name)
    terms = suite.terms()
    verdicts, controls = [None] * len(found), [False] * len(found)
    for folding, places in folding_sets(found).items():
        lists = [("own", folding, terms), ("control", CLASSES[name].bare, terms)]
        for i, verdict in zip(places, try_lists(lists, [found[i] for i in places])):
            verdicts[i] = verdict
            controls[i] = bool(overlapping_of(found[i], hits_of(verdict, "control", found[i].term)))
    score = Score()
    for variant, verdict, controlled in zip(found, verdicts, controls):
        score.add(variant, hits_of(verdict, "own", variant.term), controlled)
    return found, score


def overlapping_of(variant, hits):
    return overlapping(hits, variant.span) if variant.sending == "text" else hits


def score_pairs(pairs):
    """{pair: Score}. Several pairs share a run of the program, each with its own lists."""
    jobs = []
    for pair in pairs:
        for folding, places in folding_sets(found := suite.of_pair(pair)).items():
            jobs.append((pair, folding, [found[i] for i in places]))
    scores = {pair: Score() for pair in pairs}
    for first in range(0, len(jobs), LISTS_A_RUN):
        batch = jobs[first:first + LISTS_A_RUN]
        lists = [(f"pair-{i}", folding, suite.terms()) for i, (_, folding, _) in enumerate(batch)]
        owners = [(i, pair, variant) for i, (pair, _, found) in enumerate(batch) for variant in found]
        verdicts = try_lists(lists, [variant for _, _, variant in owners])
        for (i, pair, variant), verdict in zip(owners, verdicts):
            scores[pair].add(variant, hits_of(verdict, f"pair-{i}", variant.term))
    return scores


def benign_texts():
    lines = BENIGN.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


class Suite(unittest.TestCase):
    """The texts themselves."""

    def test_terms_cannot_be_taken_for_each_other(self):
        terms = suite.terms()
        self.assertEqual(len(terms), len(set(terms)))
        initials, syllables = Counter(), Counter()
        for term in suite.TERMS["chinese"]:
            read = [readings().main[c] for c in term]
            initials["".join(r[0] for r in read)] += len(term) > 2
            syllables[" ".join(read)] += 1
        self.assertEqual([k for k, n in (initials + syllables).items() if n > 1], [])

    def test_every_class_has_enough_variants_and_none_is_plain(self):
        for name in CLASSES:
            with self.subTest(evasion=name):
                found = suite.of_class(name)
                self.assertGreaterEqual(len(found), VARIANTS_AT_LEAST)
                self.assertGreaterEqual(3 * sum(v.span != (0, len(v.text.encode())) for v in found), len(found))
                for group in CLASSES[name].groups:
                    of_group = [v for v in found if v.group == group]
                    self.assertGreaterEqual(len({v.term for v in of_group}), TERMS_AT_LEAST, group)
                    self.assertGreaterEqual(len(of_group), VARIANTS_AT_LEAST, group)
                if name not in ("elements", "escapes"):
                    self.assertEqual([v.text for v in found if suite.is_plain(v.term, v.text)], [])

    def test_the_same_in_every_run(self):
        for name in ("separators", "homophones", "escapes"):
            self.assertEqual([v.body for v in suite.of_class(name)], [v.body for v in suite.of_class(name)])

    def test_every_pair_has_variants(self):
        counts = {pair: len(suite.of_pair(pair)) for pair in suite.pairs()}
        self.assertEqual({pair for pair, count in counts.items() if 0 < count < 5}, set())
        self.assertGreaterEqual(sum(count > 0 for count in counts.values()), 70)


class Recall(unittest.TestCase):
    maxDiff = None

    def test_classes(self):
        only_if_asked(self, "classes")
        print(f"\n{'class':13}{'variants':>9}{'recall':>8}{'english':>9}{'chinese':>9}{'numbers':>9}{'exact':>7}"
              f"{'control':>9}")
        faults = []
        for name in options.classes or CLASSES:
            try:
                found, score = score_class(name)
            except Refused as refused:
                faults.append(f"{name}: {refused}")
                print(f"{name:13}  refused: {str(refused).splitlines()[1]}")
                continue
            control = score.control / score.total
            print(f"{name:13}{score.total:9}{score.recall():8.3f}" +
                  "".join(f"{score.of(group):>9}" for group in suite.ALL) +
                  f"{score.exactness():>7}" + (f"{control:9.3f}" if CLASSES[name].control else f"{'-':>9}"))
            score.print_misses(options.misses)
            if score.recall() < RECALL_OF_A_CLASS:
                faults.append(f"{name}: recall {score.recall():.3f} is below {RECALL_OF_A_CLASS}")
            if CLASSES[name].control and control > CONTROL_AT_MOST:
                faults.append(f"{name}: {control:.3f} are caught without its folding, so they show nothing")
            faults += [f"{name}: a hit cuts a character of {v.text!r}" for v in score.broken]
        if faults:
            self.fail("\n" + "\n".join(faults))

    def test_pairs(self):
        only_if_asked(self, "pairs")
        pairs = suite.pairs()
        every = -(-len(pairs) // scaled(len(pairs)))    # the slow builds look at every third or so
        scores = {pair: score for pair, score in score_pairs(pairs[::every]).items() if score.total}
        total = sum(score.total for score in scores.values())
        recall = sum(score.caught for score in scores.values()) / total
        print(f"\npairs: {len(scores)}, variants {total}, recall {recall:.3f}; those below {RECALL_OF_A_CLASS}:")
        for pair, score in sorted(scores.items(), key=lambda item: item[1].recall()):
            if score.recall() < RECALL_OF_A_CLASS:
                print(f"{' + '.join(pair):28}{score.total:6}{score.recall():8.3f}")
                score.print_misses(-(-options.misses // 3))
        self.assertEqual([v.text for score in scores.values() for v in score.broken], [], "hits that cut characters")
        self.assertGreaterEqual(recall, RECALL_OF_PAIRS)


class Literals(unittest.TestCase):
    def test_more_steps_lose_no_literal(self):
        """A term that stands there as it is, between ordinary words, is found whatever else is on."""
        only_if_asked(self, "literals")
        rng = random.Random("literals")
        benign = [suite.as_it_is(text).text for text in benign_texts()]
        chinese = [text for text in benign if any("\u4e00" <= c < "\ua000" for c in text)]
        texts = [rng.choice(chinese) + rng.choice(suite.TERMS["chinese"]) + rng.choice(chinese) for _ in range(3000)]
        texts += [f"{rng.choice(benign)} {rng.choice(suite.TERMS['english'])} {rng.choice(benign)}" for _ in range(1500)]
        texts += [rng.choice(chinese) + rng.choice(suite.TERMS["english"]) + rng.choice(chinese) for _ in range(1500)]
        texts = [suite.as_it_is(text) for text in texts]
        everything = tuple(dict.fromkeys(f for c in CLASSES.values() for f in c.folding))
        found = [bool(v["hits"]) for v in try_lists([("all", BASE, suite.terms())], texts)]
        self.assertGreater(sum(found), len(texts) * 0.95)
        for folding in (everything, ("repeats", "pinyin"), ("repeats", "homophones"), ("separators", "leet", "censored")):
            verdicts = try_lists([("all", BASE + folding, suite.terms())], texts)
            lost = [text.text for text, was, v in zip(texts, found, verdicts) if was and not v["hits"]]
            print(f"\nliterals in ordinary texts: {sum(found)}; with {', '.join(folding[:4])}...: {len(lost)} lost")
            self.assertEqual(lost[:5], [])


class FalsePositives(unittest.TestCase):
    def test_limits(self):
        only_if_asked(self, "limits")
        print(f"\n{'limit':32}{'texts':>6}{'hit':>5}")
        wrong = []
        for limit in LIMITS:
            rows = list(limit())
            hits = []
            for folding in dict.fromkeys(row[0] for row in rows):
                texts = [suite.as_it_is(text) for f, _, text in rows if f == folding]
                terms = list(dict.fromkeys([*suite.terms(), *(row[1] for row in rows)]))
                verdicts = try_lists([("all", BASE + folding, terms)], texts)
                hits += [(folding, term, text) for (_, term, text), verdict
                         in zip([row for row in rows if row[0] == folding], verdicts) if hits_of(verdict, "all", term)]
            print(f"{limit.__name__.replace('_', ' '):32}{len(rows):6}{len(hits):5}")
            for folding, term, text in hits[:options.misses]:
                print(f"    {term} in {text!r} with {', '.join(folding) or 'the base'}")
            wrong += hits
        self.assertEqual(len(wrong), 0, "these are no evasions")

    def test_the_benign_texts_are_as_promised(self):
        texts = benign_texts()
        self.assertGreaterEqual(len(texts), BENIGN_AT_LEAST)
        self.assertEqual([text for text, count in Counter(texts).items() if count > 1], [])
        self.assertEqual([text for text in texts if len(text.encode()) > 200], [])
        self.assertEqual([text for text in texts if text != text.strip() or "\ufffd" in text or
                          any(unicodedata.category(c) == "Cc" for c in text)], [])

    def test_starter_rules(self):
        only_if_asked(self, "starter")
        texts = benign_texts()
        verdicts = try_file(STARTER, texts)
        wrong = [(text, v) for text, v in zip(texts, verdicts) if v["verdict"] != "allow"]
        print(f"\nbenign texts: {len(texts)}; starter rules: {len(wrong)} false positives, {len(wrong) / len(texts):.2%}")
        for text, verdict in wrong[:20]:
            counted = [h for h in verdict["hits"] if h["state"] == "counted"]
            print(f"    {verdict['verdict']} {text!r}: " + ", ".join(f"{h['rule']} {h['matched']!r}" for h in counted))
        self.assertLessEqual(len(wrong) / len(texts), FALSE_POSITIVES)

    def test_information_every_folding(self):
        """Printed, not judged: how the suite's own terms fare with everything on. Fails only if the run does."""
        only_if_asked(self, "every_folding")
        folding = BASE + tuple(dict.fromkeys(f for c in CLASSES.values() for f in c.folding))
        texts = benign_texts()
        verdicts = try_lists([("all", folding, suite.terms())], [suite.as_it_is(text) for text in texts])
        wrong = [(text, v) for text, v in zip(texts, verdicts) if v["hits"]]
        print(f"\nbenign texts: {len(texts)}; {len(suite.terms())} made-up terms with every folding: {len(wrong)} hit, "
              f"{len(wrong) / len(texts):.2%}")
        for text, verdict in wrong[:20]:
            print(f"    {text!r}: " + ", ".join(f"{h['term']} in {h['matched']!r}" for h in verdict["hits"]))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--class", dest="classes", action="append", default=[], choices=list(CLASSES), metavar="NAME",
                        help="only this class; may be repeated: " + ", ".join(CLASSES))
    parser.add_argument("--pairs", action="store_true", help="only the pairs")
    parser.add_argument("--literals", action="store_true", help="only terms as they are, between ordinary words")
    parser.add_argument("--limits", action="store_true", help="only what the foldings must leave alone")
    parser.add_argument("--starter", action="store_true", help="only the starter rules over the benign texts")
    parser.add_argument("--every-folding", action="store_true", help="only the suite's terms over the benign texts")
    parser.add_argument("--misses", type=int, default=6, metavar="N", help="how many kinds of misses to show")
    return parser.parse_known_args()


if __name__ == "__main__":
    known, rest = arguments()
    vars(options).update(vars(known))
    unittest.main(argv=[sys.argv[0], *rest], verbosity=1)
