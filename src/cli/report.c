/* report.c - `chatsluice report`: a period's figures for auditors, frozen, in the form that is wanted. */
#include "cli/cli.h"

#include "cli/times.h"
#include "report/csv.h"
#include "report/html.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum form { FORM_HTML, FORM_CSV, FORM_JSON };
enum { DAY_TEXT = sizeof("2026-11-23"), MOST_HOURS = 24 * 366 };

struct asking {
    struct cli *cli;
    const char *from, *to, *day, *month, *hours, *as_of; /* as given; NULL: not */
    const char *room, *app, *zone, *form_name, *language_name, *output;
    enum form form;
    enum language language;
    uint64_t hours_number;
    char from_text[TIMES_TEXT], to_text[TIMES_TEXT], as_of_text[TIMES_TEXT]; /* for the database */
};

/* Words -------------------------------------------------------------------------------------------------------------
 */

static bool is_day(const char *text, int64_t *us)
{
    return strlen(text) == DAY_TEXT - 1 && text[4] == '-' && times_moment(span_of(text), 0, us);
}

/* A moment for the database: a day alone stays one, for the time zone is the database's matter; anything else in UTC.
 */
static bool moment_for(char out[TIMES_TEXT], const char *text, int64_t now_us)
{
    int64_t us;

    if (is_day(text, &us))
        snprintf(out, TIMES_TEXT, "%s", text);
    else if (times_moment(span_of(text), now_us, &us))
        times_text_us(us, out);
    else
        return false;
    return true;
}

/* The day after a day, in its own words. */
static void day_text(char out[TIMES_TEXT], int64_t us)
{
    times_text(us, out);
    out[DAY_TEXT - 1] = '\0';
}

static bool read_month(struct asking *a, const char *text)
{
    char first[DAY_TEXT + 1];
    int64_t us;

    if (strlen(text) != 7)
        return false;
    snprintf(first, sizeof(first), "%.7s-01", text);
    if (!is_day(first, &us))
        return false;
    day_text(a->from_text, us);
    day_text(a->to_text, us + 31 * 86400 * INT64_C(1000000));
    memcpy(a->to_text + 8, "01", 2); /* 31 days after a first is always in the next month */
    return true;
}

static bool read_day(struct asking *a, const char *text)
{
    int64_t us;

    if (!is_day(text, &us))
        return false;
    day_text(a->from_text, us);
    day_text(a->to_text, us + 86400 * INT64_C(1000000));
    return true;
}

/* Names as PostgreSQL's list has them, no rules of POSIX such as "X5": what a zone means is to be found under its name.
 */
static bool is_zone(const char *text)
{
    size_t len = strlen(text);

    return len > 0 && len <= 64 &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/") == len &&
           (strchr(text, '/') || strpbrk(text, "0123456789+-") == NULL);
}

static bool check_form(struct asking *a)
{
    static const char *const forms[] = {[FORM_HTML] = "html", [FORM_CSV] = "csv", [FORM_JSON] = "json"};

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
        if (strcmp(a->form_name, forms[i]) == 0) {
            a->form = (enum form)i;
            return true;
        }
    return false;
}

/* Everything that can be seen without the database. False, and said so, when something is wrong. */
static bool check_words(struct asking *a)
{
    struct cli *cli = a->cli;
    const int periods = (a->from != NULL) + (a->day != NULL) + (a->month != NULL) + (a->hours != NULL);
    char moment[TIMES_TEXT];
    uint64_t app;

    cli->status = CLI_USAGE;
    if (periods != 1 || (a->to && !a->from))
        return cli_usage(cli, "name one period: --from T [--to T], --day, --month or --hours"), false;
    if (a->from && !moment_for(moment, a->from, 0))
        return cli_usage(cli, "--from: \"%.40s\" is no moment such as 2026-11-23 or 2026-11-23T18:00:00Z", a->from),
               false;
    if (a->to && !moment_for(moment, a->to, 0))
        return cli_usage(cli, "--to: \"%.40s\" is no moment such as 2026-11-23 or 2026-11-23T18:00:00Z", a->to), false;
    if (a->as_of && !moment_for(moment, a->as_of, 0))
        return cli_usage(cli, "--as-of: \"%.40s\" is no moment such as 2026-11-23T18:00:00Z", a->as_of), false;
    if (a->day && !read_day(a, a->day))
        return cli_usage(cli, "--day: \"%.40s\" is no day such as 2026-11-23", a->day), false;
    if (a->month && !read_month(a, a->month))
        return cli_usage(cli, "--month: \"%.40s\" is no month such as 2026-11", a->month), false;
    if (a->hours && !cli_number(cli, "--hours", a->hours, MOST_HOURS, &a->hours_number))
        return false;
    if (a->hours && a->hours_number == 0)
        return cli_usage(cli, "--hours: at least one"), false;
    if (a->app && !cli_number(cli, "--app", a->app, INT64_MAX, &app))
        return false;
    if (!is_zone(a->zone))
        return cli_usage(cli, "--time-zone: \"%.40s\" is no name such as UTC or Asia/Shanghai", a->zone), false;
    if (!check_form(a))
        return cli_usage(cli, "--form: \"%.40s\" is none of html, csv and json", a->form_name), false;
    if (!language_of(a->language_name, &a->language))
        return cli_usage(cli, "--language: \"%.40s\" is none of en and zh", a->language_name), false;
    return true;
}

/* The question ------------------------------------------------------------------------------------------------------
 */

/* The database's clock, in whole seconds: what is easily typed again. */
static int read_clock(struct db *db, int64_t *us, struct err *err)
{
    struct db_result *rows = NULL;
    int r = db_query(db, &rows, "SELECT extract(epoch FROM date_trunc('second', now()))::bigint", 0, NULL, err);

    if (r < 0)
        return r;
    *us = strtoll(db_value(rows, 0, 0).data, NULL, 10) * 1000000;
    db_result_free(rows);
    return 0;
}

/* Puts moments that depend on now into words. They have been checked. */
static void fix_moments(struct asking *a, int64_t now_us)
{
    int64_t as_of_us = now_us, ignored;

    if (!a->as_of || !is_day(a->as_of, &ignored)) {
        if (a->as_of)
            times_moment(span_of(a->as_of), now_us, &as_of_us);
        times_text_us(as_of_us, a->as_of_text);
    } else {
        snprintf(a->as_of_text, sizeof(a->as_of_text), "%s", a->as_of);
        times_moment(span_of(a->as_of), now_us, &as_of_us);
    }
    if (a->from)
        moment_for(a->from_text, a->from, as_of_us);
    if (a->from && a->to)
        moment_for(a->to_text, a->to, as_of_us);
    else if (a->from || a->hours)
        snprintf(a->to_text, sizeof(a->to_text), "%s", a->as_of_text);
    if (a->hours)
        times_text_us(as_of_us - (int64_t)a->hours_number * 3600 * 1000000, a->from_text);
}

static int ask(struct asking *a, struct report *report, struct err *err)
{
    struct db *db = cli_database(a->cli);
    int64_t now_us = 0;
    int r;

    if (!db)
        return err_set(err, ERR_FAILED, "%s", "");
    r = read_clock(db, &now_us, err);
    if (r == 0) {
        fix_moments(a, now_us);
        const struct report_question question = {.from = a->from_text,
                                                 .to = a->to_text,
                                                 .as_of = a->as_of_text,
                                                 .time_zone = a->zone,
                                                 .room = a->room,
                                                 .app = a->app};
        r = report_ask(report, db, &question, err);
    }
    db_close(db);
    return r;
}

/* The answer --------------------------------------------------------------------------------------------------------
 */

/* Readable for its owner alone: a report may name people. */
static int write_file(const struct cli *cli, const char *path, const struct buf *bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    size_t done = 0;

    if (buf_failed(bytes))
        errno = ENOMEM;
    else
        while (fd >= 0 && done < bytes->len) {
            ssize_t n = write(fd, bytes->data + done, bytes->len - done);

            if (n < 0 && errno != EINTR)
                break;
            done += n > 0 ? (size_t)n : 0;
        }
    if (fd < 0 || done < bytes->len || buf_failed(bytes)) {
        cli_fail(cli, "could not write \"%s\": %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return CLI_FAILED;
    }
    return close(fd) == 0 ? CLI_FINE : cli_fail(cli, "could not write \"%s\": %s", path, strerror(errno));
}

static bool is_directory(const char *path)
{
    struct stat st;

    return path[0] != '\0' && (path[strlen(path) - 1] == '/' || (stat(path, &st) == 0 && S_ISDIR(st.st_mode)));
}

static int write_tables(const struct asking *a, const struct report *report)
{
    int status = CLI_FINE;

    if (mkdir(a->output, 0700) < 0 && errno != EEXIST)
        return cli_fail(a->cli, "could not make \"%s\": %s", a->output, strerror(errno));
    for (size_t i = 0; i < report_csv_tables() && status == CLI_FINE; i++) {
        struct buf path = BUF_INIT, table = BUF_INIT;

        buf_addf(&path, "%s/%s.csv", a->output, report_csv_name(i));
        report_csv_table(&table, report, i);
        status = buf_failed(&path) ? cli_fail(a->cli, "out of memory") : write_file(a->cli, path.data, &table);
        buf_release(&path);
        buf_release(&table);
    }
    return status;
}

static int show(const struct asking *a, const struct report *report)
{
    struct buf out = BUF_INIT;
    int status;

    switch (a->form) {
    case FORM_HTML:
        report_html(&out, report, a->language);
        break;
    case FORM_CSV:
        report_csv(&out, report);
        break;
    case FORM_JSON:
        report_json(&out, report);
        break;
    }
    status = a->output ? write_file(a->cli, a->output, &out) : cli_print(a->cli, &out);
    buf_release(&out);
    return status;
}

static int answer(struct asking *a)
{
    struct report report = REPORT_INIT;
    struct err err = {0};
    int r = ask(a, &report, &err), status;

    if (r == ERR_USAGE)
        return cli_usage(a->cli, "%s", err.text);
    if (r < 0)
        return err.text[0] ? cli_fail(a->cli, "%s", err.text) : CLI_FAILED;
    status = a->form == FORM_CSV && a->output && is_directory(a->output) ? write_tables(a, &report) : show(a, &report);
    if (status == CLI_FINE)
        fprintf(stderr, "report %s, --as-of %s asks for the same again\n", report.id, a->as_of_text);
    report_release(&report);
    return status;
}

int cli_report(struct cli *cli)
{
    struct asking a = {.cli = cli, .zone = "UTC", .form_name = "html", .language_name = "en"};
    const struct cli_option options[] = {
        {"from", CLI_TEXT, &a.from, "T", "the beginning: 2026-11-23, 2026-11-23T18:00:00+08:00, or 24h before as-of"},
        {"to", CLI_TEXT, &a.to, "T", "the end, itself not within; left out, as-of"},
        {"day", CLI_TEXT, &a.day, "DAY", "in place of both: one day, such as 2026-11-23"},
        {"month", CLI_TEXT, &a.month, "MONTH", "in place of both: one month, such as 2026-11"},
        {"hours", CLI_TEXT, &a.hours, "N", "in place of both: the N hours before as-of"},
        {"room", CLI_TEXT, &a.room, "ID", "one room; left out, all"},
        {"app", CLI_TEXT, &a.app, "N", "one application; left out, all"},
        {"time-zone", CLI_TEXT, &a.zone, "NAME",
         "of days and of the times shown, such as Asia/Shanghai; left out, UTC"},
        {"as-of", CLI_TEXT, &a.as_of, "T", "tell what was known then; left out, now"},
        {"form", CLI_TEXT, &a.form_name, "FORM", "html, csv or json; left out, html"},
        {"language", CLI_TEXT, &a.language_name, "L", "of the HTML form: en or zh; left out, en"},
        {"output", CLI_TEXT, &a.output, "PATH", "a file; of csv also a directory, which gets a file for each table"},
        {0}};

    if (!cli_options(cli, options))
        return cli->status;
    if (!check_words(&a))
        return cli->status;
    if (a.form != FORM_CSV && a.output && is_directory(a.output))
        return cli_usage(cli, "--output: \"%s\" is a directory, which only csv fills", a.output);
    return answer(&a);
}
