#include "report/sections.h"

#define FIGURES                                                                                                        \
    {                                                                                                                  \
        {"name", COLUMN_FIGURE},                                                                                       \
        {                                                                                                              \
            "value", COLUMN_VALUE                                                                                      \
        }                                                                                                              \
    }

/* clang-format off */
const struct report_section report_sections[] = {
    {"totals", "overview", CHART_NONE, 0, 0, FIGURES},
    {"trend", NULL, CHART_TREND, 0, 0,
     {{"at", COLUMN_STEP}, {"messages", COLUMN_COUNT}, {"passed", COLUMN_COUNT}, {"changed", COLUMN_COUNT},
      {"stopped", COLUMN_COUNT}, {"unasked", COLUMN_COUNT}}},
    {"verdicts", "verdicts", CHART_BARS, 0, 1,
     {{"verdict", COLUMN_WORD}, {"messages", COLUMN_COUNT}, {"share_ppm", COLUMN_PPM}}},
    {"coverage", NULL, CHART_BARS, 0, 1,
     {{"decided_by", COLUMN_WORD}, {"messages", COLUMN_COUNT}, {"share_ppm", COLUMN_PPM}}},
    {"transparency", "transparency", CHART_NONE, 0, 0, FIGURES},
    {"categories", NULL, CHART_BARS, 0, 1,
     {{"rule", COLUMN_OUTSIDE}, {"acted", COLUMN_COUNT}, {"mask", COLUMN_COUNT}, {"replace", COLUMN_COUNT},
      {"reject", COLUMN_COUNT}, {"discard", COLUMN_COUNT}}},
    {"delivery", "delivery", CHART_BARS, 0, 1,
     {{"outcome", COLUMN_WORD}, {"messages", COLUMN_COUNT}, {"share_ppm", COLUMN_PPM}}},
    {"leak_figures", NULL, CHART_NONE, 0, 0, FIGURES},
    {"leaks", NULL, CHART_NONE, 0, 0,
     {{"at", COLUMN_TIME}, {"room", COLUMN_OUTSIDE}, {"verdict", COLUMN_WORD}, {"rule", COLUMN_OUTSIDE},
      {"revision", COLUMN_NUMBER}, {"event", COLUMN_OUTSIDE}}},
    {"rules", "rules", CHART_BARS, 0, 2,
     {{"rule", COLUMN_OUTSIDE}, {"messages", COLUMN_COUNT}, {"decided", COLUMN_COUNT}, {"flagged", COLUMN_COUNT},
      {"changed", COLUMN_COUNT}, {"stopped", COLUMN_COUNT}, {"shadow", COLUMN_COUNT}, {"reviewed", COLUMN_COUNT},
      {"overturned", COLUMN_COUNT}, {"overturned_ppm", COLUMN_PPM}, {"benign", COLUMN_COUNT}, {"first_at", COLUMN_TIME},
      {"last_at", COLUMN_TIME}}},
    {"terms", NULL, CHART_NONE, 0, 0,
     {{"list", COLUMN_OUTSIDE}, {"term", COLUMN_OUTSIDE}, {"messages", COLUMN_COUNT}, {"shadow", COLUMN_COUNT}}},
    {"rule_changes", NULL, CHART_NONE, 0, 0,
     {{"revision", COLUMN_NUMBER}, {"at", COLUMN_TIME}, {"author", COLUMN_OUTSIDE}, {"note", COLUMN_OUTSIDE},
      {"kind", COLUMN_WORD}, {"restores", COLUMN_NUMBER}, {"rules", COLUMN_COUNT}, {"terms", COLUMN_COUNT},
      {"status", COLUMN_WORD}, {"status_by", COLUMN_OUTSIDE}, {"overrides", COLUMN_OUTSIDE},
      {"canary_judged", COLUMN_COUNT}, {"canary_changed", COLUMN_COUNT}, {"taken", COLUMN_COUNT},
      {"refused", COLUMN_COUNT}}},
    {"offenders", "senders", CHART_NONE, 0, 0,
     {{"place", COLUMN_NUMBER}, {"account", COLUMN_ACCOUNT}, {"app", COLUMN_NUMBER}, {"messages", COLUMN_COUNT},
      {"stopped", COLUMN_COUNT}, {"changed", COLUMN_COUNT}, {"flagged", COLUMN_COUNT}, {"restricted", COLUMN_COUNT}}},
    {"rooms", NULL, CHART_BARS, 1, 2,
     {{"app", COLUMN_NUMBER}, {"room", COLUMN_OUTSIDE}, {"messages", COLUMN_COUNT}, {"changed", COLUMN_COUNT},
      {"stopped", COLUMN_COUNT}, {"acted_ppm", COLUMN_PPM}, {"leaked", COLUMN_COUNT}, {"unasked", COLUMN_COUNT}}},
    {"review", "people", CHART_NONE, 0, 0, FIGURES},
    {"moderators", NULL, CHART_NONE, 0, 0,
     {{"who", COLUMN_OUTSIDE}, {"actions", COLUMN_COUNT}, {"actions_by_kind", COLUMN_OUTSIDE}, {"reviewed", COLUMN_COUNT},
      {"overturned", COLUMN_COUNT}, {"review_p50_us", COLUMN_US}}},
    {"corrections", NULL, CHART_NONE, 0, 0,
     {{"action", COLUMN_WORD}, {"cause", COLUMN_WORD}, {"asked", COLUMN_COUNT}, {"done", COLUMN_COUNT},
      {"failed", COLUMN_COUNT}, {"expired", COLUMN_COUNT}, {"cancelled", COLUMN_COUNT}, {"uncertain", COLUMN_COUNT},
      {"under_way", COLUMN_COUNT}, {"done_p50_us", COLUMN_US}}},
    {"latency", "service", CHART_NONE, 0, 0, FIGURES},
    {"latency_spread", NULL, CHART_BARS, 0, 1,
     {{"up_to_us", COLUMN_UP_TO_US}, {"answers", COLUMN_COUNT}, {"share_ppm", COLUMN_PPM}}},
    {"incidents", NULL, CHART_NONE, 0, 0,
     {{"began_at", COLUMN_TIME}, {"ended_at", COLUMN_TIME}, {"lasted_s", COLUMN_SECONDS}, {"kind", COLUMN_WORD},
      {"subject", COLUMN_OUTSIDE}, {"instance", COLUMN_OUTSIDE}, {"detail", COLUMN_OUTSIDE}}},
};
/* clang-format on */
const size_t report_section_count = sizeof(report_sections) / sizeof(report_sections[0]);

size_t section_columns(const struct report_section *section)
{
    size_t n = 0;

    while (n < SECTION_COLUMNS && section->columns[n].kind != COLUMN_END)
        n++;
    return n;
}

struct json_value section_rows(struct json_value document, const struct report_section *section)
{
    return json_member(json_member(document, section->key), "rows");
}

int64_t section_left_out(struct json_value document, const struct report_section *section)
{
    int64_t n = 0;

    json_integer(json_member(json_member(document, section->key), "left_out"), &n);
    return n;
}

struct json_value section_cell(struct json_value row, const struct report_column *column)
{
    return json_member(row, column->kind == COLUMN_ACCOUNT ? "place" : column->key);
}

static bool ends_with(struct span name, const char *ending)
{
    size_t len = strlen(ending);

    return name.len > len && memcmp(name.data + name.len - len, ending, len) == 0;
}

enum column_kind figure_kind(struct span name)
{
    if (ends_with(name, "_ppm"))
        return COLUMN_PPM;
    return ends_with(name, "_us") ? COLUMN_US : COLUMN_COUNT;
}
