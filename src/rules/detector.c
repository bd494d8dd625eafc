#include "rules/detector.h"

#include "rules/contact.h"
#include "rules/links.h"

void detector_scratch_trim(struct detector_scratch *s)
{
    glyphs_trim(&s->glyphs);
    folded_trim(&s->folded);
}

void detector_scratch_release(struct detector_scratch *s)
{
    glyphs_release(&s->glyphs);
    folded_release(&s->folded);
}

void detector_compile(struct detector *out, const struct condition *condition, struct arena *a)
{
    *out = (struct detector){.kind = condition->kind};
    if (condition->kind == CONDITION_LINKS)
        links_compile(out, &condition->links, a);
    else
        contact_compile(out, condition->contacts);
}

int detector_run(const struct detector *d, struct detector_scratch *scratch, struct span text, detector_found *found,
                 void *arg)
{
    bool all;

    if (!glyphs_read(&scratch->glyphs, text))
        return ERR_FAILED;
    all = d->kind == CONDITION_LINKS ? links_find(d, scratch, found, arg) : contact_find(d, scratch, found, arg);
    return all ? 0 : ERR_FULL;
}
