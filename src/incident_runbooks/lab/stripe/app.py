# SPDX-License-Identifier: GPL-3.0-or-later
"""The server: the API, the status page and the lab's own way in, on one port."""

from __future__ import annotations

import copy
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from incident_runbooks.lab.services.call import Answer, Call
from incident_runbooks.lab.services.request_log import LogRules, RequestLog
from incident_runbooks.lab.services.secret_files import read_json, write_json
from incident_runbooks.lab.services.server import ServiceServer
from incident_runbooks.lab.stripe import status_page
from incident_runbooks.lab.stripe.admin import Admin
from incident_runbooks.lab.stripe.api import Api
from incident_runbooks.lab.stripe.control import HANG, Control
from incident_runbooks.lab.stripe.deliveries import Deliveries
from incident_runbooks.lab.stripe.keys import Keys
from incident_runbooks.lab.stripe.world import World

SETTINGS = "settings.json"
OBJECTS = "objects.json"
REQUESTS = "requests.jsonl"

_LARGEST_LOG = 32 * 1024 * 1024
_CLIENT_SECRET = re.compile(r"^(/v1/payment_intents/pi_\w+_secret_)(.+)$")


class Server(ServiceServer):
    """Stripe of one lab.

    Args:
        directory: holds the keys, and what is kept and logged.

    Raises:
        OSError: it cannot be read or written.
    """

    def __init__(self, directory: Path) -> None:
        self._keys = Keys.read(directory)
        self._control = Control(directory)
        self._settings, self._objects = directory / SETTINGS, directory / OBJECTS
        self._saved = read_json(self._settings, missing_ok=True) or {}
        kept = read_json(self._objects, missing_ok=True) or {}
        self._world = World.from_plain(self._keys.webhook_secret, self._saved, kept)
        rules = LogRules(hidden=("client_secret",), secret_path=_CLIENT_SECRET, shown=_shown, largest=_LARGEST_LOG)
        super().__init__(RequestLog(directory / REQUESTS, self._keys.secrets(), rules))
        self._deliveries = Deliveries(self._world)
        self._api = Api(self._world, self._keys, self._deliveries)
        self._admin = Admin(self._world, self._keys, self._deliveries, self._api.forget)
        self._faults: tuple[list[str], datetime] = ([], datetime.now(UTC))

    async def start(self, host: str, port: int) -> None:
        """Listen, and go on with the deliveries of an earlier process.

        Raises:
            OSError: the port is taken.
        """
        await super().start(host, port)
        self._deliveries.resume(self._world.events.values())

    async def stop(self) -> None:
        """End every connection; what there is stays for the next process."""
        await self._deliveries.stop()
        await super().stop()
        self._save_settings()
        write_json(self._objects, self._world.objects())

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        if self._admin.handles(request.method, path):
            return await self._administer(request)
        query = tuple(request.query.items())
        call = Call("stripe", request.method, path, query, request.headers, await request.read())
        faults, since = self._read_faults()
        if path.startswith("/v1/") or path == "/v1":
            if HANG in faults:
                return await self._hang(request, call, lambda: HANG in self._control.read())
            answer = await self._api.handle(call, faults)
            self._save_settings()
            self._log.write(call, path, answer)
            return web.Response(status=answer.status, body=answer.body, headers=answer.headers)
        if path.startswith(f"{status_page.PREFIX}/"):
            below = path.removeprefix(status_page.PREFIX)
            answer = status_page.answer(below, faults, since=since, url=str(request.url.origin()) + status_page.PREFIX)
            self._log.write(call, path, answer)
            encoded, headers = answer.encode()
            return web.Response(status=answer.status, body=encoded, headers=headers)
        return web.Response(status=404, text="neither the API nor the status page has this address")

    async def _administer(self, request: web.Request) -> web.StreamResponse:
        try:
            found = self._admin.handle(
                request.method, request.path, await request.read(), request.query.getall("only", [])
            )
        except (ValueError, KeyError, TypeError) as exc:
            return web.json_response({"error": f"{type(exc).__name__}: {exc}"}, status=400)
        self._save_settings()
        return web.json_response(found)

    def _read_faults(self) -> tuple[list[str], datetime]:
        """Return the faults in effect, and since when they are the same."""
        found = self._control.read()
        if found != self._faults[0]:
            self._faults = (found, datetime.now(UTC))
        return self._faults

    def _save_settings(self) -> None:
        """Keep endpoints and keys at once; what has happened is kept by :meth:`stop`, for it is much."""
        settings = self._world.settings()
        if settings != self._saved:
            write_json(self._settings, settings)
            self._saved = copy.deepcopy(settings)


def _shown(answer: Answer) -> Any:
    """Return what the log keeps of an answer: an error, or which objects it has."""
    body = json.loads(answer.body) if isinstance(answer.body, bytes) else answer.body
    if not isinstance(body, dict):
        return None
    if "error" in body:
        kept = ("type", "code", "decline_code", "message", "param")
        return {"error": {name: body["error"][name] for name in kept if name in body["error"]}}
    if body.get("object") == "list":
        return {"object": "list", "ids": [each["id"] for each in body["data"]], "has_more": body["has_more"]}
    return {name: body[name] for name in ("id", "object", "status", "type", "pending_webhooks") if name in body} or None
