# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Stripe's API: PaymentIntents, events and webhook endpoints as plain data, by the official package ``stripe``.

https://docs.stripe.com/api. The path that sends an event again is not in that reference; Stripe's own command-line tool
uses it (``stripe events resend``).
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from types import ModuleType, TracebackType
from typing import Any, Self

from ansible.module_utils.basic import missing_required_lib

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json import service_name
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe_errors import (
    Failure,
    StripeError,
    answer_failure,
    unusable,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe_options import read_options
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

PAGE = 100  # the most that Stripe gives at once
MOST_TYPES = 20
LONGEST_IDEMPOTENCY_KEY = 255
PAUSES_S = (1.0, 2.0, 4.0)
_THROTTLED = frozenset({"rate_limited", "lock_timeout"})  # HTTP 429: nothing was done
# What Stripe answers without a look at the request, and so at what became of it the first time
_NOT_LOOKED_AT = _THROTTLED | {"invalid_auth", "key_expired", "forbidden"}
_IDS = {
    "pi": re.compile(r"pi_[A-Za-z0-9_]{1,250}"),
    "we": re.compile(r"we_[A-Za-z0-9_]{1,250}"),
    "evt": re.compile(r"evt_[A-Za-z0-9_]{1,250}"),
    "acct": re.compile(r"acct_[A-Za-z0-9_]{1,250}"),
}
_MALFORMED = (LookupError, TypeError, AttributeError, ValueError)  # what the package stumbles with
_IDEMPOTENCY_KEY = re.compile(rf"[!-~]{{1,{LONGEST_IDEMPOTENCY_KEY}}}")

Json = dict[str, Any]
Call = dict[str, Any]


class StripeApi:
    """One account with one key; use it as a context manager.

    Every method raises :class:`StripeError`; its ``failure.may_have_happened`` says whether what was to change
    something was sent, and nobody said that it took effect.

    Args:
        params: the options of ``stripe_options``.
        patient: whether to ask again after a pause when Stripe throttles. For what acts: half a plan is worse than a
            slow one. What diagnoses says that Stripe throttles.

    Raises:
        StripeError: ``not_configured``, ``invalid``, ``invalid_auth`` or ``wrong_mode``; nothing was sent.
        IncidentsError: the package is missing; raised by the first request, for which it is loaded.
    """

    def __init__(self, params: Mapping[str, Any], *, patient: bool = False) -> None:
        self._options = read_options(params)
        self._pauses_s = PAUSES_S if patient else ()
        self.service = service_name(self._options.url)
        self._secrets = (self._options.key,)
        self._opened: tuple[Any, Any] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._opened:
            self._opened[1].close()

    @cached_property
    def _transport(self) -> ModuleType:
        return _load_transport()

    def _open(self) -> tuple[Any, Any]:
        """The package's client and the HTTP client below it; who has nothing to ask does not wait for them."""
        if self._opened is None:
            self._opened = self._transport.open_http(self._options)
        return self._opened

    @property
    def calls(self) -> list[Call]:
        """Every request so far: ``method``, ``path``, ``status``, ``request_id`` and ``duration_s`` in seconds.

        ``status`` is ``None`` where no answer came. A repetition is a request of its own.
        """
        calls: list[Call] = self._opened[1].calls if self._opened else []
        return calls

    def payment_intent(self, id_: str, expand: Sequence[str] = ()) -> Json:
        """Return a PaymentIntent.

        Args:
            expand: fields to show as objects instead of identifiers, such as ``latest_charge``.
        """
        what = "Reading a PaymentIntent"
        path = f"/v1/payment_intents/{self._id(what, 'pi', id_)}"
        return self._ask(f"Reading the PaymentIntent {id_}", "get", path, **_given(expand=list(expand)))

    def payment_intents(
        self, created_gte: int | None = None, limit: int = PAGE, max_items: int = PAGE, expand: Sequence[str] = ()
    ) -> tuple[list[Json], bool]:
        """Return the newest PaymentIntents, newest first, and whether there are more.

        Args:
            created_gte: Unix time; those created before it are left out.
            limit: how many to ask for at once.
            max_items: how many to return at most.
        """
        query = _given(created=_since(created_gte), expand=[f"data.{field}" for field in expand])
        return self._list("Listing PaymentIntents", "/v1/payment_intents", limit, max_items, query)

    def webhook_endpoints(self, max_items: int = PAGE) -> tuple[list[Json], bool]:
        """Return the webhook endpoints, newest first, and whether there are more. An account has at most 16."""
        return self._list("Listing webhook endpoints", "/v1/webhook_endpoints", PAGE, max_items, {})

    def webhook_endpoint(self, id_: str) -> Json:
        """Return a webhook endpoint."""
        path = f"/v1/webhook_endpoints/{self._id('Reading a webhook endpoint', 'we', id_)}"
        return self._ask(f"Reading the webhook endpoint {id_}", "get", path)

    def enable_webhook_endpoint(self, id_: str, idempotency_key: str) -> Json:
        """Let a webhook endpoint get events again, and return it."""
        what = "Enabling a webhook endpoint"
        path = f"/v1/webhook_endpoints/{self._id(what, 'we', id_)}"
        key = self._key(what, idempotency_key)
        return self._ask(f"Enabling the webhook endpoint {id_}", "post", path, disabled="false", idempotency_key=key)

    def event(self, id_: str) -> Json:
        """Return an event. Stripe keeps it for 30 days."""
        return self._ask(f"Reading the event {id_}", "get", f"/v1/events/{self._id('Reading an event', 'evt', id_)}")

    def events(
        self,
        *,
        delivery_success: bool | None = None,
        types: Sequence[str] = (),
        created_gte: int | None = None,
        max_items: int = PAGE,
    ) -> tuple[list[Json], bool]:
        """Return events, oldest first, and whether there are more, which are older than all of these.

        Args:
            delivery_success: false for those that are still pending, or failed at all attempts, at some endpoint.
            types: at most 20, such as ``payment_intent.succeeded``; without them all.
            created_gte: Unix time; those created before it are left out.
            max_items: how many to return at most; the newest count.
        """
        what = "Listing events"
        if len(types) > MOST_TYPES:
            raise self._error(what, Failure("invalid", f"{len(types)} types of events; Stripe takes {MOST_TYPES}"))
        wanted = None if delivery_success is None else str(delivery_success).lower()
        query = _given(delivery_success=wanted, types=list(types), created=_since(created_gte))
        found, more = self._list(what, "/v1/events", PAGE, max_items, query)
        return found[::-1], more

    def retry_event(
        self, id_: str, webhook_endpoint: str, account: str | None = None, idempotency_key: str | None = None
    ) -> Json:
        """Let Stripe send an event to one endpoint once more, and return the event.

        Args:
            account: the connected account that the event is of.
        """
        what = "Resending an event"
        path = f"/v1/events/{self._id(what, 'evt', id_)}/retry"
        endpoint = self._id(what, "we", webhook_endpoint)
        query = _given(account=self._id(what, "acct", account) if account else None)
        if idempotency_key is not None:
            query["idempotency_key"] = self._key(what, idempotency_key)
        return self._ask(f"Resending the event {id_}", "post", path, webhook_endpoint=endpoint, **query)

    def _list(self, what: str, path: str, limit: int, max_items: int, query: Json) -> tuple[list[Json], bool]:
        found: list[Json] = []
        for page in self._pages(what, path, min(limit, PAGE), max_items, query):
            items = [item for item in page["data"] if isinstance(item, dict)]
            found += items
            more = page.get("has_more") is True
            if len(found) >= max_items or not more or not items:
                return found[:max_items], more or len(found) > max_items
        return found, True

    def _pages(self, what: str, path: str, limit: int, max_items: int, query: Json) -> Iterator[Json]:
        after: Json = {}
        for _ in range(max_items // max(limit, 1) + 1):  # a service that says the same page again and again ends too
            page = self._ask(what, "get", path, limit=min(limit, max_items), **query, **after)
            if not isinstance(page.get("data"), list):
                raise self._error(what, Failure("unexpected", "the answer is no list"))
            yield page
            after = {"starting_after": str(page["data"][-1].get("id"))}

    def _ask(self, what: str, method: str, path: str, **query: Any) -> Json:
        self._open()[1].begin()
        for pause_s in self._pauses_s:
            try:
                return self._ask_once(what, method, path, **query)
            except StripeError as error:
                if error.cause not in _THROTTLED:
                    raise
            time.sleep(pause_s)  # the same idempotency key is right
            self._open()[1].begin(again=True)
        return self._ask_once(what, method, path, **query)

    def _ask_once(self, what: str, method: str, path: str, **query: Any) -> Json:
        client = self._open()[0]
        changes = method != "get"
        try:
            said = client.raw_request(method, path, **query).data
        except self._transport.NotReached as error:
            raise self._error(what, error.failure) from None
        except (self._transport.Refused, *_MALFORMED):
            raise self._error(what, self._refused(changes=changes)) from None
        if not isinstance(said, dict):
            raise self._error(what, self._refused(changes=changes))
        return dict(said)

    def _refused(self, *, changes: bool) -> Failure:
        """Read the last answer itself: what the package makes of one that is not Stripe's loses most of it."""
        http = self._open()[1]
        answer = http.answer
        if answer.status // 100 == 2:  # noqa: PLR2004 - the class of all successes
            return unusable(answer.status, answer.headers, changes=changes)
        failure = answer_failure(answer.status, answer.headers, answer.content, changes=changes)
        return replace(failure, may_have_happened=True) if http.lost and failure.cause in _NOT_LOOKED_AT else failure

    def _id(self, what: str, kind: str, value: Any) -> str:
        """Return an identifier for a path; one such as ``..`` would lead elsewhere."""
        text = str(value)
        if not _IDS[kind].fullmatch(text):
            raise self._error(what, Failure("invalid", f"an identifier that begins with {kind}_ is needed"))
        return text

    def _key(self, what: str, value: str) -> str:
        if not _IDEMPOTENCY_KEY.fullmatch(value):
            text = f"an idempotency key has 1 to {LONGEST_IDEMPOTENCY_KEY} visible ASCII characters"
            raise self._error(what, Failure("invalid", text))
        return value

    def _error(self, what: str, failure: Failure) -> StripeError:
        return StripeError(f"{what} at {self.service}", failure, self._secrets)


def _load_transport() -> ModuleType:
    try:
        from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import (  # noqa: PLC0415 - see there
            stripe_transport,
        )
    except ImportError as error:
        library = missing_required_lib("stripe", url="https://pypi.org/project/stripe/")
        raise IncidentsError(str(library)) from error
    return stripe_transport


def _given(**query: Any) -> Json:
    """The part of a query that says something."""
    return {name: value for name, value in query.items() if value not in (None, [])}


def _since(created_gte: int | None) -> Json | None:
    return None if created_gte is None else {"gte": int(created_gte)}
