# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Deliver to a webhook as Stripe does, and look at the name and the certificate of its address.

Redirects are not followed, as Stripe follows none. Loads nothing that costs time before something is sent.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json import (
    USER_AGENT,
    load_transport,
    open_transport,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import (
    Answer,
    Failure,
    hidden,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.webhook_signature import HEADER
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.webhook_verdicts import Probe
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

EXCERPT_LENGTH = 200
LOOKED_AT = 4096  # bytes of an answer


def checked_ca_cert(attempted: str, ca_cert: str | None) -> str | None:
    """Return the file of the authorities to trust; ``None`` for those of the environment.

    Raises:
        IncidentsError: it cannot be read.
    """
    if not ca_cert:
        return None
    try:
        with Path(ca_cert).open("rb"):
            return ca_cert
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise IncidentsError(
            f"{attempted}: ca_cert {ca_cert} cannot be read: {reason}; check path and rights"
        ) from None


def post(
    kind: str, url: str, body: bytes, signature: str | None, limit_s: float, ca_cert: str | None, secrets: Iterable[str]
) -> Probe:
    """Send *body* once and return what came of it; a failure is a result.

    Args:
        kind: what the result is called, such as ``signed``.
        signature: value of the header ``Stripe-Signature``; ``None`` sends none.
        limit_s: seconds, from resolving the name to the last byte of the answer.
        ca_cert: file of the authorities to trust, in place of those of the environment.
        secrets: what must not be in the text, whatever the endpoint echoes.

    Raises:
        IncidentsError: ``requests`` is missing.
    """
    headers = {"User-Agent": USER_AGENT, "Content-Type": "application/json; charset=utf-8"}
    if signature:
        headers[HEADER] = signature
    transport = open_transport(limit_s, ca_cert)
    started = time.monotonic()
    try:
        outcome = transport.exchange("POST", url, headers, body)
    finally:
        transport.close()
    took = time.monotonic() - started
    if isinstance(outcome, Failure):
        return Probe(kind, outcome.status, outcome.cause, outcome.message, took)
    hide = [*secrets, *([signature] if signature else [])]
    return Probe(kind, outcome.status, None, excerpt(outcome, hide), took)


def excerpt(answer: Answer, secrets: Iterable[str]) -> str:
    """Return the beginning of what an endpoint says, as one line without secrets; a web page is not quoted."""
    start = answer.body[:LOOKED_AT].decode("utf-8", "replace").strip()
    if start.startswith("<"):
        return "the answer is a web page"
    return plain_line(hidden(start, secrets), EXCERPT_LENGTH)  # masked before it is cut, or half a secret stays


def at_once(jobs: Mapping[Any, Callable[[], Any]], limit_s: float) -> dict[Any, Any]:
    """Do jobs at the same time and return what each returned; one that takes longer than the limit is left out.

    In threads that nobody waits for in the end: name resolution knows no limit of its own.

    Raises:
        BaseException: what the first job raised that did not work.
    """
    load_transport()
    done: dict[Any, Any] = {}
    problems: list[BaseException] = []

    def work(name: Any, job: Callable[[], Any]) -> None:
        try:
            done[name] = job()
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            problems.append(error)

    threads = [threading.Thread(target=work, args=job, daemon=True) for job in jobs.items()]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + limit_s
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0))
    if problems:
        raise problems[0]
    return dict(done)
