-- Traffic as rows of chatsluice.event, for measuring and for tests of plans: rooms and senders of Zipf size, eight languages,
-- about a tenth acted on (a few senders are at it all the time), an After webhook for most of what was let through. The
-- same numbers always give the same rows. chatsim load makes the real thing; this makes ten millions in minutes.
--
--   SELECT bench.fill(first, last, messages, began, span);
-- writes messages first to last of `messages` that are spread evenly over `span` from `began`, in the order of time, as
-- the loader does. A message is 1.9 events. Partitions are to be there.

CREATE SCHEMA bench;

-- From 0 (included) to 1, the same for the same message and salt.
CREATE FUNCTION bench.dice(i bigint, salt bigint) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT (hashint8extended(i, salt) & 4503599627370495) / 4503599627370496.0 $$;

-- 1 to n, the number k about as often as 1/k.
CREATE FUNCTION bench.zipf(u double precision, n bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT floor(exp(u * ln(n)))::bigint $$;

CREATE TABLE bench.language (language integer PRIMARY KEY, gap text NOT NULL, words text[] NOT NULL);
INSERT INTO bench.language VALUES
    (0, '', string_to_array('主播 今天 好看 唱歌 加油 关注 谢谢 礼物 火箭 直播间 大家好 什么 时候 开始 我们 喜欢 你的 声音 真的 太棒了 哈哈哈 再来 一首 '
        '明天 晚上 几点 支持 老铁 没毛病 厉害 求 歌名 刚来 怎么 回事 抽奖 福利 红包 链接 下单 优惠 便宜 质量 怎么样 发货 多久 收到 了 吗 可以 '
        '不可以 好听 可爱 游戏 排位 带我 上分 队友 对面 打野 中路', ' ')),
    (1, ' ', string_to_array('hello everyone this stream is really great love your voice sing again please what song was that '
        'where are you from good morning night tonight tomorrow follow back thanks for the gift rocket wow amazing lol nice shot '
        'play ranked with me team mid jungle how much does it cost shipping when link in bio giveaway winner first time here', ' ')),
    (2, ' ', string_to_array('hola buenas noches saludos desde mexico que bonita cancion otra vez por favor gracias amigo '
        'cuando empieza el juego vamos equipo cuanto cuesta envio gratis', ' ')),
    (3, ' ', string_to_array('привет всем как дела отличный стрим спой ещё пожалуйста откуда ты спасибо за подарок сколько стоит '
        'доставка когда начало игра команда да нет', ' ')),
    (4, ' ', string_to_array('مرحبا بالجميع بث رائع صوتك جميل من فضلك شكرا على الهدية متى تبدأ اللعبة كم السعر', ' ')),
    (5, '', string_to_array('こんにちは 今日 も 配信 ありがとう 歌 上手 もう一回 お願い どこ から かわいい すごい ゲーム 一緒に', ' ')),
    (6, ' ', string_to_array('안녕하세요 오늘 방송 재밌어요 노래 한번 더 불러주세요 어디 에서 감사합니다 대박 게임 같이', ' ')),
    (7, '', string_to_array('🔥 ❤️ 😂 👍 🎉 😍 🚀 666 233 +1 ??? !!! 👏 🌹', ' '));

-- What rules act on, as people write it.
CREATE TABLE bench.bad (term integer PRIMARY KEY, rule text NOT NULL, list text NOT NULL, word text NOT NULL);
INSERT INTO bench.bad
SELECT n, 'rule-' || to_char(bench.zipf(bench.dice(n, 90), 30), 'FM00'), 'list-' || n % 8,
       CASE n % 4 WHEN 0 THEN '加微' || chr(19968 + n * 37) || chr(20000 + n * 11) WHEN 1 THEN 'badword' || n
                  WHEN 2 THEN '1380013' || to_char(n, 'FM0000') ELSE 't.me/shop' || n END
FROM generate_series(0, 199) n;

CREATE FUNCTION bench.messages(first bigint, last bigint, messages bigint, began timestamptz, span interval)
    RETURNS TABLE (i bigint, at timestamptz, room text, account text, said text, custom text, verdict text, rule text,
                   error_code integer, hits jsonb, rewritten text, judge_us bigint)
    LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT m.i, began + (m.i / messages::double precision) * span, 'room-' || m.room,
           CASE WHEN m.bad AND m.u9 < 0.5 THEN 'offender_' || bench.zipf(m.u2, 300) ELSE 'viewer_' || bench.zipf(m.u2, 20000) END,
           w.said, CASE WHEN m.u3 < 0.5 THEN format('{"lvl":%s,"badge":"%s"}', (m.u3 * 100)::int,
                                                    (ARRAY['gold', 'silver', 'none'])[1 + (m.u4 * 3)::int % 3]) END,
           m.verdict, CASE WHEN m.bad THEN b.rule END,
           CASE m.verdict WHEN 'reject' THEN 10016 WHEN 'discard' THEN 2 ELSE 0 END,
           CASE WHEN m.bad
                THEN jsonb_build_array(jsonb_build_object(
                         'rule', b.rule, 'list', b.list, 'term', b.word, 'start', 0, 'end', octet_length(b.word),
                         'folding', 'case', 'field', 'text', 'state', CASE WHEN m.u8 < 0.05 THEN 'shadow' ELSE 'counted' END,
                         'action', m.verdict, 'matched', b.word)) END,
           CASE WHEN m.verdict IN ('mask', 'replace') THEN replace(w.said, b.word, repeat('*', char_length(b.word))) END,
           CASE WHEN m.i % 50021 = 7 THEN 2100000 ELSE (200 + m.u8 * 3000)::bigint END
    FROM (SELECT s.i, bench.zipf(bench.dice(s.i, 1), 2000) AS room, bench.dice(s.i, 2) AS u2, bench.dice(s.i, 3) AS u3,
                 bench.dice(s.i, 4) AS u4, bench.dice(s.i, 5) AS u5, bench.dice(s.i, 8) AS u8, bench.dice(s.i, 9) AS u9,
                 bench.dice(s.i, 7) < 0.1 AS bad,
                 CASE WHEN bench.dice(s.i, 7) < 0.1
                      THEN (ARRAY['flag', 'flag', 'flag', 'mask', 'mask', 'mask', 'mask', 'replace', 'reject', 'discard'])
                           [1 + floor(bench.dice(s.i, 6) * 10)::int]
                      ELSE 'allow' END AS verdict
          FROM generate_series(first, last) s (i)) m
    JOIN bench.bad b ON b.term = floor(m.u5 * 200)::int
    JOIN bench.language l ON l.language = CASE WHEN m.u4 < 0.45 THEN 0 WHEN m.u4 < 0.8 THEN 1 ELSE 2 + floor(m.u4 * 600)::int % 6 END
    CROSS JOIN LATERAL (
        SELECT CASE WHEN m.bad THEN b.word || l.gap ELSE '' END
               || (SELECT string_agg(l.words[1 + floor(bench.dice(m.i, 20 + k) * cardinality(l.words))::int], l.gap)
                   FROM generate_series(1, 2 + floor(m.u9 * 7)::int) k)
               -- A needle in the hay, and numbers as people write them.
               || CASE WHEN m.i % 100003 = 11 THEN l.gap || 'needle' || m.i WHEN m.u3 > 0.93 THEN l.gap || (m.u8 * 100000)::int
                       ELSE '' END AS said) w
$$;

CREATE FUNCTION bench.fill(first bigint, last bigint, messages bigint, began timestamptz, span interval) RETURNS bigint
    LANGUAGE plpgsql
AS $$
DECLARE
    n bigint;
BEGIN
    INSERT INTO chatsluice.event (event_time, received_at, sdkappid, spool_seq, event_id, spool_id, group_id, command,
                                  command_word, group_type, from_account, operator_account, msg_id, random, msg_seq, msg_time,
                                  client_ip, platform, text, cloud_custom_data, cloud_custom_data_json, verdict, decided_by,
                                  rule, error_code, hits, rewritten, rule_revision, judge_us, exception_code, exception_info,
                                  duplicate_keys, raw)
    SELECT k.at, k.at + interval '15 milliseconds', 1400000001, m.i * 2 + (k.command <> 'before')::int,
           md5(k.command || m.i)::uuid, '5b001000-0000-8000-8000-000000000001', m.room, k.command,
           k.word, 'Live', m.account, m.account, m.msg_id, m.random,
           CASE WHEN k.command = 'after' THEN m.i END,
           CASE WHEN k.command = 'after' THEN date_trunc('second', k.at) END, '203.0.113.' || m.i % 250,
           (ARRAY['Android', 'iOS', 'Web', 'Windows'])[1 + m.i % 4], k.said, m.custom, m.custom::jsonb, k.verdict,
           CASE WHEN k.verdict IS NULL THEN NULL WHEN k.rule IS NULL THEN 'default' ELSE 'rule' END, k.rule, k.error_code,
           k.hits, k.rewritten, 3, CASE WHEN k.verdict IS NOT NULL THEN m.judge_us END, k.exception_code, k.exception_info,
           false,
           convert_to(format('{"CallbackCommand":"%s","GroupId":"%s","Type":"Live","From_Account":"%s","Operator_Account":'
                             '"%s","Random":%s,"MsgId":"%s","OnlineOnlyFlag":0,"MsgPriority":"Normal","MsgBody":[{"MsgType":'
                             '"TIMTextElem","MsgContent":{"Text":"%s"}}],"EventTime":%s}', k.word, m.room, m.account, m.account,
                             m.random, m.msg_id, k.said, (extract(epoch FROM k.at) * 1000)::bigint), 'UTF8')
    FROM (SELECT d.*, '144115' || d.i || '-' || extract(epoch FROM d.at)::bigint || '-' || d.i % 1000 AS msg_id,
                 hashint8extended(d.i, 30) & 4294967295 AS random
          FROM bench.messages(first, last, messages, began, span) d) m
    CROSS JOIN LATERAL (
        SELECT 'before', 'Group.CallbackBeforeSendMsg', m.at, m.said, m.verdict, m.rule, m.error_code, m.hits, m.rewritten,
               NULL::bigint, NULL
        UNION ALL
        -- One in a thousand of what was stopped is delivered all the same; of the rest some is lost without a word.
        SELECT 'after', 'Group.CallbackAfterSendMsg', m.at + interval '120 milliseconds', coalesce(m.rewritten, m.said),
               'allow', NULL, 0, NULL, NULL, NULL, NULL
        WHERE CASE WHEN m.verdict IN ('reject', 'discard') THEN m.i % 1009 = 0 ELSE bench.dice(m.i, 31) < 0.97 END
        UNION ALL
        SELECT 'exception', 'Group.CallbackSendMsgException', m.at + interval '80 milliseconds', m.said, NULL, NULL, NULL, NULL,
               NULL, 10023, 'frequency limit'
        WHERE m.verdict NOT IN ('reject', 'discard') AND bench.dice(m.i, 31) >= 0.98
        ) k (command, word, at, said, verdict, rule, error_code, hits, rewritten, exception_code, exception_info);
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END
$$;
