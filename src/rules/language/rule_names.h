/* rule_names.h - the words of rule files for the enums of rule.h, used by reading and writing alike. */
#ifndef CHATSLUICE_RULES_LANGUAGE_RULE_NAMES_H
#define CHATSLUICE_RULES_LANGUAGE_RULE_NAMES_H

#include "rules/rule.h"

struct name_list {
    const char *const *names;
    size_t count;
    const char *all; /* the same for messages */
};

extern const struct name_list fold_step_names;   /* index: number of the bit */
extern const struct name_list boundary_names;    /* enum term_boundary */
extern const struct name_list when_names;        /* enum rule_when - WHEN_BEFORE */
extern const struct name_list mode_names;        /* enum rule_mode */
extern const struct name_list action_names_list; /* enum action */
extern const struct name_list contact_names;     /* number of the bit of enum contact_kind */
extern const struct name_list share_names;       /* enum share_of */
extern const struct name_list type_names;        /* enum element_type of wire/message.h */
extern const struct name_list json_where_names;  /* enum json_where */
extern const struct name_list counted_names;     /* enum counted */
extern const struct name_list scope_names;       /* enum scope_kind */
extern const struct name_list except_names;      /* the same, for what is excepted */

#endif
