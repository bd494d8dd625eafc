-- What moderators ask about messages, and the query that answers it; the README's table has the same. Run against known rows
-- and held to their plans by test_search.py. :names are what a moderator fills in.

-- What was said in a room lately, and what became of it?
SELECT sent_at, account, text, verdict, outcome FROM moderation.search(room => :room, since => :since);

-- What was stopped or rewritten in a room, and why?
SELECT sent_at, from_account, verdict, rule, text, rewritten FROM moderation.message
WHERE group_id = :room AND sent_at >= :since AND verdict NOT IN ('allow', 'flag') ORDER BY sent_at;

-- What did rules act on just now, over all rooms?
SELECT sent_at, room_id, account, verdict, rule, text FROM moderation.search(verdict => 'flag,mask,replace,reject,discard');

-- What became of each message of a room, as a ledger?
SELECT outcome, count(*) FROM moderation.delivery WHERE room_id = :room AND sent_at >= :since GROUP BY 1 ORDER BY 1;

-- What was delivered although it was rejected?
SELECT sent_at, room_id, account, rule, answered_late FROM moderation.delivery
WHERE sent_at >= :since AND verdict IN ('reject', 'discard') AND outcome = 'rejected but delivered' ORDER BY sent_at;

-- What was delivered that nobody asked us about?
SELECT sent_at, room_id, account, msg_seq FROM moderation.delivery
WHERE sent_at >= :recently AND outcome = 'delivered unasked' ORDER BY sent_at;

-- What did we let through that the platform dropped, and why?
SELECT sent_at, account, exception_code, exception_info FROM moderation.delivery
WHERE room_id = :room AND sent_at >= :since AND outcome = 'dropped by the platform' ORDER BY sent_at;

-- What did we answer too late?
SELECT sent_at, room_id, answer_ms, decided_by, outcome FROM moderation.delivery
WHERE sent_at >= :recently AND answered_late ORDER BY sent_at;

-- Which messages were recalled, and how soon?
SELECT sent_at, from_account, recalled_at - delivered_at AS after FROM moderation.message
WHERE group_id = :room AND sent_at >= :since AND recalled_at IS NOT NULL ORDER BY sent_at;

-- What was corrected, and to what?
SELECT sent_at, from_account, text, corrected_text, correction_state FROM moderation.message
WHERE group_id = :room AND sent_at >= :since AND correction_state IS NOT NULL ORDER BY sent_at;

-- Who said this?
SELECT sent_at, room_id, account, text FROM moderation.search(text => :words);

-- Who said this word of two characters?
SELECT sent_at, room_id, account, text FROM moderation.search(text => :short);

-- What did this sender say, in all rooms?
SELECT sent_at, room_id, text, outcome FROM moderation.search(account => :account);

-- What did this rule hit, whether or not it decided?
SELECT sent_at, room_id, account, verdict, text FROM moderation.search(rule => :rule, since => :since);

-- What did this term hit?
SELECT sent_at, room_id, account, verdict, rule FROM moderation.search(term => :term, since => :since);

-- Which messages carry this in their CloudCustomData?
SELECT sent_at, room_id, custom_data FROM moderation.search(custom_data => '$.badge', custom_value => :badge);

-- And which answer to this JSON path?
SELECT sent_at, room_id, custom_data FROM moderation.search(custom_data => '$.lvl ? (@ >= 90)', room => :room);

-- Which message is this MsgSeq of the room?
SELECT sent_at, account, text, outcome, event_id FROM moderation.search(room => :room, msg_seq => :msg_seq);

-- Which message is this MsgId?
SELECT sent_at, room_id, account, text FROM moderation.search(msg_id => :msg_id);

-- Which message does this event belong to?
SELECT sent_at, room_id, account, text, before_event_id, after_event_id FROM moderation.search(event_id => :event);
