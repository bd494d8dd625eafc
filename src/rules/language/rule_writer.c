#include "rules/language/rule_writer.h"

#include "base/utf8.h"

/* Escaped in both forms: control characters; the line separators that YAML takes for line ends; the byte order mark
 * and non-characters, which YAML readers refuse. */
static bool needs_escape(uint32_t c)
{
    return c < 0x20 || c == '"' || c == '\\' || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029 || c == 0xFEFF ||
           c == 0xFFFE || c == 0xFFFF;
}

static void write_quoted(struct buf *out, struct span text)
{
    buf_add_char(out, '"');
    for (size_t i = 0; i < text.len;) {
        size_t n = utf8_char_len(text.data + i, text.len - i);
        uint32_t c = n ? utf8_decode(text.data + i, n) : 0xFFFD;

        if (!needs_escape(c))
            buf_add(out, n ? text.data + i : "\xEF\xBF\xBD", n ? n : 3);
        else if (c == '"' || c == '\\')
            buf_addf(out, "\\%c", (char)c);
        else if (c == '\n')
            buf_add_text(out, "\\n");
        else if (c == '\t')
            buf_add_text(out, "\\t");
        else
            buf_addf(out, "\\u%04x", c);
        i += n ? n : 1;
    }
    buf_add_char(out, '"');
}

/* YAML: plain where nothing can be misread, in single quotes where nothing needs escaping (expressions stay readable),
 * otherwise in double quotes. */
static void write_yaml_text(struct buf *out, struct span text)
{
    static const char *const words[] = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"};
    bool plain = text.len > 0 && text.len <= 64, single = true;

    for (size_t i = 0; i < text.len;) {
        size_t n = utf8_char_len(text.data + i, text.len - i);
        uint32_t c = n ? utf8_decode(text.data + i, n) : 0;
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

        if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.')))
            plain = false;
        if (needs_escape(c) && c != '"' && c != '\\')
            single = false;
        i += n ? n : 1;
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        plain = plain && !span_is_nocase(text, words[i]);
    if (plain) {
        buf_add_span(out, text);
        return;
    }
    if (!single) {
        write_quoted(out, text);
        return;
    }
    buf_add_char(out, '\'');
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '\'')
            buf_add_char(out, '\'');
        buf_add_char(out, text.data[i]);
    }
    buf_add_char(out, '\'');
}

void write_text(struct writer *w, struct span text)
{
    if (w->yaml)
        write_yaml_text(w->out, text);
    else
        write_quoted(w->out, text);
}

static void write_indent(struct writer *w, unsigned indent)
{
    for (unsigned i = 0; i < indent; i++)
        buf_add_char(w->out, ' ');
}

static void begin_key(struct writer *w)
{
    if (!w->yaml) {
        if (!w->first)
            buf_add_char(w->out, ',');
    } else if (!w->inline_first) {
        buf_add_char(w->out, '\n');
        write_indent(w, w->indent);
    }
    w->first = w->inline_first = false;
}

void write_key(struct writer *w, const char *key)
{
    begin_key(w);
    buf_addf(w->out, w->yaml ? "%s: " : "\"%s\":", key);
}

void write_text_key(struct writer *w, struct span key)
{
    begin_key(w);
    write_text(w, key);
    buf_add_text(w->out, w->yaml ? ": " : ":");
}

void write_member(struct writer *w, const char *key, struct span text)
{
    write_key(w, key);
    write_text(w, text);
}

void write_texts(struct writer *w, const char *key, const char *const *items, size_t count)
{
    write_key(w, key);
    buf_add_char(w->out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_add_text(w->out, w->yaml ? ", " : ",");
        write_text(w, span_of(items[i]));
    }
    buf_add_char(w->out, ']');
}

void write_number(struct writer *w, const char *key, int64_t n)
{
    write_key(w, key);
    buf_add_i64(w->out, n);
}

void write_true(struct writer *w, const char *key)
{
    write_key(w, key);
    buf_add_text(w->out, "true");
}

void write_some(struct writer *w, const char *key, struct texts texts)
{
    if (texts.count)
        write_texts(w, key, texts.items, texts.count);
}

void write_bits(struct writer *w, const char *key, unsigned bits, const struct name_list *names)
{
    const char *words[32];
    size_t count = 0;

    for (size_t i = 0; i < names->count && i < 32; i++)
        if (bits & (1u << i))
            words[count++] = names->names[i];
    write_texts(w, key, words, count);
}

void write_fold_spec(struct writer *w, const struct fold_spec *spec, unsigned default_steps)
{
    static const char *const all[] = {"all"};

    if (spec->steps == FOLD_ALL)
        write_texts(w, "folding", all, 1);
    else if (spec->steps != default_steps)
        write_bits(w, "folding", spec->steps, &fold_step_names);
    write_some(w, "tables", spec->tables);
}

/* The value of a YAML key that was just written goes on in lines of its own: no blank after the colon. */
static void end_line(struct writer *w)
{
    if (w->out->len && w->out->data[w->out->len - 1] == ' ')
        w->out->len--;
}

struct writer open_map(struct writer *w)
{
    if (w->yaml)
        end_line(w);
    else
        buf_add_char(w->out, '{');
    return (struct writer){.out = w->out, .yaml = w->yaml, .indent = w->indent + 2, .first = true};
}

void close_map(struct writer *inner)
{
    if (!inner->yaml)
        buf_add_char(inner->out, '}');
}

void open_text_item(struct writer *w, size_t i)
{
    if (!w->yaml) {
        if (i)
            buf_add_char(w->out, ',');
        return;
    }
    buf_add_char(w->out, '\n');
    write_indent(w, w->indent + 2);
    buf_add_text(w->out, "- ");
}

struct writer open_item(struct writer *w, size_t i)
{
    if (!w->yaml) {
        if (i)
            buf_add_char(w->out, ',');
        return open_map(w);
    }
    open_text_item(w, i);
    return (struct writer){.out = w->out, .yaml = true, .indent = w->indent + 4, .first = true, .inline_first = true};
}

void open_list(struct writer *w)
{
    if (w->yaml)
        end_line(w);
    else
        buf_add_char(w->out, '[');
}

void close_list(struct writer *w)
{
    if (!w->yaml)
        buf_add_char(w->out, ']');
}
