"""alphabets.py - the characters that evaders use, from Unicode's own data and from what people write.

Nothing here comes from the tables of the program under test. Built once at import; read only afterwards.
"""
import string
import unicodedata
from pathlib import Path

DATA = Path(__file__).with_name("data")
UNICODE = Path("/usr/share/unicode")  # Debian's package unicode-data


def groups_of(path):
    """{group: [line]} of one of our data files."""
    groups, lines = {}, None
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            lines = groups.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            lines.append(line)
    return groups


def _lookalikes(lines):
    return {letter: rest.split() for letter, rest in (line.split(": ") for line in lines)}


LOOKALIKES = {name: _lookalikes(lines) for name, lines in groups_of(DATA / "lookalikes.txt").items()}

# Letters in other dress ---------------------------------------------------------------------------------------------


def _run(first_capital=None, first_small=None):
    """The alphabet that begins at these code points; one of the two is enough."""
    out = {}
    for i, letter in enumerate(string.ascii_lowercase):
        out[letter] = [chr(first + i) for first in (first_capital, first_small) if first]
    return out


def _pairs(text):
    return {pair[0]: [pair[1:]] for pair in text.split()}


LETTER_STYLES = {
    "negative circled": _run(0x1F150),
    "negative squared": _run(0x1F170),
    "parenthesised": _run(0x1F110, 0x249C),
    "regional": _run(0x1F1E6),
    "small capitals": _pairs("aᴀ bʙ cᴄ dᴅ eᴇ fꜰ gɢ hʜ iɪ jᴊ kᴋ lʟ mᴍ nɴ oᴏ pᴘ rʀ sꜱ tᴛ uᴜ vᴠ wᴡ yʏ zᴢ"),
    "circled": _run(0x24B6, 0x24D0),
    "squared": _run(0x1F130),
    "bold": _run(0x1D400, 0x1D41A),
    "script": _run(0x1D4D0, 0x1D4EA),
    "fraktur": _run(0x1D56C, 0x1D586),
    "monospace": _run(0x1D670, 0x1D68A),
    "superscript": _pairs("aᵃ bᵇ cᶜ dᵈ eᵉ fᶠ gᵍ hʰ iⁱ jʲ kᵏ lˡ mᵐ nⁿ oᵒ pᵖ rʳ sˢ tᵗ uᵘ vᵛ wʷ xˣ yʸ zᶻ"),
    "subscript": _pairs("aₐ eₑ hₕ iᵢ jⱼ kₖ lₗ mₘ nₙ oₒ pₚ rᵣ sₛ tₜ uᵤ vᵥ xₓ"),
}

# Compatibility forms (NFKC): what stands for one or several plain characters -----------------------------------------


def _compatibility_forms():
    forms = {}
    for first, last in ((0x2E80, 0x2FDF), (0x3280, 0x32B0), (0xF900, 0xFAFF), (0xFB00, 0xFB06), (0x2F800, 0x2FA1D)):
        for code in range(first, last + 1):
            plain = unicodedata.normalize("NFKC", chr(code))
            if plain != chr(code) and plain.isalpha():
                forms.setdefault(plain, []).append(chr(code))
    forms.setdefault("s", []).append("\u017f")
    forms.setdefault("k", []).append("\u212a")
    return forms


COMPATIBILITY = _compatibility_forms()


def full_width(text):
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


# Invisible characters ------------------------------------------------------------------------------------------------


def _default_ignorables():
    """Assigned default-ignorable characters, as Debian's copy of DerivedCoreProperties.txt lists them."""
    found = []
    for line in (UNICODE / "DerivedCoreProperties.txt").read_text(encoding="utf-8").splitlines():
        fields = line.split("#")[0].split(";")
        if len(fields) == 2 and fields[1].strip() == "Default_Ignorable_Code_Point":
            first, _, last = fields[0].strip().partition("..")
            codes = range(int(first, 16), int(last or first, 16) + 1)
            found += [chr(c) for c in codes if unicodedata.category(chr(c)) != "Cn"]
    return found


INVISIBLES = _default_ignorables()
USUAL_INVISIBLES = list("\u200b\u200c\u200d\u2060\ufeff\u200e\u200f\u202a\u202c\u202e\u2066\u2069\u00ad\u034f\u061c"
                        "\u115f\u1160\u3164\uffa0\ufe00\ufe0e\ufe0f\U000e0061\U000e007f")

# Accents ---------------------------------------------------------------------------------------------------------------

# U+0345 is left out: it folds to a letter. U+034F is an invisible character, 0340-0344 are other marks twice over.
MARKS = [chr(c) for c in [*range(0x300, 0x340), *range(0x346, 0x34F), *range(0x350, 0x363), 0x20D0, 0x20D1, 0x1DC4]]
USUAL_MARKS = list("\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0323\u0327\u0328\u0331\u0335")
STROKES = _pairs("bƀ dđ gǥ hħ iɨ jɉ kꝁ lł oø pᵽ rɍ tŧ uʉ yɏ zƶ")


def _precomposed():
    out = {}
    for code in [*range(0xC0, 0x250), *range(0x1E00, 0x1F00)]:
        parts = unicodedata.normalize("NFD", chr(code))
        if len(parts) > 1 and parts[0].isascii():
            out.setdefault(parts[0].lower(), []).append(chr(code))
    return out


PRECOMPOSED = _precomposed()

# Leet, numbers ---------------------------------------------------------------------------------------------------------

LEET = {"a": "4@", "e": "3", "i": "1!", "l": "1", "o": "0", "s": "5$", "t": "7+", "b": "8", "g": "96", "z": "2"}

CHINESE_DIGITS = ["〇零", "一壹", "二贰貳", "三叁參", "四肆", "五伍", "六陆陸", "七柒", "八捌", "九玖"]


def _digits_of_other_scripts():
    """{"Arabic-Indic": first code point, ...}: ten in a row."""
    names = ["ARABIC-INDIC", "EXTENDED ARABIC-INDIC", "DEVANAGARI", "BENGALI", "THAI", "LAO", "KHMER", "TAMIL",
             "MYANMAR", "TIBETAN"]
    return {name: ord(unicodedata.lookup(f"{name} DIGIT ZERO")) for name in names}


SCRIPT_DIGITS = _digits_of_other_scripts()


def _digit_run(one, zero=None):
    """Forms of 0..9 whose 1..9 begin at `one`; None where there is no zero."""
    return [chr(zero) if zero else None] + [chr(one + i) for i in range(9)]


NUMBER_STYLES = {
    "full-width": [chr(0xFF10 + i) for i in range(10)],
    "circled": _digit_run(0x2460, 0x24EA),
    "superscript": list("⁰¹²³⁴⁵⁶⁷⁸⁹"),
    "subscript": list("₀₁₂₃₄₅₆₇₈₉"),
    "parenthesised": _digit_run(0x2474),
    "full stop": _digit_run(0x2488, 0x1F100),
    "negative circled": _digit_run(0x2776, 0x24FF),
    "sans-serif negative circled": _digit_run(0x278A, 0x1F10C),
    "double circled": _digit_run(0x24F5),
    "roman": _digit_run(0x2160),
    "small roman": _digit_run(0x2170),
    "keycap": [f"{i}\ufe0f\u20e3" for i in range(10)],
    "circled Chinese": _digit_run(0x3280),
}

# Separators, censoring -------------------------------------------------------------------------------------------------

PUNCTUATION = list(".-_*/|~,、。·…") + ["—", "•", "＿", "．"]
SPACES = [" ", "\t", "\u2028", "\u3000", "\u00a0", "\u2009"]
EMOJI = ["😀", "🔥", "❤️", "👍🏽", "🌸", "✨", "💰", "👨‍👩‍👧", "🐉", "☀️"]
BOXES = list("─│┃═┼█▒■")
CENSORS = list("*#_×＊●○□")
