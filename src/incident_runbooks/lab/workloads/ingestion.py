# SPDX-License-Identifier: GPL-3.0-or-later
"""One ingestion: ask the accounts of a platform, and write what came into ClickHouse.

Environment, each of which may be missing: ``SOCIAL_URLS`` (JSON, base by platform), ``SOCIAL_ACCOUNTS`` (JSON list with
``platform``, ``account`` and ``token``); ``CLICKHOUSE_URL``, ``_USER``, ``_PASSWORD``, ``_DATABASE`` (analytics);
``METRIC_REQUEST_TIMEOUT`` in seconds (30); ``METRIC_LONGEST_WAIT``, seconds that an account is left alone at most whose
platform names a time to wait.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from incident_runbooks.errors import UsageError
from incident_runbooks.lab.workloads import http_call, platforms
from incident_runbooks.lab.workloads.json_log import JsonLog
from incident_runbooks.lab.workloads.platforms import Account, PlatformError

CONTEXT = "MetricsWorker"
_OK = 200
_SAID = 300
_COLUMNS = "platform, campaign_id, views, clicks, engagements, payload, created_at"
_CODE = re.compile(r"Code: (\d{1,5})")
_ENDS_PLATFORM = frozenset({platforms.TIMEOUT, platforms.REFUSED, platforms.UNAVAILABLE})


class WriteError(Exception):
    """ClickHouse took no rows.

    Attributes:
        message: what it said.
        code: its number of the error, or Node.js' where it was not reached.
    """

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


@dataclass
class Outcome:
    """What became of one platform.

    Attributes:
        campaigns: of which rows were written.
        errors: what was logged, in its words.
    """

    campaigns: list[int] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class Ingestion:
    """Asks and writes, as far as the environment says where.

    Args:
        environ: see the module's description.
        journal: where failures are logged; ``None`` for nowhere.

    Raises:
        UsageError: the environment is not valid.
    """

    def __init__(self, environ: Mapping[str, str], journal: JsonLog | None = None) -> None:
        self._urls = {name: str(url).rstrip("/") for name, url in _json(environ, "SOCIAL_URLS", {}).items()}
        self._accounts = [
            Account(str(each["platform"]), str(each["account"]), str(each["token"]))
            for each in _json(environ, "SOCIAL_ACCOUNTS", [])
        ]
        self._timeout_s = _seconds(environ, "METRIC_REQUEST_TIMEOUT", 30.0)
        self._longest_wait_s = _seconds(environ, "METRIC_LONGEST_WAIT", float("inf"))
        self._store = _Store(environ, self._timeout_s) if environ.get("CLICKHOUSE_URL") else None
        self._journal = journal
        self._not_before: dict[Account, float] = {}

    @property
    def configured(self) -> bool:
        """Whether there is anything to ask or to write to."""
        return bool(self._urls or self._store)

    def ingest(self, platform: str, campaigns: Sequence[int]) -> Outcome:
        """Ask the accounts of a platform, each of which has its share of the campaigns, and write their rows.

        Args:
            platform: one of :data:`platforms.PLATFORMS`.
            campaigns: their numbers.
        """
        outcome = Outcome()
        outcome.campaigns = self._served(platform, campaigns, outcome) if platform in self._urls else list(campaigns)
        if not outcome.campaigns or self._store is None:
            return outcome
        try:
            self._store.write(platform, outcome.campaigns)
        except WriteError as error:
            self._failed(
                outcome, platform, f"ClickHouse: {error.message}", "ClickHouseError", error.message, error.code
            )
            outcome.campaigns = []
        return outcome

    def _served(self, platform: str, campaigns: Sequence[int], outcome: Outcome) -> list[int]:
        """Return the campaigns whose accounts the platform serves."""
        own = [each for each in self._accounts if each.platform == platform]
        served: list[int] = []
        for index, account in enumerate(own):
            if time.monotonic() < self._not_before.get(account, 0.0):
                continue
            try:
                platforms.ask(account, self._urls[platform], self._timeout_s)
                served += [each for position, each in enumerate(campaigns) if position % len(own) == index]
            except PlatformError as error:
                told = {"account": account.account, **self._wait(account, error)}
                said = f"{error.word}: {error.message}"
                self._failed(outcome, platform, said, "PlatformError", error.message, error.word, **told)
                if error.word in _ENDS_PLATFORM:
                    break
        return sorted(served)

    def _wait(self, account: Account, error: PlatformError) -> dict[str, Any]:
        """Leave an account alone for as long as its platform says; returns what the log says of it."""
        if error.wait_s is None:
            return {}
        self._not_before[account] = time.monotonic() + min(error.wait_s, self._longest_wait_s)
        return {"retry_after_s": error.wait_s}

    def _failed(
        self, outcome: Outcome, platform: str, said: str, kind: str, message: str, code: str, **fields: Any
    ) -> None:
        outcome.errors.append(said)
        if self._journal is not None:
            err = {"type": kind, "message": message, "code": code}
            self._journal.error(CONTEXT, f"{platform}: {said}", err=err, platform=platform, **fields)


class _Store:
    """The table of ClickHouse that gets the rows."""

    def __init__(self, environ: Mapping[str, str], timeout_s: float) -> None:
        self._url = environ["CLICKHOUSE_URL"].rstrip("/")
        self._table = f"{environ.get('CLICKHOUSE_DATABASE') or 'analytics'}.metric_snapshots"
        self._login = {
            "X-ClickHouse-User": environ.get("CLICKHOUSE_USER", ""),
            "X-ClickHouse-Key": environ.get("CLICKHOUSE_PASSWORD", ""),
        }
        self._timeout_s = timeout_s

    def write(self, platform: str, campaigns: Sequence[int]) -> None:
        """Write a row of now for each campaign, in one go.

        Raises:
            WriteError: they were not taken.
        """
        rows = ", ".join(f"('{platform}', {each}, {_views()}, {_views() // 20}, 1, '', now())" for each in campaigns)
        sql = f"INSERT INTO {self._table} ({_COLUMNS}) VALUES {rows}"  # noqa: S608 - words and numbers of ours
        try:
            answer = http_call.exchange("POST", f"{self._url}/", self._login, sql.encode(), timeout_s=self._timeout_s)
        except http_call.UnreachableError as error:
            raise WriteError(error.message, error.code) from error
        if answer.status != _OK:
            said = " ".join(answer.body.decode("utf-8", "replace").split())[:_SAID]
            code = _CODE.search(said)
            raise WriteError(said or f"HTTP {answer.status}", code[1] if code else str(answer.status))


def paused(environ: Mapping[str, str]) -> frozenset[str]:
    """Return the platforms of ``METRIC_PAUSED_PLATFORMS``, a list with commas, which are not asked.

    Raises:
        UsageError: one is none.
    """
    names = {each.strip() for each in environ.get("METRIC_PAUSED_PLATFORMS", "").split(",")} - {""}
    if unknown := names - set(platforms.PLATFORMS):
        raise UsageError(f"Reading METRIC_PAUSED_PLATFORMS: {', '.join(sorted(unknown))} is no platform")
    return frozenset(names)


def _views() -> int:
    return random.randint(1, 100)  # noqa: S311 - numbers that nobody reads


def _json(environ: Mapping[str, str], name: str, default: Any) -> Any:
    try:
        found = json.loads(environ.get(name) or "null")
    except ValueError as error:
        raise UsageError(f"Reading {name}: it is no JSON") from error
    if found is not None and not isinstance(found, type(default)):
        raise UsageError(f"Reading {name}: it is no JSON {type(default).__name__}")
    return default if found is None else found


def _seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name) or ""
    if not text:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise UsageError(f"Reading {name}: {text!r} is no number of seconds")
    return seconds
