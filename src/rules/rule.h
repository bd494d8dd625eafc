/* clang-format off */
/* rule.h - rules and term lists as people write them: the model shared by YAML files, the database and the compiler.
 *
 * A rule file is a YAML list of entries, each of one kind:
 *
 *     - list: contact-words
 *       folding: [case, invisible]     # the default; enum fold_step has all; `all` stands for every one
 *       tables: [slang]                # the operator's own foldings, applied first
 *       boundary: script               # script | any | word; default script: Latin words match whole, Chinese anywhere
 *       terms: [wechat, "加微信"]
 *
 *     - table: slang                   # an operator's folding: each text on the left becomes the one on the right
 *       map: { "弓虫": "强", "4u": "for you" }
 *
 *     - admins: ["admin-*", "@TIM#*"]  # accounts (globs) that `exempt_admins` means; entries of several files add up
 *
 *     - rule: contact
 *       when: before                   # before | after | both (default)
 *       mode: enforce                  # enforce | shadow | off
 *       rollout: 25                    # percent of the rooms, always the same ones, in which it is enforced; else shadow
 *       scope:                         # globs: * and ?, case counts; each also as except_*
 *         apps: ["1400*"]
 *         groups: ["live-*"]
 *         group_types: [Live]
 *         senders: ["guest-*"]
 *         operators: ["*"]
 *         platforms: [Android, iOS]
 *         exempt_admins: true
 *       match: ...                     # a condition, see below
 *       action: mask                   # allow | flag | mask | replace | reject | discard
 *       score: { spam: 3 }             # in place of action: points for a scorecard, may be negative
 *       mask: "*"                      # the character that stands for each masked one; also with resend, see then
 *       replace: "..."                 # replace: the whole text becomes this; also with resend
 *       reject_code: 10121             # 1 (default) or 10100..10200; also of a mask or replacement that cannot be made
 *       reject_text: "..."             # what the sender reads, with a code of 10100 and more
 *       then: []                       # follow-ups for the outbox: resend, recall, mute 10m. resend beside reject or
 *                                      # discard sends the corrected text: replace, or the message with all hits masked
 *       note: "..."
 *       examples: [ { text: "..", verdict: mask, becomes: ".." } ]   # run before a revision is published; becomes of
 *                                      # reject and discard: the corrected text
 *
 *     - scorecard: spam                # shares the names of rules
 *       at: { flag: 3, mask: 5, reject: 8, discard: 12 }   # a stronger action needs more points
 *       mask, replace, reject_code, reject_text, then, note: as of a rule, where a threshold asks for them
 *
 * A condition is a map with exactly one of these keys:
 *
 *     terms: contact-words
 *     regex: '..'                    # with `folding: [..]` and `tables: [..]` beside it; else on the original text
 *     links: any                     # or { allow: [example.com] } or { deny: [bit.ly] } or both
 *     contact: [phone, email, messenger]       # or any
 *     length: { more_than: 500 }     # visible characters; more_than, less_than, at_least, at_most; two of them: both
 *     lines: { more_than: 10 }
 *     share: { of: emoji, percent: 60, least: 5 }   # emoji | caps | digits | symbols | script with `scripts: [Latin]`
 *     types: [image, custom]         # the message has an element of one of these types, `unknown` among them
 *     json: { in: cloud_custom_data, path: "mod.level", one_of: ["7", 8] }   # in: cloud_custom_data | custom_element;
 *                                    # exists: true | one_of | glob | more_than.. of a number, where more_than: 7 is
 *                                    # at_least: 8; path: json_path.h
 *     repeated: { times: 3, within: 60s, by: sender }          # by: sender | sender_in_room | room; 1s..1h
 *     rate: { times: 10, within: 10s, by: sender_in_room, tighten: 2 }
 *     any: [..]   all: [..]   not: { .. }
 *
 * The first four find something and point at it; the others hold or do not hold for the message as a whole.
 *
 * A regex sees the folded text, so with "case" it is written in lower case. What expressions can and cannot do stands
 * in matcher.h. config/rules/rules.schema.json says the same to an editor.
 *
 * The same as one JSON object {"admins":[..],"lists":[..],"rules":[..],"scorecards":[..],"tables":[..]} (what is empty
 * left out, but for lists and rules) is the document of a revision: canonical (rule_document_write gives the same bytes
 * for the same meaning), so its checksum names the set. */
/* clang-format on */
#ifndef CHATSLUICE_RULES_RULE_H
#define CHATSLUICE_RULES_RULE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/faults.h"
#include "rules/verdict.h"

/* How a text is made comparable before it is compared; the order here is the order in which the steps work. What each
 * does to a character, and what a match must prove beside, stands in folding.h. */
enum fold_step { /* a set of bits */
                 FOLD_NONE = 0,
                 FOLD_CASE = 1 << 0,        /* NFKC casefold: case, width, compatibility forms */
                 FOLD_INVISIBLE = 1 << 1,   /* zero-width, bidi marks and other default-ignorables dropped */
                 FOLD_ACCENTS = 1 << 2,     /* marks dropped, stroke letters plain */
                 FOLD_LETTERS = 1 << 3,     /* circled, squared, parenthesised, regional, small capital letters */
                 FOLD_LOOKALIKES = 1 << 4,  /* confusable letters of other scripts, CJK signs drawn like letters */
                 FOLD_LEET = 1 << 5,        /* digits and signs that stand for letters */
                 FOLD_NUMBERS = 1 << 6,     /* digits of all scripts, circled, Chinese numerals */
                 FOLD_SIMPLIFIED = 1 << 7,  /* traditional and variant Han characters */
                 FOLD_SEPARATORS = 1 << 8,  /* noise between letters dropped */
                 FOLD_REPEATS = 1 << 9,     /* repeated letters taken once */
                 FOLD_CENSORED = 1 << 10,   /* f*ck: signs that hide letters of a term */
                 FOLD_PINYIN = 1 << 11,     /* Chinese terms written by their readings */
                 FOLD_INITIALS = 1 << 12,   /* ... by the initials of their readings */
                 FOLD_HOMOPHONES = 1 << 13, /* ... by other characters of the same reading */
                 FOLD_SPLIT = 1 << 14,      /* words split over consecutive messages of one sender */
                 FOLD_BASE = FOLD_CASE | FOLD_INVISIBLE,
                 FOLD_ALL = (1 << 15) - 1
};

struct texts {
    const char *const *items;
    size_t count;
};

struct fold_spec {
    unsigned steps;      /* of enum fold_step */
    struct texts tables; /* names of the operator's tables, applied first; sorted, each once */
};

bool fold_spec_equal(const struct fold_spec *a, const struct fold_spec *b);

enum rule_when { WHEN_BEFORE = 1, WHEN_AFTER = 2, WHEN_BOTH = 3 };
enum rule_mode { MODE_ENFORCE, MODE_SHADOW, MODE_OFF };
enum term_boundary { BOUNDARY_SCRIPT, BOUNDARY_ANY, BOUNDARY_WORD };

struct place { /* where a person wrote it */
    unsigned line, column;
};

struct term_list {
    const char *name;
    struct fold_spec folding;
    enum term_boundary boundary;
    const struct span *terms;
    size_t term_count;
    struct place place;
};

/* An operator's own folding: each text `from` becomes `to` wherever it stands, the longest first. */
struct fold_table {
    const char *name;
    const struct fold_entry {
        struct span from, to;
    } * entries; /* by from, each once */
    size_t entry_count;
    struct place place;
};

enum condition_kind {
    /* find something in the text: a match with a range */
    CONDITION_TERMS,
    CONDITION_REGEX,
    CONDITION_LINKS,
    CONDITION_CONTACT,
    /* hold or not for the message as a whole: a measure without a range */
    CONDITION_LENGTH,
    CONDITION_LINES,
    CONDITION_SHARE,
    CONDITION_TYPES,
    CONDITION_JSON,
    CONDITION_REPEATED,
    CONDITION_RATE,
    /* join others */
    CONDITION_ANY,
    CONDITION_ALL,
    CONDITION_NOT,
};

static inline bool condition_is_match(enum condition_kind k)
{
    return k <= CONDITION_CONTACT;
}

static inline bool condition_is_measure(enum condition_kind k)
{
    return k > CONDITION_CONTACT && k < CONDITION_ANY;
}

/* length, lines, and what a JSON number is compared with: holds for least <= value <= most. */
struct bounds {
    int64_t least, most; /* INT64_MIN, INT64_MAX: no bound */
};

/* links: every link found whose host is in `deny`, or, when there is an `allow`, is not in it; with neither, every
 * link. A domain stands for itself and all below it. */
struct links_condition {
    struct texts allow, deny; /* lower case, sorted */
};

enum contact_kind { CONTACT_PHONE = 1, CONTACT_EMAIL = 2, CONTACT_MESSENGER = 4, CONTACT_ANY = 7 };

/* share: of the visible characters of the text, at least percent are of a kind, and at least `least` of them. */
enum share_of { SHARE_EMOJI, SHARE_CAPS, SHARE_SCRIPT, SHARE_DIGITS, SHARE_SYMBOLS };
struct share_condition {
    enum share_of of;
    struct texts scripts; /* SHARE_SCRIPT: ISO 15924 or English names as ICU knows them: Latin, Han, Cyrillic */
    unsigned percent;     /* 1..100 */
    uint64_t least;
};

/* json: what stands at a path of CloudCustomData or of the Data of a custom element, e.g. "mod.tags[0]". */
enum json_where { JSON_IN_CLOUD_CUSTOM_DATA, JSON_IN_CUSTOM_ELEMENT };
enum json_test { JSON_EXISTS, JSON_IS_ONE_OF, JSON_MATCHES_GLOB, JSON_WITHIN };
struct json_condition {
    enum json_where in;
    enum json_test test;
    struct texts values;  /* one_of: texts, numbers and true, false, null as written; glob: globs */
    struct bounds within; /* JSON_WITHIN: the value is a number and within */
};

/* Whose messages are counted together. */
enum counted { COUNTED_SENDER, COUNTED_SENDER_IN_ROOM, COUNTED_ROOM };

/* repeated: the same text (after FOLD_BASE, without blanks) for the times-th time or more within the time.
 * rate: a bucket of `times` messages that is refilled evenly within the time; holds when it is empty. A message of the
 * counted that was rejected or discarded takes `tighten` more from its bucket. */
struct rate_condition {
    enum counted of;
    unsigned times;
    int64_t within_ms;
    unsigned tighten;
};

struct condition {
    enum condition_kind kind;
    const char *text;               /* terms: the list's name; regex: the expression; json: the path */
    struct fold_spec folding;       /* regex */
    struct condition *const *parts; /* any, all, not (one) */
    size_t part_count;
    union {
        struct bounds bounds;         /* length (in visible characters), lines */
        struct links_condition links; /* links */
        unsigned contacts;            /* contact: of enum contact_kind */
        struct share_condition share;
        unsigned types; /* types: bits 1 << enum element_type; holds when the message has an element of one of them */
        struct json_condition json;
        struct rate_condition rate; /* repeated, rate */
    };
    struct place place;
};

struct example {
    struct span text;
    enum action verdict;
    bool has_becomes;
    struct span becomes;
    struct place place;
};

/* Which messages a rule looks at: globs over what the message says of itself. */
enum scope_kind {
    SCOPE_APPS,
    SCOPE_GROUPS,
    SCOPE_GROUP_TYPES,
    SCOPE_SENDERS,
    SCOPE_OPERATORS,
    SCOPE_PLATFORMS,
    SCOPE_KINDS,
};

struct scope {
    struct texts only[SCOPE_KINDS], except[SCOPE_KINDS]; /* sorted; empty `only`: all */
    bool exempt_admins; /* not messages whose sender or operator is one of the document's admins */
};

struct rule {
    const char *name;
    enum rule_when when;
    enum rule_mode mode;
    unsigned rollout; /* percent of the rooms in which it is enforced; in the others it is a shadow. 100: all */
    struct scope scope;
    const struct condition *match;
    /* either an action, or points for a scorecard: then action is ACTION_FLAG and says nothing */
    enum action action;
    const char *scorecard; /* NULL: none */
    int points;
    const char *mask, *replace, *reject_text, *note;
    int reject_code;
    struct texts then;
    const struct example *examples;
    size_t example_count;
    struct place place;
};

/* Adds up the points of the rules that name it, hold and are enforced; the strongest action whose threshold is reached
 * applies, as if a rule of this name with all their matches did. */
struct scorecard {
    const char *name; /* shares the names of rules */
    struct threshold {
        bool given;
        int points;
    } thresholds[ACTION_COUNT]; /* by action; allow has none */
    const char *mask, *replace, *reject_text, *note;
    int reject_code;
    struct texts then;
    struct place place;
};

/* Everything of one or several files; owns all it points to. */
struct rule_document;

struct rule_document *rule_document_new(void);
void rule_document_free(struct rule_document *doc); /* NULL is fine */

/* Reads a rule file, or the JSON object of a revision, into doc beside what is there. Every fault (unknown key with a
 * suggestion, wrong kind, duplicate name, missing list, bad code...) goes to *faults as file:line:column. 0, or
 * ERR_USAGE if there was any. rule_document_check() looks at what only the whole can show: lists, tables and scorecards
 * that no file defines, duplicate names over files. */
/* What was read, checked and compiled before, and kept where nobody else writes, need not have each expression tried
 * by itself: the compiler finds out anyway. To be called before reading. */
void rule_document_trust(struct rule_document *doc);
int rule_document_read_file(struct rule_document *doc, const char *path, struct faults *faults);
int rule_document_read_text(struct rule_document *doc, const char *source, struct span text, struct faults *faults);
int rule_document_check(const struct rule_document *doc, struct faults *faults);
/* Warns of lists, tables and scorecards that nothing names: no fault, but perhaps a slip. */
void rule_document_warn_unused(const struct rule_document *doc, struct faults *faults);

size_t rule_document_rules(const struct rule_document *doc, const struct rule *const **rules);
size_t rule_document_lists(const struct rule_document *doc, const struct term_list *const **lists);
size_t rule_document_tables(const struct rule_document *doc, const struct fold_table *const **tables);
size_t rule_document_scorecards(const struct rule_document *doc, const struct scorecard *const **scorecards);
struct texts rule_document_admins(const struct rule_document *doc); /* globs over accounts, sorted */
const char *rule_document_source(const struct rule_document *doc, const struct rule *rule); /* its file */

/* Canonical JSON: entries by name, keys in fixed order, terms and whatever else has no order sorted, defaults left out.
 */
void rule_document_write_json(const struct rule_document *doc, struct buf *out);
void rule_write_json(const struct rule *rule, struct buf *out); /* the object of one rule, "rule" first */
void scorecard_write_json(const struct scorecard *card, struct buf *out);
void fold_table_write_json(const struct fold_table *table, struct buf *out);
void term_list_write_json(const struct term_list *list, bool with_terms, struct buf *out);
/* YAML that rule_document_read_* takes back to the same canonical JSON. */
void rule_document_write_yaml(const struct rule_document *doc, struct buf *out);

#endif
