"""prometheus.py - reads the Prometheus text format (version 0.0.4) as strictly as its description allows.

Every departure is an AssertionError that names the line: a sample without HELP and TYPE before it, a family in two
places, a sample twice, a histogram whose buckets do not grow or do not end in +Inf, a last line without its line feed.
"""
import http.client
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"'
COMMENT = re.compile(rf"# (HELP|TYPE) ({NAME}) (.+)")
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? ([0-9.eE+-]+|NaN|[+-]Inf)")
TYPES = {"counter", "gauge", "histogram"}


def family_of(name, types):
    """The family a sample belongs to: its own name, or that of the histogram it is a part of."""
    base = re.sub(r"_(bucket|sum|count)$", "", name)
    return base if types.get(base) == "histogram" else name


def parse(text):
    """{'name{label="value"}': number} of a whole exposition."""
    assert text.endswith("\n"), "the last line has no line feed"
    types, helped, samples, order = {}, set(), {}, []
    for number, line in enumerate(text.splitlines(), 1):
        where = f"line {number}: {line}"
        if line.startswith("#"):
            comment = COMMENT.fullmatch(line)
            assert comment, f"neither HELP nor TYPE, {where}"
            kind, name, rest = comment.groups()
            if kind == "HELP":
                assert name not in helped, f"a second HELP, {where}"
                helped.add(name)
            else:
                assert name not in types, f"a second TYPE, {where}"
                assert rest in TYPES, f"unknown type, {where}"
                types[name] = rest
            continue
        sample = SAMPLE.fullmatch(line)
        assert sample, f"not a sample, {where}"
        name, labels, value = sample.groups()
        family = family_of(name, types)
        assert family in types and family in helped, f"no HELP and TYPE before it, {where}"
        if types[family] == "counter":
            assert name.endswith("_total"), f"a counter's name ends in _total, {where}"
            assert float(value) >= 0, f"a negative counter, {where}"
        if not order or order[-1] != family:
            assert family not in order, f"the family is in two places, {where}"
            order.append(family)
        key = f"{name}{{{labels}}}" if labels else name
        assert key not in samples, f"the same sample twice, {where}"
        samples[key] = float(value)
    for family, kind in types.items():
        if kind == "histogram":
            check_histogram(family, samples)
    return samples


def check_histogram(family, samples):
    series = {}
    for key, value in samples.items():
        match = re.fullmatch(rf'{family}_bucket\{{(.*,)?le="([^"]+)"\}}', key)
        if match:
            series.setdefault((match[1] or "").rstrip(","), []).append((float(match[2].replace("+Inf", "inf")), value))
    assert series, f"histogram {family} has no buckets"
    for labels, buckets in series.items():
        assert [b[0] for b in buckets] == sorted({b[0] for b in buckets}), f"{family}: buckets out of order"
        assert [b[1] for b in buckets] == sorted(b[1] for b in buckets), f"{family}: buckets do not grow"
        assert buckets[-1][0] == float("inf"), f"{family}: the last bucket is not +Inf"
        suffix = f"{{{labels}}}" if labels else ""
        assert samples[f"{family}_count{suffix}"] == buckets[-1][1], f"{family}: _count is not the +Inf bucket"
        assert samples[f"{family}_sum{suffix}"] >= 0, f"{family}: no _sum"


def fetch(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    assert answer.status == 200, f"/metrics answered {answer.status}"
    content_type = answer.getheader("Content-Type")
    assert content_type.startswith("text/plain; version=0.0.4"), f"/metrics has Content-Type {content_type}"
    return parse(body.decode("utf-8"))
