# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Vault's HTTP API: several questions at the same time over one session. No decisions.

https://developer.hashicorp.com/vault/api-docs
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlencode

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json import (
    USER_AGENT,
    checked_secret,
    checked_url,
    open_transport,
    service_name,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import (
    Answer,
    Failure,
    SendError,
    hidden,
    unusable,
    written,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.vault_errors import (
    advised,
    errors_of,
    not_configured,
    refused,
)

if TYPE_CHECKING:
    from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_transport import Transport

ATTEMPTED = "Asking Vault"
HEALTH = ("sys", "health")
PARALLEL = 16

Question = tuple[tuple[str, ...], Mapping[str, Any]]


def vault_argument_spec() -> dict[str, dict[str, Any]]:
    """The options of the connection. Keep the doc fragment ``vault`` in step."""
    return {
        "vault_addr": {"type": "str"},
        "vault_token": {"type": "str", "no_log": True},
        "vault_namespace": {"type": "str"},
        "vault_ca_cert": {"type": "path"},
        "vault_request_timeout": {"type": "int", "default": 3},
    }


def vault_secrets(params: Mapping[str, Any]) -> Iterator[str]:
    """Yield the token in whatever form."""
    yield from written(str(params.get("vault_token") or "").strip())


@dataclass(frozen=True)
class Reply:
    """What one request gave.

    Attributes:
        status: of HTTP; ``None`` when no answer came.
        content: Vault's document, also of "not found" with an explanation; it may hold values and is not shown.
        failure: why there is none.
        answered: whether it was Vault itself that answered, be it with a refusal.
    """

    status: int | None
    content: Mapping[str, Any] | None = field(repr=False)
    failure: Failure | None = None
    answered: bool = False

    @property
    def nothing(self) -> bool:
        """Whether Vault says that there is nothing, by its empty list of errors."""
        return self.status == HTTPStatus.NOT_FOUND and self.failure is None and self.content is None


class Vault:
    """One Vault with one token; use it as a context manager.

    Args:
        params: the options of :func:`vault_argument_spec`.

    Attributes:
        service: its address for texts.
        requests: how many were sent.

    Raises:
        SendError: options are missing or make no sense; nothing was sent.
    """

    def __init__(self, params: Mapping[str, Any]) -> None:
        url = str(params["vault_addr"] or "").strip()
        if not url:
            raise SendError(ATTEMPTED, not_configured("vault_addr"))
        self._secrets = tuple(vault_secrets(params))
        self._base = checked_url(ATTEMPTED, "vault_addr", url)
        if not str(params.get("vault_token") or "").strip():
            raise SendError(ATTEMPTED, not_configured("vault_token"))
        token = checked_secret(ATTEMPTED, "vault_token", params["vault_token"])
        self._headers = {"User-Agent": USER_AGENT, "X-Vault-Token": token, "X-Vault-Request": "true"}
        namespace = checked_secret(ATTEMPTED, "vault_namespace", params.get("vault_namespace") or "")
        if namespace:
            self._headers["X-Vault-Namespace"] = namespace
        self._ca_cert = _checked_ca(params.get("vault_ca_cert"))
        if params["vault_request_timeout"] < 1:
            raise _invalid("vault_request_timeout must be 1 second or more", "set it so")
        self._limit_s = float(params["vault_request_timeout"])
        self.service = service_name(self._base)
        self.requests = 0
        self._transport: Transport | None = None

    def ask(self, questions: Mapping[str, Question]) -> dict[str, Reply]:
        """Send all requests at the same time. One that fails has a reply too and does not stop the others.

        Args:
            questions: by any name, the parts of the path below ``/v1`` and the query.

        Raises:
            IncidentsError: ``requests`` is missing.
        """
        if not questions:
            return {}
        transport = self._transport = self._transport or open_transport(self._limit_s, self._ca_cert)
        self.requests += len(questions)
        with ThreadPoolExecutor(min(len(questions), PARALLEL), thread_name_prefix="vault") as pool:
            pending = {name: pool.submit(self._ask, transport, *asked) for name, asked in questions.items()}
        return {name: outcome.result() for name, outcome in pending.items()}

    def error(self, what: str, failure: Failure) -> SendError:
        """Return the error of an attempt, its text free of the token."""
        return SendError(f"{what} at {self.service}", failure, self._secrets)

    def close(self) -> None:
        """Close the connections; never raises."""
        if self._transport:
            self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, transport: Transport, path: Sequence[str], query: Mapping[str, Any]) -> Reply:
        url = "/".join([self._base, "v1", *(quote(part, safe="") for part in path)])
        url += "?" + urlencode(query) if query else ""
        answer = transport.exchange("GET", url, self._headers, None)
        if isinstance(answer, Failure):
            return Reply(answer.status, None, self._shown(advised(answer)))
        reply = read_answer(answer, health=tuple(path) == HEALTH)
        return replace(reply, failure=reply.failure and self._shown(reply.failure))

    def _shown(self, failure: Failure) -> Failure:
        """The failure, free of the token, for results."""
        return replace(failure, message=hidden(failure.message, self._secrets))


def read_answer(answer: Answer, *, health: bool = False) -> Reply:
    """Return what an answer says.

    "Not found" comes in three shapes: with a document, which says what is not there any more; with an empty list of
    errors, when there is nothing; with an error, when there is no engine.

    Args:
        health: it is of ``sys/health``, whose status says how the server is and whose document is always the same.
    """
    content = answer.content
    document = content if isinstance(content, dict) else None
    if health and document is not None and isinstance(document.get("sealed"), bool):
        return Reply(answer.status, document, answered=True)
    wrapped = document is not None and "data" in document
    if answer.status == HTTPStatus.NOT_FOUND:
        if wrapped:
            return Reply(answer.status, document, answered=True)
        if errors_of(answer) == []:
            return Reply(answer.status, None, answered=True)
    if answer.status // 100 != 2:  # noqa: PLR2004 - the class of all successes
        return Reply(answer.status, None, refused(answer), answered=errors_of(answer) is not None)
    if not wrapped:
        return Reply(answer.status, None, advised(unusable(answer, "none of Vault")))
    return Reply(answer.status, document, answered=True)


def _checked_ca(path: Any) -> str | None:
    if not path:
        return None
    if not Path(str(path)).is_file():
        raise _invalid("vault_ca_cert is no file that can be read", "check the path")
    return str(path)


def _invalid(message: str, advice: str) -> SendError:
    return SendError(ATTEMPTED, Failure("invalid", message, advice))
