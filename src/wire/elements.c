#include "wire/elements.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const struct {
    const char *word;
    enum element_type type;
} element_words[] = {
    {"TIMTextElem", ELEMENT_TEXT},         {"TIMCustomElem", ELEMENT_CUSTOM},   {"TIMFaceElem", ELEMENT_FACE},
    {"TIMLocationElem", ELEMENT_LOCATION}, {"TIMSoundElem", ELEMENT_SOUND},     {"TIMImageElem", ELEMENT_IMAGE},
    {"TIMFileElem", ELEMENT_FILE},         {"TIMVideoFileElem", ELEMENT_VIDEO}, {"TIMRelayElem", ELEMENT_RELAY},
};

/* What can be read of an element, in the order in which it is shown. */
static const struct element_text {
    enum element_type type;
    const char *key;
    enum text_source source;
    enum { ONE, LIST } form;
} element_texts[] = {
    {ELEMENT_TEXT, "Text", TEXT_TEXT, ONE},
    {ELEMENT_FACE, "Data", TEXT_FACE_DATA, ONE},
    {ELEMENT_CUSTOM, "Data", TEXT_CUSTOM_DATA, ONE},
    {ELEMENT_CUSTOM, "Desc", TEXT_CUSTOM_DESC, ONE},
    {ELEMENT_CUSTOM, "Ext", TEXT_CUSTOM_EXT, ONE},
    {ELEMENT_LOCATION, "Desc", TEXT_LOCATION_DESC, ONE},
    {ELEMENT_FILE, "FileName", TEXT_FILE_NAME, ONE},
    {ELEMENT_RELAY, "Title", TEXT_RELAY_TITLE, ONE},
    {ELEMENT_RELAY, "AbstractList", TEXT_RELAY_ABSTRACT, LIST},
    {ELEMENT_RELAY, "CompatibleText", TEXT_RELAY_COMPATIBLE, ONE},
};

/* Where the reader stands: in MsgBody itself, or in a MsgBody inside the relay that is MsgBody's element top. */
struct place {
    struct elements *e;
    size_t top;
    bool nested;
    bool text_run; /* the last piece is of a TIMTextElem and nothing but such elements followed it */
    struct err *err;
};

static int read_body(struct place *place, struct json_value body);

const char *elements_rewritable_key(enum text_source source)
{
    for (size_t i = 0; i < COUNT(element_texts); i++)
        if (element_texts[i].source == source && element_texts[i].form == ONE)
            return element_texts[i].key;
    return NULL;
}

static enum element_type element_type_of(struct span word)
{
    for (size_t i = 0; i < COUNT(element_words); i++)
        if (span_is(word, element_words[i].word))
            return element_words[i].type;
    return ELEMENT_UNKNOWN;
}

static int wrong_kind(const struct place *place, const char *key, const char *wanted)
{
    return err_set(place->err, ERR_INVALID, "MsgBody[%zu]: %s%s is not %s", place->top, place->nested ? "nested " : "",
                   key, wanted);
}

/* Absent and null ones are passed over, as are empty ones: there is nothing to see. */
static int add_piece(struct place *place, const struct element_text *from, struct json_value v)
{
    struct buf *text = &place->e->text;
    struct text_piece piece = {.source = place->nested ? TEXT_RELAY_NESTED : from->source,
                               .element = (uint32_t)place->top};

    if (v.kind == JSON_ABSENT || v.kind == JSON_NULL)
        return 0;
    if (v.kind != JSON_STRING)
        return wrong_kind(place, from->key, from->form == LIST ? "an array of strings" : "a string");
    if (json_string(v).len == 0)
        return 0;
    if (text->len > 0 && !(place->text_run && from->type == ELEMENT_TEXT))
        buf_add_char(text, '\n');
    piece.start = (uint32_t)text->len;
    json_string_without_nul(text, v);
    piece.len = (uint32_t)text->len - piece.start;
    buf_add(&place->e->pieces, &piece, sizeof(piece));
    place->text_run = from->type == ELEMENT_TEXT;
    return 0;
}

static int add_text(struct place *place, const struct element_text *from, struct json_value v)
{
    if (from->form == ONE)
        return add_piece(place, from, v);
    if (v.kind != JSON_ABSENT && v.kind != JSON_NULL && v.kind != JSON_ARRAY)
        return wrong_kind(place, from->key, "an array of strings");
    for (size_t i = 0; i < json_count(v); i++) {
        int r = add_piece(place, from, json_item(v, i));
        if (r < 0)
            return r;
    }
    return 0;
}

/* The messages a relay carries along, each with a MsgBody of its own. The gate bounds how deep they nest. */
static int read_relayed(struct place *place, struct json_value list)
{
    if (list.kind == JSON_ABSENT || list.kind == JSON_NULL)
        return 0;
    if (list.kind != JSON_ARRAY)
        return wrong_kind(place, "MsgList", "an array");
    for (size_t i = 0; i < json_count(list); i++) {
        struct place inside = {.e = place->e, .top = place->top, .nested = true, .err = place->err};
        struct json_value item = json_item(list, i), body;
        int r;

        if (item.kind != JSON_OBJECT)
            return wrong_kind(place, "MsgList", "an array of objects");
        body = json_member(item, "MsgBody");
        if (body.kind == JSON_ABSENT || body.kind == JSON_NULL)
            continue;
        if (body.kind != JSON_ARRAY)
            return wrong_kind(&inside, "MsgBody", "an array");
        r = read_body(&inside, body);
        if (r < 0)
            return r;
    }
    return 0;
}

static int read_content(struct place *place, enum element_type type, struct json_value content)
{
    if (type == ELEMENT_UNKNOWN || content.kind == JSON_ABSENT || content.kind == JSON_NULL)
        return 0; /* an unknown element is carried along as it is, whatever it holds */
    if (content.kind != JSON_OBJECT)
        return wrong_kind(place, "MsgContent", "an object");
    for (size_t i = 0; i < COUNT(element_texts); i++) {
        int r = 0;

        if (element_texts[i].type == type)
            r = add_text(place, &element_texts[i], json_member(content, element_texts[i].key));
        if (r < 0)
            return r;
    }
    return type == ELEMENT_RELAY ? read_relayed(place, json_member(content, "MsgList")) : 0;
}

static int read_body(struct place *place, struct json_value body)
{
    for (size_t i = 0; i < json_count(body); i++) {
        struct json_value element = json_item(body, i), word = json_member(element, "MsgType");
        enum element_type type = element_type_of(json_string(word));
        int r;

        if (!place->nested) {
            place->top = i;
            buf_add(&place->e->types, &type, sizeof(type));
        }
        if (element.kind != JSON_OBJECT)
            return wrong_kind(place, "the element", "an object");
        if (word.kind != JSON_STRING)
            return wrong_kind(place, "MsgType", "a string");
        if (type != ELEMENT_TEXT)
            place->text_run = false;
        r = read_content(place, type, json_member(element, "MsgContent"));
        if (r < 0)
            return r;
    }
    return 0;
}

int elements_read(struct elements *e, struct json_value msg_body, struct err *err)
{
    struct place place = {.e = e, .err = err};
    int r;

    buf_reset(&e->text);
    buf_reset(&e->pieces);
    buf_reset(&e->types);
    if (msg_body.kind == JSON_ABSENT || msg_body.kind == JSON_NULL)
        return 0;
    if (msg_body.kind != JSON_ARRAY)
        return err_set(err, ERR_INVALID, "MsgBody is not an array");
    r = read_body(&place, msg_body);
    if (r == 0 && (buf_failed(&e->text) || buf_failed(&e->pieces) || buf_failed(&e->types)))
        r = err_set(err, ERR_FAILED, "MsgBody cannot be read: out of memory");
    return r;
}

void elements_release(struct elements *e)
{
    buf_release(&e->text);
    buf_release(&e->pieces);
    buf_release(&e->types);
}
