"""unihan.py - readings and variants of Chinese characters, from the Unihan files of Debian's package unicode-data."""
import bz2
import functools
import re
import unicodedata

from alphabets import UNICODE

TONES = "\u0300\u0301\u0304\u030c"
COMMON = 40  # occurrences in the corpus behind kHanyuPinlu: a character people know how to type


def toneless(reading):
    """"lǜ" gives "lü"."""
    parts = unicodedata.normalize("NFD", reading)
    return unicodedata.normalize("NFC", "".join(c for c in parts if c not in TONES))


def _fields(name, wanted):
    with bz2.open(UNICODE / name, "rt", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("U+"):
                code, field, value = line.rstrip("\n").split("\t")
                if field in wanted:
                    yield chr(int(code[2:], 16)), field, value


class Readings:
    def __init__(self):
        self.main = {}      # character: its usual reading without tone
        self.common = {}    # character: {reading: occurrences}
        for character, field, value in _fields("Unihan_Readings.txt.bz2", ("kMandarin", "kHanyuPinlu")):
            if field == "kMandarin":
                self.main[character] = toneless(value.split()[0])
            else:
                known = self.common.setdefault(character, {})
                for reading, count in re.findall(r"([^\s(]+)\((\d+)\)", value):
                    known[toneless(reading)] = known.get(toneless(reading), 0) + int(count)
        self.alike = {}     # reading: common characters read so and in no other way
        for character, known in self.common.items():
            if len(known) == 1 and self.main.get(character) in known and known[self.main[character]] >= COMMON:
                self.alike.setdefault(self.main[character], []).append(character)

    def homophones(self, character):
        """Other characters of the same reading, those of the same word in another script left out."""
        out = self.alike.get(self.main.get(character), [])
        same = variants().get(character, [])
        return [c for c in out if c != character and c not in same and character not in variants().get(c, [])]


@functools.cache
def readings():
    return Readings()


# Other ways to write a simplified character that Unihan knows as semantic or z-variants, not as traditional ones.
EXTRA_VARIANTS = {"里": "裏裡", "群": "羣", "峰": "峯", "床": "牀", "双": "雙", "鸡": "鷄雞", "线": "線綫", "号": "號",
                  "猫": "貓", "灯": "燈", "鼓": "皷", "剑": "劍劒", "楼": "樓", "凤": "鳳"}


@functools.cache
def variants():
    """{character: [its traditional, simplified or variant forms]}, both ways."""
    out = {}
    for character, _, value in _fields("Unihan_Variants.txt.bz2", ("kTraditionalVariant", "kSimplifiedVariant")):
        for code in value.split():
            other = chr(int(code.split("<")[0][2:], 16))
            if other != character and other not in out.setdefault(character, []):
                out[character].append(other)
    for character, others in EXTRA_VARIANTS.items():
        known = out.setdefault(character, [])
        known += [c for c in others if c not in known]
    return out
