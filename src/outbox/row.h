/* row.h - a row of table outbox as the sender has claimed it. */
#ifndef CHATSLUICE_OUTBOX_ROW_H
#define CHATSLUICE_OUTBOX_ROW_H

#include "base/span.h"

#include <stdint.h>

/* As in the column action. */
enum row_action { ACTION_SEND_TEXT, ACTION_MUTE, ACTION_UNMUTE, ACTION_BAN, ACTION_UNBAN, ACTION_RECALL, ACTIONS };
const char *row_action_name(enum row_action action);

/* Commands of the REST API, each with a rate of its own. Their names are those of send_budget.command and, of the first
 * two, of the column transport. */
enum rest_command {
    REST_SEND_TEXT_MSG,
    REST_SEND_GROUP_MSG,
    REST_MUTE_MEMBER,
    REST_BAN_MEMBER,
    REST_UNBAN_MEMBER,
    REST_GROUP_MSG_RECALL,
    REST_COMMANDS
};
const char *rest_command_name(enum rest_command command);
const char *rest_command_path(enum rest_command command); /* "v4/..." */

struct row {
    char id[37];
    enum row_action action;
    enum rest_command command;
    struct span room, account;
    struct span text;        /* send_text */
    struct span custom_data; /* data NULL: none */
    struct span note;        /* data NULL: none */
    int64_t seconds;         /* mute, ban; -1: none */
    int64_t msg_seq;         /* recall; -1: none */
    uint32_t random;
    unsigned attempt;      /* the fence of its answer */
    unsigned tries;        /* this one included: attempts without those that were none */
    bool in_doubt;         /* an earlier call may have done it */
    int64_t first_sent_us; /* clock_mono_us() of the first attempt, claiming included */
    int64_t asked_at_us;   /* wall clock */
};

#endif
