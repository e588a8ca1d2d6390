# SPDX-License-Identifier: GPL-3.0-or-later
"""The server: every request finds its platform by the path, meets the fault that is in effect, and is logged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from incident_runbooks.lab.services.call import Answer, Call
from incident_runbooks.lab.services.process import print_failure
from incident_runbooks.lab.services.request_log import LogRules, RequestLog
from incident_runbooks.lab.services.server import ServiceServer
from incident_runbooks.lab.social import accounts, meta, tiktok, youtube
from incident_runbooks.lab.social.accounts import META, PLATFORMS, TIKTOK, YOUTUBE, Account
from incident_runbooks.lab.social.control import HANG, Control, answer_of_anybody

REQUESTS = "requests.jsonl"

_LARGEST_BODY = 64 * 1024  # bytes
_LARGEST_LOG = 8 * 1024 * 1024
_LOGGED = LogRules(
    hidden=("access_token", "key", "refresh_token", "client_secret"),
    hidden_headers=("access-token", "x-goog-api-key"),
    bodies=False,
    largest=_LARGEST_LOG,
)
_SERVICES: dict[str, Callable[[Call, Account | None, str | None], Answer]] = {
    META: meta.answer,
    TIKTOK: tiktok.answer,
    YOUTUBE: youtube.answer,
}


class Server(ServiceServer):
    """The platforms of one lab.

    Args:
        directory: holds the accounts and the log.

    Raises:
        OSError: it cannot be read or written.
    """

    def __init__(self, directory: Path) -> None:
        self._accounts = accounts.read(directory)
        self._control = Control(directory)
        super().__init__(
            RequestLog(directory / REQUESTS, [each.token for each in self._accounts], _LOGGED), _LARGEST_BODY
        )

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        platform, _, below = request.path.removeprefix("/").partition("/")
        if platform not in PLATFORMS:
            return web.Response(status=404, text="no platform of the lab has this address")
        query = tuple(request.query.items())
        call = Call(platform, request.method, f"/{below}", query, request.headers, await request.read())
        account = accounts.owner_of(self._accounts, platform, _token(call))
        owner = account.account if account else None
        kind = self._control.kind(platform, owner)
        if kind == HANG:
            return await self._hang(request, call, lambda: self._control.kind(platform, owner) == HANG)
        answer = answer_of_anybody(kind) or _handle(call, account, kind)
        self._log.write(call, request.path, answer)
        body, headers = answer.encode()
        return web.Response(status=answer.status, body=body, headers=headers)


def _handle(call: Call, account: Account | None, kind: str | None) -> Answer:
    try:
        return _SERVICES[call.service](call, account, kind)
    except Exception as error:  # noqa: BLE001 - the edge of a request: whatever it is, the next one is served
        print_failure(error)
        return Answer(500, "Internal Server Error")


def _token(call: Call) -> str:
    """Return the token of a header; one in a URL counts for nothing here, whatever the platforms do."""
    if call.service == TIKTOK:
        return call.headers.get("Access-Token", "")
    return call.headers.get("Authorization", "").removeprefix("Bearer ").strip()
