# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""One connection pool to one Kubernetes API server with one login: send a request, bound it, read what went wrong.

Credentials, TLS and the pool are the official package's. Its typed APIs are not used: importing them takes
longer than a whole diagnosis, and they cannot say which permission a request lacked.
"""

from __future__ import annotations

import datetime as dt
import json
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import urlencode, urlsplit

from ansible.module_utils.basic import missing_required_lib

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import kubernetes_config
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import (
    Failure,
    KubernetesError,
    Request,
    answer_failure,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_options import check_options
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_transport import (
    broken,
    server_name,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.masking import MASK, mask
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import in_utc

if kubernetes_config.HAS_KUBERNETES:
    import urllib3

if TYPE_CHECKING:
    from kubernetes.client import ApiClient, Configuration

T = TypeVar("T")

USER_AGENT = "incident-runbooks"  # the server also takes it for the field manager
CONNECTIONS = 32
LARGEST_ANSWER = 64 * 2**20
LARGEST_EXPLANATION = 64 * 2**10
GRACE_S = 0.25
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Connection:
    """One API server with one login; use it as a context manager. May be used from several threads at once.

    Args:
        params: the options of ``kubernetes_options``; ``name`` is checked too where there is one.

    Attributes:
        configuration: the package's, for what needs more than requests.
        server: URL of the API server without credentials, for texts.
        namespace: the option.
        rbac_role: the option; ``None`` for none.
        limit_s: seconds for one request.
        requests: how many were sent.
        answered_at: what time the server said it is, in its last answer, to the second; ``None`` while it has not.

    Raises:
        KubernetesError: cause ``no_credentials``.
        IncidentsError: the package is missing or the options make no sense.
    """

    def __init__(self, params: Mapping[str, Any]) -> None:
        if not kubernetes_config.HAS_KUBERNETES:
            raise IncidentsError(missing_required_lib("kubernetes", url="https://pypi.org/project/kubernetes/"))
        check_options(params)
        self.namespace = str(params["namespace"])
        self.rbac_role: str | None = params.get("rbac_role") or None
        self.limit_s = float(params["request_timeout"])
        self.requests = 0
        self.answered_at: dt.datetime | None = None
        self._login = ""
        self._lock = threading.Lock()
        self._directory = tempfile.TemporaryDirectory(prefix="incident-runbooks-", ignore_cleanup_errors=True)
        try:
            self.configuration: Configuration = kubernetes_config.load_configuration(params, self._directory.name)
            self.configuration.connection_pool_maxsize = CONNECTIONS
            self._base = self.configuration.host.rstrip("/")
            self.server = server_name(self._base)
            self._refuse_open_credentials()
            self._api = self._client()
        except BaseException:
            self._directory.cleanup()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections and remove the files made of keys inside the kubeconfig; never raises."""
        self._api.close()
        self._directory.cleanup()

    def url(self, path: str, **query: Any) -> str:
        """Return the URL of *path*; values that are ``None`` are left out, lists are repeated."""
        given = {name: _query_value(value) for name, value in query.items() if value is not None}
        return f"{self._base}{path}" + ("?" + urlencode(given, doseq=True) if given else "")

    def headers(self) -> dict[str, str]:
        """Return the headers that log in, with a token that has been renewed where the login allows it.

        Raises:
            KubernetesError: the token cannot be one.
        """
        with self._lock:
            token = self.configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        credentials = str(token or "").strip()
        if not (credentials.isascii() and credentials.isprintable()):
            # http.client would quote it in its error
            failure = Failure("no_credentials", "the token holds characters that no token has")
            raise KubernetesError(kubernetes_config.ATTEMPTED, failure)
        self._login = credentials
        login = {"Authorization": credentials} if credentials else {}
        return {"User-Agent": USER_AGENT, **login}

    def exchange(
        self,
        request: Request,
        method: str,
        path: str,
        query: Mapping[str, Any],
        body: Any,
        content_type: str | None,
    ) -> dict[str, Any]:
        """Send one request and return the object that it answers with."""

        def exchange() -> tuple[Any, bytes]:
            response = self.opened(method, path, query, body, content_type)
            limit = LARGEST_ANSWER if success(response) else LARGEST_EXPLANATION
            answer = response.read(limit + 1)  # read to its end, the connection goes back to the pool
            if len(answer) > limit:
                response.close()
                if success(response):
                    raise self.error(request, Failure("bad_answer", "the answer is too large", response.status))
            return response, answer

        response, answer = self.within(request, exchange)
        if not success(response):
            raise self.refused(request, response, answer)
        try:
            content = json.loads(answer)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            kind = response.headers.get("Content-Type", "no type").partition(";")[0]
            failure = Failure("bad_answer", f"the answer is no JSON object ({kind[:40]})", response.status)
            raise self.error(request, failure)
        return content

    def opened(
        self, method: str, path: str, query: Mapping[str, Any], body: Any, content_type: str | None
    ) -> urllib3.BaseHTTPResponse:
        """Send one request and return the answer with its body unread.

        A GET is sent once more when a kept connection turns out to be closed. Nothing else is ever sent twice.
        """
        headers = {"Accept": "application/json, */*", **self.headers()}
        encoded = None
        if body is not None:
            headers["Content-Type"] = str(content_type)
            encoded = json.dumps(body).encode()
        for again in (method == "GET", False):
            with self._lock:
                self.requests += 1
            try:
                response: urllib3.BaseHTTPResponse = self._api.rest_client.pool_manager.request(
                    method,
                    self.url(path, **query),
                    body=encoded,
                    headers=headers,
                    timeout=urllib3.Timeout(connect=self.limit_s, read=self.limit_s),
                    retries=False,
                    redirect=False,
                    preload_content=False,
                )
            except urllib3.exceptions.ProtocolError:
                if not again:
                    raise
            else:
                self.answered_at = _date(response.headers.get("Date"))
                return response
        raise AssertionError("the second try returns or raises")

    def within(self, request: Request, call: Callable[[], T]) -> T:
        """Return what *call* returns, or give up after ``limit_s``.

        In a thread of its own: name resolution, several addresses and a trickling answer know no common limit.
        """
        outcome: list[T] = []
        problem: list[BaseException] = []

        def work() -> None:
            try:
                outcome.append(call())
            except BaseException as error:  # noqa: BLE001 - raised again below, in the caller's thread
                problem.append(error)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(self.limit_s + GRACE_S)
        if outcome:
            return outcome[0]
        if not problem:
            message = f"the API server did not answer within {self.limit_s:g} s"
            raise self.error(request, Failure("timeout", message))
        if isinstance(problem[0], (urllib3.exceptions.HTTPError, OSError)):
            raise self.error(request, broken(problem[0], self.limit_s)) from None
        raise problem[0]

    def refused(self, request: Request, response: urllib3.BaseHTTPResponse, answer: bytes) -> KubernetesError:
        """Return the error that an answer other than a success means."""
        kind = response.headers.get("Content-Type", "")
        error = self.error(request, answer_failure(response.status, kind, answer, request, self.rbac_role))
        pause = response.headers.get("Retry-After", "")
        if response.status == HTTPStatus.TOO_MANY_REQUESTS and pause.isdigit():
            error.details["retry_after_s"] = int(pause)
        return error

    def error(self, request: Request, failure: Failure) -> KubernetesError:
        """Return the error of a request, its text free of the login and of what looks like a secret."""
        shown = mask(failure.message)
        for secret in (self._login, self._login.partition(" ")[2]):
            shown = shown.replace(secret, MASK) if secret else shown
        return KubernetesError(f"{request.text} on {self.server}", replace(failure, message=shown))

    def _client(self) -> ApiClient:
        from kubernetes.client import ApiClient  # noqa: PLC0415 - see kubernetes_config

        if not self.configuration.verify_ssl:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # the user said so
        try:
            return ApiClient(self.configuration)
        except (urllib3.exceptions.HTTPError, ValueError):
            failure = Failure("no_credentials", "the address of the API server or of the proxy makes no sense")
            raise KubernetesError(kubernetes_config.ATTEMPTED, failure) from None

    def _refuse_open_credentials(self) -> None:
        parts = urlsplit(self._base)
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK and self.headers().get("Authorization"):
            failure = Failure(
                "no_credentials", f"{self.server} is not encrypted, and a token is not sent there", advice="use https"
            )
            raise KubernetesError(kubernetes_config.ATTEMPTED, failure)


def success(response: urllib3.BaseHTTPResponse) -> bool:
    """Whether the server did what was asked."""
    return HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES


def _date(header: str | None) -> dt.datetime | None:
    try:
        moment = parsedate_to_datetime(str(header))
    except ValueError:
        return None
    return in_utc(moment)


def _query_value(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value
