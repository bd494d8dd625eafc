#include "sim/corpus.h"

#include "sim/arguments.h"

#include <stdlib.h>

enum { MAX_FILE = 64 * 1024 * 1024 };

/* Names, numbers and addresses are made up; the numbers are of ranges kept free for such use. */
static const char *const own[] = {
    "hello everyone",
    "good evening from Lisbon",
    "first time here, nice stream",
    "what song is this?",
    "哈哈哈哈",
    "主播晚上好",
    "can you show the blue one again",
    "666",
    "how long is the battery life",
    "这个颜色真好看",
    "lol that was close",
    "greetings from the night shift",
    "刚下班，来听会儿歌",
    "is there a discount today",
    "the sound is a bit low on my side",
    "声音有点小",
    "much better now, thanks",
    "支持支持",
    "I ordered two last week and they arrived in three days",
    "write to me at mika.lund@example.com for the recipe",
    "请问有优惠券吗",
    "what is the size of the small one",
    "hi from the train, connection is bad",
    "新来的，关注了",
    "play the one from yesterday",
    "that goal was unbelievable",
    "这一球太帅了",
    "who is winning",
    "2:1, ten minutes to go",
    "老铁们晚上好",
    "does it come in green",
    "I would take the larger one, it lasts longer",
    "有没有大一点的",
    "same here",
    "+1",
    "主播唱得真好听",
    "thank you for the gift!",
    "谢谢大家的礼物",
    "please say hi to Tom",
    "加我的号 13800138000 聊聊",
    "how do you keep the plants so green",
    "每天浇一次水就够了",
    "wow",
    "the cat is back",
    "小猫又来了，好可爱",
    "what time do you stream tomorrow?",
    "明天几点开播",
    "eight in the evening, as always",
    "link to the schedule is in the profile",
    "今天的菜看起来很好吃",
    "a little more salt",
    "再放一点辣椒",
    "my grandmother makes it exactly like this",
    "one of the best streams this week",
    "网络有点卡",
    "the picture froze for a second",
    "恢复了",
    "good night all, see you tomorrow",
    "晚安，明天见",
    "call me 555 0199 after the show",
};

static int corpus_own(struct corpus *c, struct err *err)
{
    c->count = sizeof(own) / sizeof(own[0]);
    c->texts = calloc(c->count, sizeof(*c->texts));
    if (!c->texts)
        return err_set(err, ERR_FAILED, "could not prepare the texts: out of memory");
    for (size_t i = 0; i < c->count; i++)
        c->texts[i] = span_of(own[i]);
    return 0;
}

static int corpus_read(struct corpus *c, const char *path, struct err *err)
{
    const char *at, *end;
    unsigned line = 0;
    int r = argument_read_file(path, MAX_FILE, &c->file, err);

    if (r < 0)
        return r;
    c->texts = calloc(CORPUS_MAX_TEXTS, sizeof(*c->texts));
    if (!c->texts)
        return err_set(err, ERR_FAILED, "could not read \"%s\": out of memory", path);
    for (at = c->file.data, end = at + c->file.len; at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        struct span text = {at, (size_t)((newline ? newline : end) - at)};
        line++;
        at = newline ? newline + 1 : end;
        if (text.len > 0 && text.data[text.len - 1] == '\r')
            text.len--;
        if (text.len > CORPUS_MAX_TEXT)
            return err_set(err, ERR_USAGE, "%s:%u: a text has at most %d bytes", path, line, CORPUS_MAX_TEXT);
        if (text.len > 0 && c->count == CORPUS_MAX_TEXTS)
            return err_set(err, ERR_USAGE, "%s:%u: a corpus has at most %d texts", path, line, CORPUS_MAX_TEXTS);
        if (text.len > 0)
            c->texts[c->count++] = text;
    }
    return c->count > 0 ? 0 : err_set(err, ERR_USAGE, "there is no text in \"%s\"", path);
}

int corpus_open(struct corpus *c, const char *path, struct err *err)
{
    int r;

    *c = (struct corpus){0};
    r = path ? corpus_read(c, path, err) : corpus_own(c, err);
    if (r < 0)
        corpus_release(c);
    return r;
}

void corpus_release(struct corpus *c)
{
    free(c->texts);
    buf_release(&c->file);
    *c = (struct corpus){0};
}
