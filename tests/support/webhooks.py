# SPDX-License-Identifier: GPL-3.0-or-later
"""A webhook endpoint on loopback that checks signatures with Stripe's own library, and can be broken in every way."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import stripe
import trustme

SECRET = "whsec_c4n4ryW3bh00kS3cr3t+/="
PATH = "/api/webhooks/stripe"


@dataclass(frozen=True)
class Delivered:
    """A request that came.

    Attributes:
        signature: the header ``Stripe-Signature``; ``None`` without one.
        event: its body read as JSON.
        status: how it was answered; 0 when it was not.
    """

    path: str
    signature: str | None
    event: dict[str, Any]
    status: int
    body: bytes = b""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up: many tests are about just that."""


class Endpoint:
    """A webhook endpoint.

    Attributes:
        secret: what it checks signatures with; ``None`` checks none.
        answer: status, headers and body for every request, whatever it holds; ``None`` for the handler's own.
        delay_s: seconds before it answers.
        clock_skew_s: seconds that its clock is ahead.
        handle: what is done with a genuine event; may raise.
        seen: the requests so far.
    """

    def __init__(self, certificate: trustme.LeafCert | None = None) -> None:
        self.secret: str | None = SECRET
        self.answer: tuple[int, dict[str, str], bytes] | None = None
        self.delay_s = 0.0
        self.clock_skew_s = 0
        self.handle: Callable[[dict[str, Any]], None] = lambda _event: None
        self.seen: list[Delivered] = []
        self._stopping = threading.Event()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(context)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        self.base = f"{'https' if certificate else 'http'}://localhost:{self.port}"
        self.url = self.base + PATH
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()

    def genuine(self) -> list[dict[str, Any]]:
        """Return the events that were taken."""
        return [each.event for each in self.seen if each.status == 200]

    def _answer(self, path: str, signature: str | None, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if self.answer:
            return self.answer
        if path != PATH:
            return 404, {}, b'{"message":"Cannot POST"}'
        if self.secret is not None:
            try:
                self._check(body, signature)
            except (stripe.SignatureVerificationError, ValueError) as error:
                return 400, {}, json.dumps({"error": str(error)}).encode()
        try:
            self.handle(json.loads(body))
        except RuntimeError as error:
            return 500, {}, str(error).encode()
        return 200, {}, b'{"received":true}'

    def _check(self, body: bytes, signature: str | None) -> None:
        """As Stripe's library does, on a clock of the endpoint's own."""
        if signature is None:
            raise ValueError("Missing stripe-signature header")
        stamp = int(signature.partition("t=")[2].partition(",")[0])
        stripe.WebhookSignature.verify_header(body.decode(), signature, str(self.secret))
        if stamp < time.time() + self.clock_skew_s - stripe.Webhook.DEFAULT_TOLERANCE:
            raise ValueError("Timestamp outside the tolerance zone")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                signature = self.headers.get("Stripe-Signature")
                status, headers, content = endpoint._answer(self.path, signature, body)
                endpoint.seen.append(Delivered(self.path, signature, json.loads(body), status, body))
                if endpoint._stopping.wait(endpoint.delay_s):
                    return
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
                pass

        return Handler


def authority(directory: Path) -> tuple[trustme.CA, str]:
    """Return a certificate authority and the file with its certificate."""
    ca = trustme.CA()
    path = directory / "webhook-ca.pem"
    ca.cert_pem.write_to_path(str(path))
    return ca, str(path)
