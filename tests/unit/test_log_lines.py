# SPDX-License-Identifier: GPL-3.0-or-later
"""Log lines are counted, sampled and dated rightly, however the log is cut into parts and however long it is."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.log_lines import (
    BLOCK,
    LINE_LIMIT,
    LogScan,
    instant,
    line_text,
    sample,
    summary,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.log_patterns import compile_patterns

PATTERNS = compile_patterns(
    {"slots": ["too many clients", r"\b53300\b"], "refused": ["ECONNREFUSED"], "slow": [r"(?i)query took \d{4,} ms"]}
)
STAMP = b"2026-11-24T15:39:0%d.123456789Z "


def scanned(log: bytes, size: int = 1 << 16, patterns: Any = PATTERNS, max_samples: int = 3) -> LogScan:
    scan = LogScan(patterns, max_samples)
    for start in range(0, len(log), size):
        scan.feed(log[start : start + size])
    scan.finish()
    return scan


def counts(scan: LogScan) -> dict[str, int]:
    return {name: hits.count for name, hits in scan.hits.items()}


LOG = b"\n".join(
    [
        STAMP % 1 + b"FATAL: sorry, too many clients already",
        STAMP % 2 + b'{"level":"info","msg":"ok","ua":"too many clients"}',
        STAMP % 3 + b'{"level":"error","msg":"boom","err":{"code":"53300"}}',
        STAMP % 4 + b'{"level":"error","message":"connect ECONNREFUSED 127.0.0.1:5432"}',
        STAMP % 5 + b'{"event":"too many clients"}',
        STAMP % 6 + b"QUERY TOOK 12345 MS",
        STAMP % 7 + b"153300 rows",
        b"",
        STAMP % 8 + b"no line end, ECONNREFUSED",
    ]
)


@pytest.mark.parametrize("size", [1, 7, 100, 10**6])
def test_counts_do_not_depend_on_how_the_log_comes(size: int) -> None:
    scan = scanned(LOG, size)
    assert counts(scan) == {"slots": 3, "refused": 2, "slow": 1}
    assert (scan.lines, scan.received) == (9, len(LOG))
    assert instant(scan.hits["slots"].first_at) == "2026-11-24T15:39:01.123456Z"
    assert instant(scan.hits["slots"].last_at) == "2026-11-24T15:39:05.123456Z"


def test_finding_by_words_equals_looking_at_every_line() -> None:
    slow = compile_patterns(
        {
            "slots": ["too many clients", r"\b53300\b"],
            "refused": ["ECONNREFUSED"],
            "slow": [r"(?i)query took \d{4,} ms"],
            "never": [r"\d{99}"],
        }
    )
    assert (PATTERNS.every_line, slow.every_line) == (False, True)
    log = LOG * 3000  # several blocks
    assert len(log) > 3 * BLOCK
    assert counts(scanned(log)) == counts(scanned(log, patterns=slow))


def test_a_line_across_two_blocks_counts_once() -> None:
    for shift in range(-3, 30):
        log = b"x" * 1000 + b"\n"
        log = log * ((BLOCK + shift) // len(log)) + b"error: too many clients\n" + b"y\n" * 10
        scan = scanned(log, 4096)
        assert counts(scan) == {"slots": 1}, shift
        assert scan.lines == log.count(b"\n"), shift


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (b'{"level":"error","msg":"a","err":{"type":"E","code":"C","message":"m","stack":"s"}}', "error\na\nE\nC\nm"),
        (b'{"level":50,"message":"a","error":"text"}', "50\na\ntext"),
        (b'{"msg":"caf\\u00e9"}', "café"),
        (b'{"err":{"code":53300}}', "53300"),
        (b'{"event":"x"}', '{"event":"x"}'),
        (b'{"msg":', '{"msg":'),
        (b'{"msg":{"a":1}}', '{"msg":{"a":1}}'),
        (b"  plain \xff ", "plain \ufffd"),
        (b"[1,2]", "[1,2]"),
        (b"{" * 5000, "{" * 5000),
        (b'{"msg":' + b"[" * 5000, '{"msg":' + "[" * 5000),
    ],
)
def test_what_a_line_is_judged_by(payload: bytes, text: str) -> None:
    assert line_text(payload) == text


def test_a_pattern_does_not_reach_across_fields() -> None:
    patterns = compile_patterns({"both": ["error.*53300"]})
    assert counts(scanned(b'{"level":"error","msg":"x","err":{"code":"53300"}}\n', patterns=patterns)) == {}
    assert counts(scanned(b'{"level":"info","msg":"error 53300"}\n', patterns=patterns)) == {"both": 1}


def test_an_endless_line_costs_no_memory_and_is_reported() -> None:
    part = b"x" * 65536
    tracemalloc.start()
    scan = LogScan(PATTERNS, 3)
    scan.feed(b"too many clients ")
    for _ in range(1000):
        scan.feed(part)
    scan.feed(b" ECONNREFUSED\nECONNREFUSED\n")
    scan.finish()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * BLOCK
    assert counts(scan) == {"slots": 1, "refused": 1}  # the end of the long line was not looked at
    assert (scan.lines, scan.cut_lines) == (2, 1)


def test_a_long_line_inside_a_block_is_judged_by_its_beginning() -> None:
    scan = scanned(b"ECONNREFUSED" + b"x" * LINE_LIMIT + b"\n" + b"y" * LINE_LIMIT + b"too many clients\n")
    assert counts(scan) == {"refused": 1}
    assert scan.cut_lines == 2


def test_samples_are_masked_single_lines_of_bounded_length() -> None:
    assert sample("a\x1b[31m\nb\tpassword=hunter22") == "a [31m b password=[masked]"
    assert len(sample("x" * 5000)) == 300
    # masked before it is cut, or half of the token would stay
    assert "eyJ" not in sample("x" * 290 + " eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.SflKxw" + "R" * 500)


@pytest.mark.parametrize(
    ("stamp", "moment"),
    [
        (b"2026-11-24T15:39:00.123456789Z ", "2026-11-24T15:39:00.123456Z"),
        (b"2026-11-24T15:39:00Z ", "2026-11-24T15:39:00.000000Z"),
        (b"2026-11-24T15:39:00.5+01:00 ", "2026-11-24T14:39:00.500000Z"),
        (b"2026-99-24T15:39:00Z ", None),
        (b"yesterday ", None),
        (None, None),
    ],
)
def test_instants(stamp: bytes | None, moment: str | None) -> None:
    assert instant(stamp) == moment


def test_the_summary_spreads_samples_over_logs_and_keeps_classes_without_lines() -> None:
    first = scanned(b"".join(STAMP % n + b"ECONNREFUSED %d\n" % n for n in range(1, 6)))
    second = scanned(STAMP % 9 + b"ECONNREFUSED 9\n")
    said = summary([("p1", "c", False, first), ("p2", "c", True, second)], ["slots", "refused"], 2)
    assert said["slots"] == {"count": 0, "pods": {}, "previous": 0, "first_at": None, "last_at": None, "samples": []}
    refused = said["refused"]
    assert (refused["count"], refused["pods"], refused["previous"]) == (6, {"p1": 5, "p2": 1}, 1)
    assert (refused["first_at"], refused["last_at"]) == ("2026-11-24T15:39:01.123456Z", "2026-11-24T15:39:09.123456Z")
    assert [(row["pod"], row["previous"], row["text"]) for row in refused["samples"]] == [
        ("p1", False, "ECONNREFUSED 1"),
        ("p2", True, "ECONNREFUSED 9"),
    ]
    json.dumps(said)


def test_without_classes_lines_are_counted_all_the_same() -> None:
    scan = scanned(LOG, patterns=compile_patterns({}))
    assert (scan.lines, counts(scan)) == (9, {})
