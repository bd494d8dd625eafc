#include "report/texts.h"

struct text {
    const char *key, *words[LANGUAGES];
};

static const char *const names[LANGUAGES] = {"en", "zh"};

/* clang-format off */
static const struct text texts[] = {
    {"page.title", {"Moderation report", "内容审核报告"}},
    {"page.period", {"Period", "统计区间"}},
    {"page.until", {"until", "至"}},
    {"page.room", {"Room", "房间"}},
    {"page.app", {"Application", "应用"}},
    {"page.all", {"all", "全部"}},
    {"page.zone", {"Time zone", "时区"}},
    {"page.as_of", {"As of", "数据截止"}},
    {"page.report", {"Report", "报告编号"}},
    {"page.digest", {"SHA-256 of its data", "数据的 SHA-256"}},
    {"page.program", {"Shown by", "生成程序"}},
    {"page.contents", {"Contents", "目录"}},
    {"page.not_over", {"The period was not over at that moment: the figures are of what had been received by then.",
      "截止时统计区间尚未结束：数据只包含当时已收到的内容。"}},
    {"page.frozen", {"The figures are frozen: the same question about the same moment gives the same report.",
      "数据已固定：对同一时刻提出同样的问题，得到的报告始终相同。"}},
    {"page.described", {"The table beside it holds the same figures.", "旁边的表格列出同样的数据。"}},
    {"page.empty", {"Nothing.", "无。"}},
    {"page.left_out", {"Not shown here:", "未显示的行数："}},
    {"page.withheld", {"The accounts are withheld from whoever made this copy.", "制作此副本的人无权查看账号。"}},
    {"page.no_value", {"–", "–"}},
    {"page.erased", {"erased", "已删除"}},
    {"page.withheld_account", {"withheld", "不公开"}},
    {"page.above", {"2 s and more", "2 秒及以上"}},

    {"unit.us", {"µs", "微秒"}},
    {"unit.ms", {"ms", "毫秒"}},
    {"unit.s", {"s", "秒"}},
    {"unit.min", {"min", "分"}},
    {"unit.h", {"h", "小时"}},
    {"unit.d", {"d", "天"}},

    {"step.minute", {"by the minute", "按分钟"}},
    {"step.hour", {"by the hour", "按小时"}},
    {"step.day", {"by the day", "按天"}},
    {"step.month", {"by the month", "按月"}},

    {"chapter.overview", {"Overview", "概览"}},
    {"chapter.verdicts", {"Verdicts and coverage", "判定与覆盖"}},
    {"chapter.transparency", {"Transparency", "透明度摘要"}},
    {"chapter.delivery", {"Delivery and leaks", "投递与漏放"}},
    {"chapter.rules", {"Rules", "规则"}},
    {"chapter.senders", {"Senders and rooms", "发送者与房间"}},
    {"chapter.people", {"Decisions of people, and corrections", "人工决定与更正"}},
    {"chapter.service", {"Response times and incidents", "响应时间与事故"}},

    {"section.totals", {"Totals", "总计"}},
    {"section.trend", {"Trend", "趋势"}},
    {"section.verdicts", {"Verdicts", "判定"}},
    {"section.coverage", {"Coverage: who decided", "覆盖：由谁决定"}},
    {"section.transparency", {"Transparency summary", "透明度摘要"}},
    {"section.categories", {"Actions by rule", "按规则统计的处置"}},
    {"section.delivery", {"Delivery ledger", "投递台账"}},
    {"section.leak_figures", {"Leak rate", "漏放率"}},
    {"section.leaks", {"Rejected but delivered", "已拒绝却被投递"}},
    {"section.rules", {"Rules", "规则"}},
    {"section.terms", {"Terms", "词条"}},
    {"section.rule_changes", {"Changes of rules", "规则变更"}},
    {"section.offenders", {"Offenders", "违规者"}},
    {"section.rooms", {"Rooms", "房间"}},
    {"section.review", {"Reviews", "复核"}},
    {"section.moderators", {"Moderators", "审核员"}},
    {"section.corrections", {"Corrections and other actions in rooms", "更正与房间内的其他操作"}},
    {"section.latency", {"Response times", "响应时间"}},
    {"section.latency_spread", {"Spread of response times", "响应时间分布"}},
    {"section.incidents", {"Incidents", "事故"}},

    {"note.trend", {"Above all messages, below those that were changed or stopped.", "上图为全部消息，下图为被改写或被拦截的消息。"}},
    {"note.coverage",
     {"Every message that is known of. Not asked: it was delivered although no webhook asked about it "
      "first.",
      "全部已知消息。未询问：未经事前回调即被投递。"}},
    {"note.transparency",
     {"In the manner of the reports under the EU Digital Services Act. Automated: a rule decided. An "
      "appeal is a review by a person of a message a rule acted on; the accuracy is the share of "
      "those that were upheld.",
      "参照欧盟《数字服务法》的报告方式。自动：由规则决定。申诉指人工对规则处置过的消息所作的复核；准确率为其中维持原判的比例。"}},
    {"note.categories",
     {"Messages by the rule that decided about them, which is the ground of the action.",
      "按作出决定的规则统计的消息，规则即处置依据。"}},
    {"note.delivery", {"What became of each message, as the platform's webhooks show it.", "根据平台回调得知的每条消息的结果。"}},
    {"note.leak_figures", {"A leak is a message that was stopped and yet reached the room.", "漏放指已被拦截却仍到达房间的消息。"}},
    {"note.rules",
     {"Messages: those it hit, where that counted. Decided: messages whose verdict it gave. Shadow: "
      "messages it only recorded.",
                    "消息：命中且计入的消息。决定：由其作出判定的消息。影子：仅作记录的消息。"}},
    {"note.terms",
     {"Terms of lists. What expressions matched is the words of senders and is not told here.",
      "词表中的词条。正则表达式匹配到的是发送者的原话，此处不列出。"}},
    {"note.rule_changes", {"Published revisions, for all rooms and applications.", "已发布的版本，适用于所有房间和应用。"}},
    {"note.offenders",
     {"Senders whose messages rules stopped or changed, the most stopped first.",
      "消息被规则拦截或改写的发送者，按拦截数降序。"}},
    {"note.review",
     {"Decisions of people about the messages of the period; the time is from the message to the "
      "decision.",
      "人工对本区间消息的决定；用时从消息发出到作出决定。"}},
    {"note.moderators", {"What people did in the period, and decided about its messages.", "审核员在本区间内的操作，以及对本区间消息的决定。"}},
    {"note.latency",
     {"From the head of a Before webhook to its verdict. The platform waits for 2 s.",
      "从收到事前回调请求头到作出判定。平台最多等待 2 秒。"}},
    {"note.incidents",
     {"Of all instances, whatever the room. Without an end: it went on, or the instance ended without "
      "a word.",
      "所有实例的事故，与房间无关。无结束时间：仍在持续，或实例未报告即终止。"}},

    {"figure.messages", {"Messages examined", "审查的消息"}},
    {"figure.rooms", {"Rooms", "房间"}},
    {"figure.senders", {"Senders", "发送者"}},
    {"figure.changed", {"Changed", "被改写"}},
    {"figure.stopped", {"Stopped", "被拦截"}},
    {"figure.acted_ppm", {"Share changed or stopped", "改写或拦截的比例"}},
    {"figure.delivered", {"Delivery webhooks", "投递回调"}},
    {"figure.recalls", {"Recall webhooks", "撤回回调"}},
    {"figure.webhooks", {"Webhooks in all", "回调总数"}},
    {"figure.unreadable", {"Unreadable webhooks", "无法解析的回调"}},
    {"figure.dead_letters", {"Records the database refused", "数据库拒收的记录"}},
    {"figure.acted", {"Messages acted on by rules", "规则处置的消息"}},
    {"figure.automated", {"Automated decisions", "自动决定"}},
    {"figure.human_decisions", {"Decisions of people", "人工决定"}},
    {"figure.human_actions", {"Actions of people", "人工操作"}},
    {"figure.automated_ppm", {"Share of automated decisions", "自动决定的比例"}},
    {"figure.automated_p50_us", {"Median time to action, automated", "处置用时中位数（自动）"}},
    {"figure.human_p50_us", {"Median time to decision, people", "决定用时中位数（人工）"}},
    {"figure.mutes_by_rule", {"Mutes by rules", "规则禁言"}},
    {"figure.mutes_by_people", {"Mutes by people", "人工禁言"}},
    {"figure.bans", {"Bans", "封禁"}},
    {"figure.recalls_done", {"Messages recalled", "撤回的消息"}},
    {"figure.appeals", {"Appeals: actions of rules reviewed", "申诉：被复核的规则处置"}},
    {"figure.appeals_granted", {"Appeals granted: overturned", "申诉成立：改判"}},
    {"figure.accuracy_ppm", {"Accuracy", "准确率"}},
    {"figure.error_ppm", {"Error rate", "错误率"}},
    {"figure.leaked", {"Rejected but delivered", "已拒绝却被投递"}},
    {"figure.leak_rate_ppm", {"Leak rate", "漏放率"}},
    {"figure.unasked", {"Delivered unasked", "未经询问即投递"}},
    {"figure.unasked_ppm", {"Share delivered unasked", "未经询问即投递的比例"}},
    {"figure.queued", {"Put up for review", "提交复核"}},
    {"figure.reviewed", {"Decided", "已决定"}},
    {"figure.open", {"Still open", "尚未决定"}},
    {"figure.overturned", {"Overturned", "改判"}},
    {"figure.overturned_ppm", {"Share overturned", "改判比例"}},
    {"figure.review_p50_us", {"Median time to decision", "决定用时中位数"}},
    {"figure.review_p90_us", {"90 % decided within", "90 % 的决定用时不超过"}},
    {"figure.review_max_us", {"Slowest decision", "最慢的决定"}},
    {"figure.answers", {"Answers", "应答"}},
    {"figure.p50_us", {"Median (p50)", "中位数（p50）"}},
    {"figure.p90_us", {"p90", "p90"}},
    {"figure.p95_us", {"p95", "p95"}},
    {"figure.p99_us", {"p99", "p99"}},
    {"figure.p999_us", {"p99.9", "p99.9"}},
    {"figure.max_us", {"Slowest", "最慢"}},
    {"figure.late", {"Later than the platform waits", "超过平台等待时间"}},
    {"figure.late_ppm", {"Share too late", "超时比例"}},

    {"column.name", {"Figure", "指标"}},
    {"column.value", {"Value", "数值"}},
    {"column.at", {"Time", "时间"}},
    {"column.messages", {"Messages", "消息"}},
    {"column.passed", {"Passed", "放行"}},
    {"column.changed", {"Changed", "改写"}},
    {"column.stopped", {"Stopped", "拦截"}},
    {"column.unasked", {"Unasked", "未询问"}},
    {"column.verdict", {"Verdict", "判定"}},
    {"column.share_ppm", {"Share", "比例"}},
    {"column.decided_by", {"Decided by", "决定者"}},
    {"column.rule", {"Rule", "规则"}},
    {"column.acted", {"Acted on", "处置"}},
    {"column.mask", {"Mask", "遮盖"}},
    {"column.replace", {"Replace", "替换"}},
    {"column.reject", {"Reject", "拒绝"}},
    {"column.discard", {"Discard", "丢弃"}},
    {"column.outcome", {"Outcome", "结果"}},
    {"column.room", {"Room", "房间"}},
    {"column.revision", {"Revision", "版本"}},
    {"column.event", {"Event", "事件"}},
    {"column.decided", {"Decided", "决定"}},
    {"column.flagged", {"Flagged", "标记"}},
    {"column.shadow", {"Shadow", "影子"}},
    {"column.reviewed", {"Reviewed", "已复核"}},
    {"column.overturned", {"Overturned", "改判"}},
    {"column.overturned_ppm", {"Share overturned", "改判比例"}},
    {"column.benign", {"Called harmless", "标为无害"}},
    {"column.first_at", {"First hit", "首次命中"}},
    {"column.last_at", {"Last hit", "最近命中"}},
    {"column.list", {"List", "词表"}},
    {"column.term", {"Term", "词条"}},
    {"column.author", {"Author", "作者"}},
    {"column.note", {"Note", "说明"}},
    {"column.kind", {"Kind", "类型"}},
    {"column.restores", {"Restores", "恢复版本"}},
    {"column.rules", {"Rules", "规则"}},
    {"column.terms", {"Terms", "词条"}},
    {"column.status", {"Status", "状态"}},
    {"column.status_by", {"Set by", "设置者"}},
    {"column.overrides", {"Allowed by hand", "人工放行项"}},
    {"column.canary_judged", {"Canary: judged", "试判消息"}},
    {"column.canary_changed", {"Canary: changed", "试判变化"}},
    {"column.taken", {"Instances that took it", "已采用的实例"}},
    {"column.refused", {"Instances that refused", "拒绝的实例"}},
    {"column.place", {"Place", "名次"}},
    {"column.account", {"Account", "账号"}},
    {"column.app", {"Application", "应用"}},
    {"column.restricted", {"Mutes and bans", "禁言与封禁"}},
    {"column.acted_ppm", {"Share acted on", "处置比例"}},
    {"column.leaked", {"Leaked", "漏放"}},
    {"column.who", {"Who", "人员"}},
    {"column.actions", {"Actions", "操作"}},
    {"column.actions_by_kind", {"Which", "明细"}},
    {"column.review_p50_us", {"Median time", "用时中位数"}},
    {"column.action", {"Action", "操作"}},
    {"column.cause", {"Asked by", "发起者"}},
    {"column.asked", {"Asked for", "请求"}},
    {"column.done", {"Done", "完成"}},
    {"column.failed", {"Failed", "失败"}},
    {"column.expired", {"Expired", "过期"}},
    {"column.cancelled", {"Cancelled", "取消"}},
    {"column.uncertain", {"Uncertain", "不确定"}},
    {"column.under_way", {"Under way", "进行中"}},
    {"column.done_p50_us", {"Median time", "用时中位数"}},
    {"column.up_to_us", {"Time", "用时"}},
    {"column.answers", {"Answers", "应答"}},
    {"column.began_at", {"Began", "开始"}},
    {"column.ended_at", {"Ended", "结束"}},
    {"column.lasted_s", {"Lasted", "持续"}},
    {"column.subject", {"Of", "对象"}},
    {"column.instance", {"Instance", "实例"}},
    {"column.detail", {"Detail", "详情"}},

    {"verdict.allow", {"allow", "放行"}},
    {"verdict.flag", {"flag", "标记"}},
    {"verdict.mask", {"mask", "遮盖"}},
    {"verdict.replace", {"replace", "替换"}},
    {"verdict.reject", {"reject", "拒绝"}},
    {"verdict.discard", {"discard", "丢弃"}},

    {"decided_by.rule", {"a rule", "规则"}},
    {"decided_by.default", {"the default, no rule hit", "默认，无规则命中"}},
    {"decided_by.correction", {"our own correction", "本服务的更正"}},
    {"decided_by.deadline", {"the deadline", "时限"}},
    {"decided_by.overload", {"overload", "过载"}},
    {"decided_by.nobody", {"nobody", "无"}},
    {"decided_by.not asked", {"nobody was asked", "未询问"}},

    {"outcome.delivered", {"delivered", "已投递"}},
    {"outcome.delivered rewritten", {"delivered rewritten", "改写后投递"}},
    {"outcome.blocked", {"blocked", "已拦截"}},
    {"outcome.corrected", {"corrected", "已更正"}},
    {"outcome.rejected but delivered", {"rejected but delivered", "已拒绝却被投递"}},
    {"outcome.delivered unasked", {"delivered unasked", "未经询问即投递"}},
    {"outcome.answered too late", {"answered too late", "应答过迟"}},
    {"outcome.dropped by the platform", {"dropped by the platform", "被平台丢弃"}},
    {"outcome.not confirmed", {"not confirmed", "未证实"}},

    {"action.send_text", {"send a text", "发送文本"}},
    {"action.mute", {"mute", "禁言"}},
    {"action.unmute", {"unmute", "解除禁言"}},
    {"action.ban", {"ban", "封禁"}},
    {"action.unban", {"unban", "解除封禁"}},
    {"action.recall", {"recall", "撤回"}},

    {"cause.rule", {"a rule", "规则"}},
    {"cause.person", {"a person", "人工"}},
    {"cause.command", {"the command line", "命令行"}},

    {"kind.publish", {"publication", "发布"}},
    {"kind.rollback", {"rollback", "回滚"}},
    {"kind.automatic rollback", {"automatic rollback", "自动回滚"}},
    {"kind.spool filling", {"spool over 70 %", "缓冲超过 70 %"}},
    {"kind.spool full", {"spool full", "缓冲已满"}},
    {"kind.spool stalled", {"spool stalled", "缓冲停滞"}},
    {"kind.database away", {"database away", "数据库不可用"}},
    {"kind.breaker open", {"breaker open: the platform refuses the application", "熔断：平台拒绝该应用"}},

    {"status.published", {"published", "已发布"}},
    {"status.withdrawn", {"withdrawn", "已撤销"}},
    {"status.rolled back", {"rolled back", "已回滚"}},
};
/* clang-format on */

bool language_of(const char *name, enum language *out)
{
    for (int l = 0; l < LANGUAGES; l++)
        if (strcmp(name, names[l]) == 0) {
            *out = (enum language)l;
            return true;
        }
    return false;
}

const char *language_name(enum language language)
{
    return names[language];
}

const char *text_find(enum language language, const char *group, struct span name)
{
    size_t len = strlen(group);

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const char *key = texts[i].key;

        if (strncmp(key, group, len) == 0 && key[len] == '.' && span_is(name, key + len + 1))
            return texts[i].words[language];
    }
    return NULL;
}

const char *text_of(enum language language, const char *group, const char *name)
{
    const char *words = text_find(language, group, span_of(name));

    return words ? words : name;
}

const char *text_key(size_t index)
{
    return index < sizeof(texts) / sizeof(texts[0]) ? texts[index].key : NULL;
}
