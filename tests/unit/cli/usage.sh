#!/usr/bin/env bash
# usage.sh CHATSLUICE - calls the program in many ways and looks at exit status, output and error output.
set -euo pipefail

program=$1
root=$(cd "$(dirname "$0")/../../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" # no config/chatsluice.yaml here
for name in $(compgen -e | grep '^CHATSLUICE_' || true); do unset "$name"; done
failures=0

# expect STATUS out|err TEXT WORD...: the stream holds TEXT; the other stream is empty for out.
expect() {
    local status=$1 stream=$2 text=$3 got=0
    shift 3
    "$program" "$@" >out 2>err <"${input:-/dev/null}" || got=$?
    if [ "$got" != "$status" ] || ! grep -qF -e "$text" "$stream" || { [ "$stream" = out ] && [ -s err ]; }; then
        echo "FAILED: chatsluice $*"
        echo "  status $got, wanted $status; standard $stream should hold: $text"
        sed 's/^/  out: /' out
        sed 's/^/  err: /' err
        failures=$((failures + 1))
    fi
}

cat >rules.yaml <<'END'
- list: words
  terms: [wechat]
- rule: contact
  match: { terms: words }
  action: mask
  examples: [{ text: "my wechat", verdict: mask, becomes: "my ******" }]
END
sed 's/"my \*\*\*\*\*\*"/"something else"/' rules.yaml >failing.yaml
cat >corrected.yaml <<'END'
- rule: contact
  match: { regex: wechat }
  action: reject
  mask: "#"
  then: [resend]
  examples: [{ text: "my wechat", verdict: reject, becomes: "my ######" }]
END
printf -- '- rule: x\n  mtch: {}\n' >wrong.yaml
printf 'webhok: {}\nlog: {level: loud}\n' >wrong-config.yaml
printf 'apps: [{sdkappid: 7, token: t}]\n' >good.yaml
printf 'on wechat\nhello\n' >texts
printf 'hello\n' >harmless

# help, version, wrong words
expect 2 err 'usage: chatsluice COMMAND'
expect 0 out 'usage: chatsluice COMMAND' --help
expect 0 out 'chatsluice 0.' --version
expect 2 err '"serv" is no command; did you mean "serve"?' serv
expect 2 err '"rules pubish" is no command; did you mean "rules publish"?' rules pubish
expect 2 err 'chatsluice rules import' rules
expect 0 out 'chatsluice rules import' rules --help
for command in serve check migrate 'rules import' 'rules export' 'rules list' 'rules publish' 'rules history' \
    'rules diff' 'rules rollback' 'rules try' 'rules why' 'rules replay' 'rules lint' 'rules evade' 'spool status' \
    'spool verify' 'spool export'; do
    # shellcheck disable=SC2086
    expect 0 out "usage: chatsluice $command" $command --help
    # shellcheck disable=SC2086
    expect 2 err "chatsluice $command: there is no option --nonsense" $command --nonsense
    # shellcheck disable=SC2086
    expect 2 err "chatsluice $command: --config wants FILE" $command --config
done
expect 2 err 'there is no option --prun; did you mean --prune?' rules import --prun
expect 2 err '--json takes no value' rules list --json=yes
expect 2 err '"now" is one word too many' serve now
expect 2 err '--note TEXT is wanted' rules publish
expect 2 err '--canary: "many" is no number from 0 to 1000000' rules publish --note x --canary many
expect 2 err '--wait: "-1" is no number' rules publish --note x --wait -1
expect 2 err '--strict takes no value' rules publish --note x --strict=yes
expect 1 err 'could not open "nowhere.txt"' rules publish --note x --lexicon nowhere.txt
expect 2 err '--note TEXT is wanted' rules rollback
expect 2 err 'REVISION: "first" is no number' rules rollback first --note x
expect 2 err '"2" is one word too many' rules rollback 1 2 --note x
expect 2 err 'name two revisions' rules diff 1
expect 2 err 'REVISION: "x" is no number' rules diff 1 x
expect 2 err '--limit: "" is no number' rules history --limit=
expect 2 err 'name the rule files to import' rules import
expect 2 err '--when is before or after' rules try --when never
expect 2 err '--app is a number, the SdkAppid' rules try --app x
expect 2 err 'leave out --group, --type and --sender' rules try --callback --group g
expect 2 err "name an event's id, or --group and --seq" rules why
expect 2 err 'name the candidate: --rules FILE... or --revision N' rules replay --last 5
expect 2 err 'say which events' rules replay --revision 1
expect 2 err '--traffic is a stretch of time' rules lint --traffic soon
expect 2 err 'name one term' rules evade
expect 2 err '"leat" is no folding; did you mean "leet"?' rules evade x --folding case,leat

# check
expect 0 out 'webhook:' check --defaults
"$program" check --defaults | cmp - "$root/config/chatsluice.yaml"
expect 1 err 'apps: no application is configured' check
expect 0 out 'good.yaml: fine' check --config good.yaml
expect 0 out 'rules: fine, 1 rules, 1 terms' check --config good.yaml rules.yaml
expect 1 err 'wrong-config.yaml:1:1: key "webhok" is not known; did you mean "webhook"?' check --config=wrong-config.yaml
expect 1 err 'wrong-config.yaml:2:14: log.level: "loud" is not known' check --config wrong-config.yaml
expect 1 err 'wrong.yaml:2:3:' check --config good.yaml wrong.yaml
expect 1 err 'failing.yaml:6:' check --config good.yaml failing.yaml
expect 1 err 'could not open "nowhere.yaml"' check --config nowhere.yaml
expect 1 err 'chatsluice check: 5 faults' check --config wrong-config.yaml wrong.yaml

# commands that want a database say so when there is none
for command in migrate 'rules list' 'rules export' 'rules publish --note x' 'rules import rules.yaml' 'rules try' \
    'rules publish --note x --allow-shrink words --dry-run' 'rules history' 'rules diff 1 2' 'rules rollback --note x' \
    'rules why --group g --seq 1' 'rules replay --rules rules.yaml --last 5' 'rules lint' 'rules lint rules.yaml --traffic 1d' \
    'rules evade darn'; do
    # shellcheck disable=SC2086
    expect 1 err 'no database is configured; set database.url or CHATSLUICE_DATABASE_URL' $command
done

# rules try needs neither database nor configuration
input=texts
expect 0 out '{"verdict":"mask","becomes":"on ******","decided_by":"rule","hits":[{"rule":"contact","list":"words","term":"wechat","start":3,"end":9,"folding":' \
    rules try --rules rules.yaml --json
expect 0 out '{"verdict":"allow","becomes":null,"decided_by":"default","hits":[],"rule":null,"us":' rules try --rules rules.yaml --json
expect 0 out 'contact, list words: bytes 3-9 "wechat"' rules try --rules rules.yaml
expect 0 out '{"verdict":"reject","becomes":"on ######","decided_by":"rule"' rules try --rules corrected.yaml --json
expect 0 out 'reject   on wechat  (code 1)' rules try --rules corrected.yaml
expect 0 out 'sent again as: on ######' rules try --rules corrected.yaml
expect 1 err 'failing.yaml:6:' rules try --rules failing.yaml
expect 1 out '{"error":"body: ' rules try --rules rules.yaml --json --callback
expect 0 out '   ^^^^^^' rules try --rules rules.yaml
expect 0 out 'takes' rules lint rules.yaml # people speak of wechat
expect 0 out 'nothing found' rules lint --lexicon harmless rules.yaml
expect 0 out 'as a term of list words, folding: case,invisible' rules evade wechat --rules rules.yaml
printf '%s\n' '{"CallbackCommand":"Group.CallbackAfterSendMsg","MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":"wechat"}}]}' >bodies
input=bodies
expect 0 out '"matched":"wechat"' rules try --rules rules.yaml --json --callback
printf '\xff\n' >texts
input=texts
expect 1 out '{"error":"the text is not valid UTF-8"}' rules try --rules rules.yaml --json
input=

# spool
expect 1 err 'nowhere' spool status --directory "$work/nowhere"

[ "$failures" = 0 ] && echo "all as it should be"
exit "$failures"
