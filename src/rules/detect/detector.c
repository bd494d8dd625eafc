#include "rules/detect/detector.h"

#include "rules/detect/contact.h"
#include "rules/detect/links.h"

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

bool detector_read(struct detector_scratch *scratch, struct span text)
{
    return glyphs_read(&scratch->glyphs, text);
}

bool detector_run(const struct detector *d, struct detector_scratch *scratch, detector_found *found, void *arg)
{
    return d->kind == CONDITION_LINKS ? links_find(d, scratch, found, arg) : contact_find(d, scratch, found, arg);
}
