#include "wire/message.h"

static const struct {
    const char *name;
    const char *word; /* NULL: any other */
} commands[] = {
    [COMMAND_BEFORE] = {"before", "Group.CallbackBeforeSendMsg"},
    [COMMAND_AFTER] = {"after", "Group.CallbackAfterSendMsg"},
    [COMMAND_EXCEPTION] = {"exception", "Group.CallbackSendMsgException"},
    [COMMAND_RECALL] = {"recall", "Group.CallbackAfterRecallMsg"},
    [COMMAND_OTHER] = {"other", NULL},
};

const char *command_name(enum command c)
{
    return commands[c].name;
}

enum command command_of(struct span callback_command)
{
    for (enum command c = COMMAND_BEFORE; c < COMMAND_OTHER; c++)
        if (span_is(callback_command, commands[c].word))
            return c;
    return COMMAND_OTHER;
}
