/* rules_fixture.h - rules in the database of a test, and messages stored there as if they had been received. */
#ifndef CHATSLUICE_TESTS_RULES_FIXTURE_H
#define CHATSLUICE_TESTS_RULES_FIXTURE_H

#include "postgres_fixture.h"

#include "store/publish.h"
#include "store/rule_store.h"

static inline struct rule_document *document_of(const char *text)
{
    struct faults faults = FAULTS_INIT;
    struct rule_document *doc = rule_document_new();

    assert_non_null(doc);
    rule_document_read_text(doc, "test", span_of(text), &faults);
    rule_document_check(doc, &faults);
    assert_string_equal(buf_text(&faults.text), "");
    faults_release(&faults);
    return doc;
}

static inline struct ruleset *set_of(const char *text, uint64_t revision)
{
    struct faults faults = FAULTS_INIT;
    struct rule_document *doc = document_of(text);
    struct ruleset *set = NULL;

    ruleset_compile(&set, doc, revision, NULL, &faults);
    assert_string_equal(buf_text(&faults.text), "");
    assert_non_null(set);
    faults_release(&faults);
    rule_document_free(doc);
    return set;
}

static inline void import_text(struct db *db, const char *text, bool prune, const char *author)
{
    struct rule_document *doc = document_of(text);
    struct err err = {0};

    if (rule_store_import(db, doc, prune, author, &err) < 0)
        fail_msg("%s", err.text);
    rule_document_free(doc);
}

/* Nothing but the compiler is asked. */
static inline int try_publish(struct db *db, const char *note, uint64_t *revision, struct gate_report *report,
                              struct err *err)
{
    const struct publish_options options = {
        .author = "tester", .note = note, .gate = {.allow_shrink = true, .allow_changes = true}};

    return rule_publish(db, &options, revision, report, err);
}

static inline uint64_t publish(struct db *db, const char *note)
{
    struct gate_report report;
    struct err err = {0};
    uint64_t revision = 0;

    gate_report_init(&report);
    if (try_publish(db, note, &revision, &report, &err) < 0)
        fail_msg("%s %s", err.text, buf_text(&report.faults.text));
    gate_report_release(&report);
    return revision;
}

/* Stores `count` Before webhooks of room `group`, the first `first_age_s` seconds old and each a second older than the
 * one before it. */
static inline void store_messages(struct db *db, const char *group, unsigned count, unsigned first_age_s,
                                  const char *text)
{
    char sql[2048];

    snprintf(
        sql, sizeof(sql),
        "INSERT INTO chatsluice.event (event_time, received_at, sdkappid, spool_seq, event_id, spool_id, group_id,"
        " command, platform, verdict, decided_by, duplicate_keys, raw)"
        " SELECT now() - (%u + i) * interval '1 second', now(), 1400000001, i, gen_random_uuid(),"
        " gen_random_uuid(), '%s', 'before', 'Android', 'allow', 'default', false,"
        " convert_to('{\"CallbackCommand\":\"Group.CallbackBeforeSendMsg\",\"GroupId\":\"%s\",\"From_Account\":\"u' ||"
        " i || '\",\"MsgBody\":[{\"MsgType\":\"TIMTextElem\",\"MsgContent\":{\"Text\":\"%s\"}}]}', 'UTF8')"
        " FROM generate_series(0, %u - 1) AS i",
        first_age_s, group, group, text, count);
    run_sql(db, sql);
}

#endif
