#!/usr/bin/env bash
# serve.sh CHATSLUICE - starts the service without a database, reloads it with good and bad configurations, stops it.
set -euo pipefail

program=$1
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill -9 "$pid" 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
for name in $(compgen -e | grep '^CHATSLUICE_' || true); do unset "$name"; done

fail() {
    echo "FAILED: $1"
    sed 's/^/  log: /' log
    exit 1
}

# logged TEXT: waits until the log holds it.
logged() {
    for _ in $(seq 600); do
        ! grep -qF -e "$1" log || return 0
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.05
    done
    grep -qF -e "$1" log || fail "the log does not say: $1"
}

configure() {
    cat >c.yaml <<END
webhook: { listen: $1, authentication: $2, threads: $3, max_body: 64KiB }
operations: { listen: 127.0.0.1:0 }
spool: { directory: $work/spool, max_bytes: 4MiB, segment_bytes: 1MiB }
database: { url: "host=$work/nobody" }
apps: [ { sdkappid: 7, token: secret-word } ]
END
}

: >log
configure 127.0.0.1:0 on 4
"$program" serve --config c.yaml 2>log &
pid=$!
logged 'msg=serving listen=127.0.0.1:'
logged 'database not ready'
! grep -qF 'listen=127.0.0.1:0 ' log || fail 'the line does not name the port that was bound'

# one spool, one process
status=0
"$program" serve --config c.yaml 2>second || status=$?
[ "$status" = 1 ] && grep -q "in use by process $pid" second || fail "a second process: status $status, $(cat second)"

configure 127.0.0.1:0 on many
kill -HUP "$pid"
logged 'configuration refused, the running one stays'
logged 'webhook.threads: \"many\" is not a number; write digits'
configure 127.0.0.1:1 off 4
kill -HUP "$pid"
logged 'webhook.authentication can be turned off together with another webhook.listen only by a restart'
configure 127.0.0.1:0 on 8
kill -HUP "$pid"
logged 'configuration taken over'
logged 'keys=webhook.threads'

kill -TERM "$pid"
status=0
wait "$pid" || status=$?
pid=
[ "$status" = 0 ] || fail "status $status after SIGTERM"
grep -q 'msg=stopped' log || fail 'it did not stop in order'
! grep -q 'secret-word' log second || fail 'a secret is in the log'
echo "all as it should be"
