#include "rules/language/json_path.h"

/* A key without quotes: what can neither end it nor be mistaken for the quotes and brackets of the next step. */
static size_t plain_len(struct span rest)
{
    size_t n = 0;

    while (n < rest.len && (unsigned char)rest.data[n] > ' ' && !strchr(".[]\"'\\", rest.data[n]))
        n++;
    return n;
}

/* ["key"] or [n]. A quoted key holds no quote and no backslash. */
static int bracket_step(struct span rest, struct json_step *step, size_t *len, struct err *err)
{
    const char *close = memchr(rest.data, ']', rest.len);
    unsigned long long n;
    struct span inside;

    if (rest.len > 1 && rest.data[1] == '"') {
        const char *quote = memchr(rest.data + 2, '"', rest.len - 2);

        if (!quote || quote + 1 == rest.data + rest.len || quote[1] != ']')
            return err_set(err, ERR_USAGE, "[\"...\"] is not closed; write [\"key\"]");
        step->key = (struct span){rest.data + 2, (size_t)(quote - rest.data) - 2};
        if (memchr(step->key.data, '\\', step->key.len))
            return err_set(err, ERR_USAGE, "a quoted key cannot hold a backslash");
        *len = step->key.len + 4;
        return 0;
    }
    if (!close)
        return err_set(err, ERR_USAGE, "a \"[\" is not closed; write [0] or [\"key\"]");
    inside = (struct span){rest.data + 1, (size_t)(close - rest.data) - 1};
    if (!span_to_u64(inside, &n) || n > JSON_PATH_MAX_INDEX)
        return err_set(err, ERR_USAGE, "\"[%.*s]\" is no number of an item; write [0] to [%d], or a key as [\"key\"]",
                       (int)inside.len, inside.data, JSON_PATH_MAX_INDEX);
    step->is_index = true;
    step->index = (uint32_t)n;
    *len = inside.len + 2;
    return 0;
}

int json_path_parse(struct span path, struct json_step *steps, size_t *count, struct err *err)
{
    size_t at = 0, n = 0;

    if (path.len == 0 || path.len > JSON_PATH_MAX)
        return err_set(err, ERR_USAGE, "a path has 1 to %d bytes", JSON_PATH_MAX);
    while (at < path.len) {
        struct span rest = {path.data + at, path.len - at};
        struct json_step step = {0};
        size_t len = 0;
        int r = 0;

        if (n == JSON_PATH_MAX_STEPS)
            return err_set(err, ERR_USAGE, "it has more than %d steps", JSON_PATH_MAX_STEPS);
        if (*rest.data == '[') {
            r = bracket_step(rest, &step, &len, err);
        } else {
            bool dot = *rest.data == '.' && n > 0;

            len = plain_len((struct span){rest.data + dot, rest.len - dot});
            step.key = (struct span){rest.data + dot, len};
            if (!len || (n > 0 && !dot))
                r = err_set(err, ERR_USAGE,
                            "after \"%.*s\" comes no key; separate keys by dots and write other than plain ones as "
                            "[\"key\"]",
                            (int)at, path.data);
            len += dot;
        }
        if (r < 0)
            return r;
        steps[n++] = step;
        at += len;
    }
    *count = n;
    return 0;
}
