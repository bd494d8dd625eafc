/* metrics_table.h - every series of /metrics. Included several times with other meanings of the macros; FAMILY gives
 * type and help once, before the series of that name. Names follow Prometheus' rules: base units, _total on counters.
 */
#ifndef FAMILY
#define FAMILY(name, type, help)
#endif
#ifndef COUNTER
#define COUNTER(id, family, labels)
#endif
#ifndef GAUGE
#define GAUGE(id, family, labels)
#endif
#ifndef HISTOGRAM
#define HISTOGRAM(id, family, labels)
#endif

FAMILY("chatsluice_webhooks_total", "counter", "Authenticated webhooks by command.")
COUNTER(WEBHOOKS_BEFORE, "chatsluice_webhooks_total", "command=\"before\"")
COUNTER(WEBHOOKS_AFTER, "chatsluice_webhooks_total", "command=\"after\"")
COUNTER(WEBHOOKS_EXCEPTION, "chatsluice_webhooks_total", "command=\"exception\"")
COUNTER(WEBHOOKS_RECALL, "chatsluice_webhooks_total", "command=\"recall\"")
COUNTER(WEBHOOKS_OTHER, "chatsluice_webhooks_total", "command=\"other\"")

FAMILY("chatsluice_verdicts_total", "counter", "Verdicts on Before webhooks.")
COUNTER(VERDICTS_ALLOW, "chatsluice_verdicts_total", "verdict=\"allow\"")
COUNTER(VERDICTS_FLAG, "chatsluice_verdicts_total", "verdict=\"flag\"")
COUNTER(VERDICTS_MASK, "chatsluice_verdicts_total", "verdict=\"mask\"")
COUNTER(VERDICTS_REPLACE, "chatsluice_verdicts_total", "verdict=\"replace\"")
COUNTER(VERDICTS_REJECT, "chatsluice_verdicts_total", "verdict=\"reject\"")
COUNTER(VERDICTS_DISCARD, "chatsluice_verdicts_total", "verdict=\"discard\"")

FAMILY("chatsluice_refused_total", "counter", "Requests refused before they were judged, by reason.")
COUNTER(REFUSED_PATH, "chatsluice_refused_total", "reason=\"path\"")
COUNTER(REFUSED_METHOD, "chatsluice_refused_total", "reason=\"method\"")
COUNTER(REFUSED_FRAMING, "chatsluice_refused_total", "reason=\"framing\"")
COUNTER(REFUSED_TOO_LARGE, "chatsluice_refused_total", "reason=\"too_large\"")
COUNTER(REFUSED_SLOW_BODY, "chatsluice_refused_total", "reason=\"slow_body\"")
COUNTER(REFUSED_SIGNATURE, "chatsluice_refused_total", "reason=\"signature\"")
COUNTER(REFUSED_SDKAPPID, "chatsluice_refused_total", "reason=\"sdkappid\"")
COUNTER(REFUSED_UNREADABLE, "chatsluice_refused_total", "reason=\"unreadable\"")
COUNTER(REFUSED_SPOOL, "chatsluice_refused_total", "reason=\"spool\"")
COUNTER(REFUSED_CONNECTION, "chatsluice_refused_total", "reason=\"connection\"")

FAMILY("chatsluice_deadline_total", "counter", "Verdicts sent at the deadline because the disk had not answered.")
COUNTER(DEADLINE, "chatsluice_deadline_total", "")
FAMILY("chatsluice_not_recorded_total", "counter", "Before verdicts given although the spool could not take the event.")
COUNTER(NOT_RECORDED, "chatsluice_not_recorded_total", "")
FAMILY("chatsluice_command_mismatch_total", "counter", "Requests whose URL named another command than the body.")
COUNTER(COMMAND_MISMATCH, "chatsluice_command_mismatch_total", "")

FAMILY("chatsluice_markers_total", "counter", "Before and After webhooks with a marker, by what it was worth.")
COUNTER(MARKERS_ACCEPTED, "chatsluice_markers_total", "use=\"accepted\"")
COUNTER(MARKERS_USED, "chatsluice_markers_total", "use=\"used\"")
COUNTER(MARKERS_LATE, "chatsluice_markers_total", "use=\"late\"")
COUNTER(MARKERS_COPIED, "chatsluice_markers_total", "use=\"copied\"")
COUNTER(MARKERS_FORGED, "chatsluice_markers_total", "use=\"forged\"")

FAMILY("chatsluice_webhook_seconds", "histogram", "From the request's head to the reply, by command.")
HISTOGRAM(BEFORE, "chatsluice_webhook_seconds", "command=\"before\"")
HISTOGRAM(AFTER, "chatsluice_webhook_seconds", "command=\"after\"")
HISTOGRAM(OTHER, "chatsluice_webhook_seconds", "command=\"other\"")

FAMILY("chatsluice_spool_bytes", "gauge", "Bytes of the spool not yet in the database.")
GAUGE(SPOOL_BYTES, "chatsluice_spool_bytes", "")
FAMILY("chatsluice_spool_max_bytes", "gauge", "The bound of the spool.")
GAUGE(SPOOL_MAX_BYTES, "chatsluice_spool_max_bytes", "")
FAMILY("chatsluice_spool_records", "gauge", "Records of the spool not yet in the database.")
GAUGE(SPOOL_RECORDS, "chatsluice_spool_records", "")
FAMILY("chatsluice_spool_oldest_seconds", "gauge", "Age of the oldest record not yet in the database.")
GAUGE(SPOOL_OLDEST_SECONDS, "chatsluice_spool_oldest_seconds", "")
FAMILY("chatsluice_spool_quarantined_total", "counter", "Records found damaged and set aside.")
COUNTER(SPOOL_QUARANTINED, "chatsluice_spool_quarantined_total", "")
FAMILY("chatsluice_spool_appended_total", "counter", "Records made durable.")
COUNTER(SPOOL_APPENDED, "chatsluice_spool_appended_total", "")
FAMILY("chatsluice_spool_fsync_seconds", "histogram", "Duration of one fdatasync of the spool.")
HISTOGRAM(FSYNC, "chatsluice_spool_fsync_seconds", "")

FAMILY("chatsluice_loader_rows_total", "counter", "Events committed to PostgreSQL.")
COUNTER(LOADER_ROWS, "chatsluice_loader_rows_total", "")
FAMILY("chatsluice_loader_duplicates_total", "counter", "After deliveries that were already stored.")
COUNTER(LOADER_DUPLICATES, "chatsluice_loader_duplicates_total", "")
FAMILY("chatsluice_loader_dead_letters_total", "counter", "Records PostgreSQL refused, parked in dead_letter.")
COUNTER(LOADER_DEAD_LETTERS, "chatsluice_loader_dead_letters_total", "")
FAMILY("chatsluice_follow_ups_total", "counter",
       "Rows written for follow-ups and sightings of own messages, and events refused.")
COUNTER(FOLLOW_UPS_WRITTEN, "chatsluice_follow_ups_total", "outcome=\"written\"")
COUNTER(FOLLOW_UPS_REFUSED, "chatsluice_follow_ups_total", "outcome=\"refused\"")
FAMILY("chatsluice_loader_failures_total", "counter", "Batches that failed and are tried again.")
COUNTER(LOADER_FAILURES, "chatsluice_loader_failures_total", "")
FAMILY("chatsluice_database_up", "gauge", "1 while the loader's connection to PostgreSQL works.")
GAUGE(DATABASE_UP, "chatsluice_database_up", "")

FAMILY("chatsluice_rollup_events_total", "counter", "Stored events this instance has counted into the rollups.")
COUNTER(ROLLUP_EVENTS, "chatsluice_rollup_events_total", "")
FAMILY("chatsluice_rollup_lag_seconds", "gauge",
       "How long there have been stored events, of any instance, that the rollups do not count yet.")
GAUGE(ROLLUP_LAG_SECONDS, "chatsluice_rollup_lag_seconds", "")
FAMILY("chatsluice_rollup_lag_records", "gauge", "Records of all spools that are loaded and not counted yet.")
GAUGE(ROLLUP_LAG_RECORDS, "chatsluice_rollup_lag_records", "")
FAMILY("chatsluice_rollup_failures_total", "counter", "Passes over stored events that failed and are tried again.")
COUNTER(ROLLUP_FAILURES, "chatsluice_rollup_failures_total", "")

FAMILY("chatsluice_rule_revision", "gauge", "The rule revision in force.")
GAUGE(RULE_REVISION, "chatsluice_rule_revision", "")
FAMILY("chatsluice_rule_reloads_total", "counter", "Rule sets taken over.")
COUNTER(RULE_RELOADS, "chatsluice_rule_reloads_total", "")
FAMILY("chatsluice_rule_reload_failures_total", "counter", "Published revisions this instance could not take over.")
COUNTER(RULE_RELOAD_FAILURES, "chatsluice_rule_reload_failures_total", "")
FAMILY("chatsluice_rule_rollbacks_total", "counter",
       "Revisions this instance rolled back by itself on a jump of its hit rate.")
COUNTER(RULE_ROLLBACKS, "chatsluice_rule_rollbacks_total", "")

FAMILY("chatsluice_rest_calls_total", "counter", "Calls of the REST API by how they ended.")
COUNTER(REST_CALLS_ANSWERED, "chatsluice_rest_calls_total", "result=\"answered\"")
COUNTER(REST_CALLS_NO_ANSWER, "chatsluice_rest_calls_total", "result=\"no_answer\"")
COUNTER(REST_CALLS_NOT_SENT, "chatsluice_rest_calls_total", "result=\"not_sent\"")
FAMILY("chatsluice_rest_call_seconds", "histogram", "Duration of one call of the REST API.")
HISTOGRAM(REST_CALL, "chatsluice_rest_call_seconds", "")
FAMILY("chatsluice_outbox_events_total", "counter",
       "What became of outbox rows this instance was sending, by the event of table outbox_move.")
COUNTER(OUTBOX_ACCEPTED, "chatsluice_outbox_events_total", "event=\"accepted\"")
COUNTER(OUTBOX_UNCONFIRMED, "chatsluice_outbox_events_total", "event=\"unconfirmed\"")
COUNTER(OUTBOX_NOT_SENT, "chatsluice_outbox_events_total", "event=\"not_sent\"")
COUNTER(OUTBOX_BUSY, "chatsluice_outbox_events_total", "event=\"busy\"")
COUNTER(OUTBOX_DROPPED, "chatsluice_outbox_events_total", "event=\"dropped\"")
COUNTER(OUTBOX_STOPPED, "chatsluice_outbox_events_total", "event=\"stopped\"")
COUNTER(OUTBOX_RENEWED, "chatsluice_outbox_events_total", "event=\"renewed\"")
COUNTER(OUTBOX_REPEAT, "chatsluice_outbox_events_total", "event=\"repeat\"")
COUNTER(OUTBOX_NO_ANSWER, "chatsluice_outbox_events_total", "event=\"no_answer\"")
COUNTER(OUTBOX_REFUSED, "chatsluice_outbox_events_total", "event=\"refused\"")
COUNTER(OUTBOX_EXHAUSTED, "chatsluice_outbox_events_total", "event=\"exhausted\"")
COUNTER(OUTBOX_IMPOSSIBLE, "chatsluice_outbox_events_total", "event=\"impossible\"")
FAMILY("chatsluice_outbox_delivery_seconds", "histogram",
       "From the cause of a corrected message to the platform's answer that it took it.")
HISTOGRAM(OUTBOX_DELIVERY, "chatsluice_outbox_delivery_seconds", "")
FAMILY("chatsluice_outbox_rows", "gauge",
       "Rows of the outbox that are not final, of all instances, counted up to 1000. uncertain: a person must decide.")
GAUGE(OUTBOX_HELD, "chatsluice_outbox_rows", "state=\"held\"")
GAUGE(OUTBOX_QUEUED, "chatsluice_outbox_rows", "state=\"queued\"")
GAUGE(OUTBOX_SENDING, "chatsluice_outbox_rows", "state=\"sending\"")
GAUGE(OUTBOX_WAITING, "chatsluice_outbox_rows", "state=\"waiting\"")
GAUGE(OUTBOX_UNCERTAIN, "chatsluice_outbox_rows", "state=\"uncertain\"")
FAMILY("chatsluice_outbox_permits", "gauge", "Calls a second this instance may make now, of all REST commands it uses.")
GAUGE(OUTBOX_PERMITS, "chatsluice_outbox_permits", "")
FAMILY("chatsluice_outbox_under_way", "gauge", "REST calls that have not been answered yet.")
GAUGE(OUTBOX_UNDER_WAY, "chatsluice_outbox_under_way", "")
FAMILY("chatsluice_outbox_breakers_open", "gauge",
       "Applications the REST API refuses as a whole; their corrections wait until it accepts one again.")
GAUGE(OUTBOX_BREAKERS_OPEN, "chatsluice_outbox_breakers_open", "")

FAMILY("chatsluice_connections", "gauge", "Open webhook connections.")
GAUGE(CONNECTIONS, "chatsluice_connections", "")
FAMILY("chatsluice_in_flight", "gauge", "Webhooks being answered.")
GAUGE(IN_FLIGHT, "chatsluice_in_flight", "")

#undef FAMILY
#undef COUNTER
#undef GAUGE
#undef HISTOGRAM
