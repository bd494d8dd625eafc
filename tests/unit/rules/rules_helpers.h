/* What the tests of the rules share: sets made from YAML in a string, messages made from pieces. */
#ifndef CHATSLUICE_TESTS_RULES_HELPERS_H
#define CHATSLUICE_TESTS_RULES_HELPERS_H

#include "rules/judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static inline struct rule_document *document_of(const char *yaml)
{
    struct rule_document *doc = rule_document_new();
    struct faults faults = FAULTS_INIT;

    if (rule_document_read_text(doc, "test", span_of(yaml), &faults) < 0 || rule_document_check(doc, &faults) < 0)
        print_error("%s\n%s", yaml, buf_text(&faults.text));
    assert_int_equal(faults.count, 0);
    faults_release(&faults);
    return doc;
}

static inline struct ruleset *set_of(const char *yaml)
{
    struct rule_document *doc = document_of(yaml);
    struct faults faults = FAULTS_INIT;
    struct ruleset *set = NULL;

    if (ruleset_compile(&set, doc, 7, NULL, &faults) < 0)
        print_error("%s\n%s", yaml, buf_text(&faults.text));
    assert_non_null(set);
    faults_release(&faults);
    rule_document_free(doc);
    return set;
}

/* A message of pieces, joined as wire/message.h says: consecutive text elements without a separator. */
struct test_message {
    struct message message;
    struct text_piece pieces[16];
    struct buf text;
};

static inline void message_init(struct test_message *t, enum command command)
{
    *t = (struct test_message){.message = {.command = command}};
}

static inline void message_add(struct test_message *t, enum text_source source, const char *text)
{
    size_t n = t->message.piece_count;

    if (n && !(source == TEXT_TEXT && t->pieces[n - 1].source == TEXT_TEXT))
        buf_add_char(&t->text, '\n');
    t->pieces[n] = (struct text_piece){source, (uint32_t)n, (uint32_t)t->text.len, (uint32_t)strlen(text)};
    buf_add_text(&t->text, text);
    t->message.piece_count = n + 1;
    t->message.pieces = t->pieces;
    t->message.text = buf_span(&t->text);
}

static inline struct optional_text given(const char *text)
{
    return (struct optional_text){text ? GIVEN : MISSING, span_of(text)};
}

static inline void assert_span(struct span got, const char *wanted)
{
    if (!span_is(got, wanted))
        print_error("got \"%.*s\", wanted \"%s\"\n", (int)got.len, got.data ? got.data : "", wanted);
    assert_true(span_is(got, wanted));
}

#endif
