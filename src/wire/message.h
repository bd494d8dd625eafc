/* message.h - one webhook as the rest of the service sees it (`protocol.md` sections 1, 3 to 5 and 7).
 *
 * All spans are borrowed from the parser that filled the message and live until its next call. Text is valid UTF-8;
 * U+0000 and unpaired surrogates of the wire appear as U+FFFD (the raw body keeps what was sent). */
#ifndef CHATSLUICE_WIRE_MESSAGE_H
#define CHATSLUICE_WIRE_MESSAGE_H

#include "base/span.h"

#include <stdint.h>

enum command {
    COMMAND_BEFORE,    /* Group.CallbackBeforeSendMsg */
    COMMAND_AFTER,     /* Group.CallbackAfterSendMsg */
    COMMAND_EXCEPTION, /* Group.CallbackSendMsgException */
    COMMAND_RECALL,    /* Group.CallbackAfterRecallMsg */
    COMMAND_OTHER,     /* every other: stored raw, answered with success */
};

/* "before", "after", "exception", "recall", "other": as in the column event.command. */
const char *command_name(enum command c);
enum command command_of(struct span callback_command); /* of the platform's command word, e.g. in the URL */

/* The platform tells a missing string from null and from "", so do we. */
enum presence { MISSING, IS_NULL, GIVEN };
struct optional_text {
    enum presence presence;
    struct span text; /* empty unless GIVEN */
};
struct optional_number {
    enum presence presence;
    int64_t value; /* read from a JSON integer or a string of digits; unsigned 32-bit ones as they are */
};

/* Where a piece of readable text stands in the message (`protocol.md` section 7). */
enum text_source {
    TEXT_TEXT,        /* TIMTextElem Text */
    TEXT_FACE_DATA,   /* TIMFaceElem Data */
    TEXT_CUSTOM_DATA, /* TIMCustomElem Data, Desc, Ext */
    TEXT_CUSTOM_DESC,
    TEXT_CUSTOM_EXT,
    TEXT_LOCATION_DESC, /* TIMLocationElem Desc */
    TEXT_FILE_NAME,     /* TIMFileElem FileName */
    TEXT_RELAY_TITLE,   /* TIMRelayElem Title, CompatibleText, AbstractList */
    TEXT_RELAY_COMPATIBLE,
    TEXT_RELAY_ABSTRACT, /* can be judged, not rewritten in place */
    TEXT_RELAY_NESTED,   /* any of the above inside MsgList; can be judged, not rewritten in place */
};

struct text_piece {
    enum text_source source;
    uint32_t element;    /* index in MsgBody */
    uint32_t start, len; /* bytes of message.text */
};

enum element_type {
    ELEMENT_TEXT,
    ELEMENT_FACE,
    ELEMENT_CUSTOM,
    ELEMENT_LOCATION,
    ELEMENT_SOUND,
    ELEMENT_IMAGE,
    ELEMENT_FILE,
    ELEMENT_VIDEO,
    ELEMENT_RELAY,
    ELEMENT_UNKNOWN,
};

struct message {
    enum command command;
    struct span command_word; /* of the body */

    struct optional_text group_id, type, topic_id, from_account, operator_account, msg_id, msg_priority;
    struct optional_text cloud_custom_data;
    struct optional_text error_info; /* COMMAND_EXCEPTION */
    struct optional_number random, msg_seq, msg_time_s, event_time_ms, online_only, error_code;

    /* Everything a moderator must see, in order. Consecutive TIMTextElem stand joined without a separator, because a
     * word split over them is one word to the reader; any two other pieces are separated by one '\n' that belongs to
     * none. CloudCustomData is not part of it. Rules' byte offsets count in this text. */
    struct span text;
    const struct text_piece *pieces;
    size_t piece_count;

    const enum element_type *elements; /* one for each element of MsgBody */
    size_t element_count;

    const int64_t *recalled_seqs; /* COMMAND_RECALL: MsgSeqList */
    size_t recalled_count;

    bool duplicate_keys; /* some object had a key twice; the last one counted */
};

#endif
