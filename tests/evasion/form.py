"""form.py - one way to write a term: what the evasion classes change, step by step, and how it is sent.

A term is a row of units (at first its letters or characters) with a gap between each two ("" or what separates them).
An evasion changes units it has not seen changed before, or fills gaps; so two of them can work on one term.
"""
import json
import unicodedata

LATIN = set("abcdefghijklmnopqrstuvwxyz")

# Ordinary words around a variant, {} in its place. English variants stand as words of their own.
AROUND_ENGLISH = ["so anyway {} lol", "did you see {} yesterday", "well, {} it is", "they said {} and left"]
AROUND_CHINESE = ["我说{}啊", "昨天的{}真不错", "大家都去看{}了", "这里有{}吗"]


class Form:
    def __init__(self, term):
        self.term = term
        self.units, self.gaps = [], []
        for character in term:
            if character == " ":
                self.gaps[-1] = " "
            else:
                self.units.append(character)
                self.gaps.append("")
        self.gaps.pop()
        self.changed = set()    # indices of units an evasion has replaced
        self.single = set()     # of those, what must not be repeated: digits, and what hides a letter
        self.spelled = any(c.isascii() and c.isalnum() for c in term)   # letters or digits a word is made of
        self.needs = set()      # foldings beyond those of the classes applied
        self.avoid = set()      # characters that would mean something else to another class of the same form
        self.sending = "text"   # or elements, cloud, custom
        self.kinds = []         # for people: which way each class took
        self.around = "{}"

    def latin(self):
        """Indices of untouched Latin letters."""
        return [i for i, unit in enumerate(self.units) if unit in LATIN and i not in self.changed]

    def han(self):
        return [i for i, unit in enumerate(self.units)
                if i not in self.changed and len(unit) == 1 and unicodedata.category(unit) == "Lo"]

    def digits(self):
        return [i for i, unit in enumerate(self.units)
                if i not in self.changed and len(unit) == 1 and unit in "0123456789"]

    def put(self, index, text):
        self.units[index] = text
        self.changed.add(index)

    def expand(self, index, letters):
        """One unit becomes several, with nothing between them."""
        self.units[index:index + 1] = letters
        self.gaps[index:index] = [""] * (len(letters) - 1)
        self.changed = {i if i < index else i + len(letters) - 1 for i in self.changed}

    def is_latin(self):
        return all(c.isascii() for c in self.term)

    def core(self):
        out = [self.units[0]]
        for gap, unit in zip(self.gaps, self.units[1:]):
            out += [gap, unit]
        return "".join(out)

    def text(self):
        return self.around.format(self.core())

    def span(self):
        """Bytes of text() that are the variant."""
        start = len(self.around.partition("{}")[0].encode())
        return start, start + len(self.core().encode())

    def pieces(self, rng):
        """text() cut inside the variant, between units, into two or three."""
        count = min(rng.choice((2, 2, 3)), len(self.units))
        cuts = set(rng.sample(range(1, len(self.units)), count - 1))
        before, _, after = self.around.partition("{}")
        pieces = [before + self.units[0]]
        for i, (gap, unit) in enumerate(zip(self.gaps, self.units[1:]), start=1):
            pieces[-1] += gap
            if i in cuts:
                pieces.append(unit)
            else:
                pieces[-1] += unit
        pieces[-1] += after
        return pieces


def escaped(text, rng, all_of_it):
    """The inside of a JSON string: \\uXXXX for every character, or for some of them."""
    out = []
    for character in text:
        plain = json.dumps(character)[1:-1]
        if all_of_it or rng.random() < 0.5:
            units = character.encode("utf-16-be")
            form = "\\u%04x" if rng.random() < 0.5 else "\\u%04X"
            plain = "".join(form % int.from_bytes(units[i:i + 2], "big") for i in range(0, len(units), 2))
        out.append(plain)
    return "".join(out)


def callback(elements, custom_data=None):
    """The webhook body of a message (protocol.md section 3) on one line."""
    body = {"CallbackCommand": "Group.CallbackBeforeSendMsg", "GroupId": "room-7", "Type": "Live",
            "From_Account": "viewer_19", "Operator_Account": "viewer_19", "Random": 3204417755,
            "MsgBody": [{"MsgType": kind, "MsgContent": content} for kind, content in elements]}
    if custom_data is not None:
        body["CloudCustomData"] = custom_data
    return json.dumps(body, ensure_ascii=False)


def text_elements(pieces):
    return [("TIMTextElem", {"Text": piece}) for piece in pieces]


def body_of(form, rng):
    """The callback that carries a form."""
    if form.sending == "elements":
        return callback(text_elements(form.pieces(rng)))
    if form.sending == "text":
        return callback(text_elements([form.text()]))
    inner = '{"lvl":3,"say":"%s"}' % escaped(form.text(), rng, rng.random() < 0.5)
    if form.sending == "cloud":
        return callback(text_elements(["hello 你好"]), inner)
    return callback([("TIMCustomElem", {"Data": inner, "Desc": "", "Ext": ""})])
