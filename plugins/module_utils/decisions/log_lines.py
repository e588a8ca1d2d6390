# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Count and sample the lines of a log by class, in memory that does not grow with the log. Pure, no I/O.

A JSON line is judged by its fields ``level``, ``msg`` or ``message``, and type, name, code and message of ``err``
or ``error``; a user agent or a URL that happens to hold a word of a pattern does not count. Any other line is
judged as a whole. A line belongs to the first class that matches.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.log_patterns import LogPatterns
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.masking import mask
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import rfc3339

LINE_LIMIT = 16 * 2**10  # bytes of a line that are looked at
BLOCK = 128 * 2**10  # bytes that are searched at once
SAMPLE_LENGTH = 300  # characters

# 2026-11-24T15:39:00.123456789Z, as the API server puts it before each line
_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d) ")
_ERROR_FIELDS = ("type", "name", "code", "message")


@dataclass
class Hits:
    """What one log has of one class.

    Attributes:
        first_at: the API server's time stamp of the first line as written; ``None`` for none.
        samples: masked texts with their time stamps.
    """

    count: int = 0
    first_at: bytes | None = None
    last_at: bytes | None = None
    samples: list[tuple[bytes | None, str]] = field(default_factory=list)


class LogScan:
    """Reads one log in parts of any size.

    Args:
        patterns: the classes.
        max_samples: samples to keep for each class.

    Attributes:
        lines: lines so far.
        received: bytes so far.
        cut_lines: lines of which only the first ``LINE_LIMIT`` bytes were looked at.
        hits: by class.
    """

    def __init__(self, patterns: LogPatterns, max_samples: int) -> None:
        self._patterns = patterns
        self._max_samples = max_samples
        self._waiting: list[bytes] = []
        self._waiting_size = 0
        self._inside_cut_line = False
        self.lines = 0
        self.received = 0
        self.cut_lines = 0
        self.hits: defaultdict[str, Hits] = defaultdict(Hits)

    def feed(self, part: bytes) -> None:
        """Take the next part of the log."""
        self.received += len(part)
        self._waiting.append(part)
        self._waiting_size += len(part)
        if self._waiting_size >= BLOCK:
            self._take(b"".join(self._waiting))

    def finish(self) -> None:
        """Take the last line, which may have no line end."""
        rest = self._drop_cut_line(b"".join(self._waiting))
        self._keep(b"")
        if rest:
            self.lines += rest.count(b"\n") + (not rest.endswith(b"\n"))
            self._search(rest)

    def _take(self, block: bytes) -> None:
        """Search the whole lines of a block and keep the rest of it."""
        block = self._drop_cut_line(block)
        end = block.rfind(b"\n") + 1
        whole, rest = block[:end], block[end:]
        self.lines += whole.count(b"\n")
        if whole:
            self._search(whole)
        if len(rest) > LINE_LIMIT:
            # its end may be far away: judge it by its beginning, and forget the rest as it comes
            self.lines += 1
            self.cut_lines += 1
            self._search(rest[:LINE_LIMIT])
            self._inside_cut_line = True
            rest = b""
        self._keep(rest)

    def _keep(self, rest: bytes) -> None:
        self._waiting = [rest] if rest else []
        self._waiting_size = len(rest)

    def _drop_cut_line(self, block: bytes) -> bytes:
        if not self._inside_cut_line:
            return block
        end = block.find(b"\n") + 1
        self._inside_cut_line = end == 0
        return block[end:] if end else b""

    def _search(self, block: bytes) -> None:
        for start, end in self._candidates(block):
            self.cut_lines += end - start > LINE_LIMIT
            self._judge(block[start : min(end, start + LINE_LIMIT)])

    def _candidates(self, block: bytes) -> Iterator[tuple[int, int]]:
        """Yield start and end of the lines that may match, in order."""
        if not self._patterns.classes:
            return iter(())
        if self._patterns.every_line:
            return _line_spans(block)
        lowered = block.lower()
        found: dict[int, int] = {}
        for word in self._patterns.words:
            position = lowered.find(word)
            while position >= 0:
                start = block.rfind(b"\n", 0, position) + 1
                end = block.find(b"\n", position)
                end = len(block) if end < 0 else end
                found[start] = end
                position = lowered.find(word, end)
        return iter(sorted(found.items()))

    def _judge(self, line: bytes) -> None:
        stamp = _STAMP.match(line)
        payload = line[stamp.end() :] if stamp else line
        text = line_text(payload)
        name = self._patterns.classify(text)
        if name is None:
            return
        at = stamp.group(0) if stamp else None
        hits = self.hits[name]
        hits.count += 1
        hits.first_at = hits.first_at or at
        hits.last_at = at or hits.last_at
        if len(hits.samples) < self._max_samples:
            hits.samples.append((at, sample(text)))


def line_text(payload: bytes) -> str:
    """Return what a line is judged by: the fields of a JSON line, each on a line of its own, else all of it."""
    text = payload.decode("utf-8", "replace").strip()
    if not text.startswith("{"):
        return text
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return "\n".join(_fields(content)) or text


def sample(text: str) -> str:
    """Return a text as one masked line of at most ``SAMPLE_LENGTH`` characters."""
    cut = text[: 8 * SAMPLE_LENGTH]  # masked before it is cut: half a token is still a secret
    line = " ".join("".join(char if char.isprintable() else " " for char in mask(cut)).split())
    return line if len(line) <= SAMPLE_LENGTH else line[: SAMPLE_LENGTH - 1] + "…"


def instant(stamp: bytes | None) -> str | None:
    """Return a time stamp of the API server as RFC 3339 in UTC with microseconds."""
    found = _STAMP.match(stamp or b"")
    if found is None:
        return None
    fraction = (found.group(2) or b".0")[:7].decode()
    zone = found.group(3).decode().replace("Z", "+00:00")
    try:
        return rfc3339(dt.datetime.fromisoformat(f"{found.group(1).decode()}{fraction:0<7}{zone}"))
    except ValueError:
        return None


def summary(scans: Iterable[tuple[str, str, bool, LogScan]], names: Iterable[str], max_samples: int) -> dict[str, Any]:
    """Return the classes over all logs, including those without a line.

    Args:
        scans: pod, container, whether it is the previous log, and the finished scan.
        names: all classes, in order.
        max_samples: samples to return for each class, as many different logs as possible.
    """
    scans = list(scans)
    return {name: _class_summary(name, scans, max_samples) for name in names}


def _class_summary(name: str, scans: list[tuple[str, str, bool, LogScan]], max_samples: int) -> dict[str, Any]:
    pods: dict[str, int] = defaultdict(int)
    previous = 0
    instants: list[str] = []
    rows: list[tuple[int, dict[str, Any]]] = []
    for pod, container, is_previous, scan in scans:
        hits = scan.hits.get(name)
        if hits is None:
            continue
        pods[pod] += hits.count
        previous += hits.count if is_previous else 0
        instants += [moment for moment in map(instant, (hits.first_at, hits.last_at)) if moment]
        about = {"pod": pod, "container": container, "previous": is_previous}
        rows += [(row, {**about, "at": instant(at), "text": text}) for row, (at, text) in enumerate(hits.samples)]
    rows.sort(key=lambda row: row[0])  # the first of each log, then the second of each
    return {
        "count": sum(pods.values()),
        "pods": dict(sorted(pods.items(), key=lambda item: (-item[1], item[0]))),
        "previous": previous,
        "first_at": min(instants, default=None),
        "last_at": max(instants, default=None),
        "samples": [row for _, row in rows[:max_samples]],
    }


def _fields(content: Any) -> Iterator[str]:
    if not isinstance(content, Mapping):
        return
    error = content.get("err", content.get("error"))
    message = content.get("msg", content.get("message"))
    if message is None and error is None:
        return  # some other layout: judge the whole line
    yield from (str(value) for value in (content.get("level"), message) if isinstance(value, (str, int)))
    if isinstance(error, Mapping):
        yield from (str(error[key]) for key in _ERROR_FIELDS if isinstance(error.get(key), (str, int)))
    elif isinstance(error, str):
        yield error


def _line_spans(block: bytes) -> Iterator[tuple[int, int]]:
    start = 0
    while start < len(block):
        end = block.find(b"\n", start)
        end = len(block) if end < 0 else end
        yield start, end
        start = end + 1
