# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's login, and a route that needs it.

A session is a row of ``refresh_tokens`` and, where there is Redis, a key as well; a token is good while both are there.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import jwt
from aiohttp import web

from incident_runbooks.errors import UsageError
from incident_runbooks.lab.workloads import passwords
from incident_runbooks.lab.workloads.backend.app import BACKEND, Backend, Handler, problem
from incident_runbooks.lab.workloads.backend.sessions import Sessions, SessionStoreError
from incident_runbooks.lab.workloads.error_classes import ERROR_CLASSES

_LIFETIME_S = 900
_ALGORITHM = "HS256"
_LOGIN_RATE_LIMIT = 30  # tries of an account within a minute
_SESSION = (
    "SELECT users.id, users.email, users.role FROM users JOIN refresh_tokens ON refresh_tokens.user_id = users.id"
    " WHERE users.id = %s AND refresh_tokens.id = %s AND refresh_tokens.revoked_at IS NULL"
)
# jsonwebtoken's words for what PyJWT finds; the times are looked at here, by a clock that a fault can set
_OWN_TIMES: jwt.types.Options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}

SESSIONS = web.AppKey("sessions", Sessions)


class _TokenError(Exception):
    """A token is no good.

    Args:
        kind: class of jsonwebtoken's error.
        message: its text.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def add_routes(app: web.Application, environ: Mapping[str, str]) -> None:
    """Add POST /api/auth/login and GET /api/users/me.

    Args:
        environ: ``REDIS_URL`` (host and port; empty: no Redis), ``REDIS_PASSWORD`` and ``LOGIN_RATE_LIMIT``.

    Raises:
        UsageError: the limit is none.
    """
    app.router.add_post("/api/auth/login", _explained(_login))
    app.router.add_get("/api/users/me", _explained(_me))
    if where := environ.get("REDIS_URL"):
        limit = environ.get("LOGIN_RATE_LIMIT") or str(_LOGIN_RATE_LIMIT)
        if not limit.isdecimal() or not int(limit):
            raise UsageError(f"Reading the backend's environment: LOGIN_RATE_LIMIT {limit!r} is no number of logins")
        app[SESSIONS] = Sessions(where, environ.get("REDIS_PASSWORD", ""), int(limit), _LIFETIME_S)
        app.cleanup_ctx.append(_closing)


async def _closing(app: web.Application) -> AsyncIterator[None]:
    yield
    await app[SESSIONS].close()


def _explained(handler: Handler) -> Handler:
    """Answer and log as the platform does where Redis does not do what is asked of it."""

    async def explained(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except SessionStoreError as error:
            request.app[BACKEND].journal.error("AuthService", error.msg, err=error.err)
            return problem(error.status, "Internal server error" if error.status == 500 else "Service Unavailable")  # noqa: PLR2004 - HTTP

    return explained


async def _login(request: web.Request) -> web.Response:
    backend, sessions = request.app[BACKEND], request.app.get(SESSIONS)
    email, password = await _credentials(request)
    if not email or not password:
        return problem(400, "email and password must be strings")
    if not backend.settings.jwt_secret:
        return _no_secret(backend)
    if sessions and (wait_s := await sessions.count(email)):
        backend.journal.warn("ThrottlerGuard", "ThrottlerException: Too Many Requests", route="/api/auth/login")
        response = problem(429, "ThrottlerException: Too Many Requests")
        response.headers["Retry-After"] = str(wait_s)
        return response
    async with backend.pool.connection() as connection:
        query = "SELECT id, password_hash FROM users WHERE email = %s"
        row = await (await connection.execute(query, [email])).fetchone()
        if row is None or not passwords.verify(password, row[1]):
            backend.journal.warn("AuthService", "login refused: invalid credentials")
            return problem(401, "Invalid credentials")
        issue = "INSERT INTO refresh_tokens (user_id) VALUES (%s) RETURNING id"
        issued = await (await connection.execute(issue, [row[0]])).fetchone()
    session = issued[0] if issued else 0
    if sessions:
        await sessions.open(session, row[0])
    return web.json_response({"access_token": _token(backend, row[0], session), "expires_in": _LIFETIME_S})


async def _me(request: web.Request) -> web.Response:
    backend, sessions = request.app[BACKEND], request.app.get(SESSIONS)
    if not backend.settings.jwt_secret:
        return _no_secret(backend)
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer":
        return problem(401, "Unauthorized")
    try:
        claims = _claims(backend, token)
    except _TokenError as error:
        err = {"type": error.kind, "message": str(error)}
        backend.journal.warn("JwtAuthGuard", f"JWT validation failed: {error}", err=err)
        return problem(401, "Unauthorized")
    if sessions and not await sessions.is_open(int(claims["sid"])):
        return problem(401, "Unauthorized")
    async with backend.pool.connection() as connection:
        row = await (await connection.execute(_SESSION, [int(claims["sub"]), int(claims["sid"])])).fetchone()
    if row is None:
        return problem(401, "Unauthorized")
    return web.json_response(dict(zip(("id", "email", "role"), row, strict=True)))


def _token(backend: Backend, user: int, session: int) -> str:
    now = _now(backend)
    claims = {"sub": str(user), "sid": session, "iat": now, "nbf": now, "exp": now + _LIFETIME_S}
    return jwt.encode(claims, backend.settings.jwt_secret, algorithm=_ALGORITHM)


def _claims(backend: Backend, token: str) -> dict[str, Any]:
    """Return what a token says.

    Raises:
        _TokenError: it is no good.
    """
    try:
        claims = jwt.decode(token, backend.settings.jwt_secret, algorithms=[_ALGORITHM], options=_OWN_TIMES)
    except jwt.InvalidSignatureError as error:
        raise _TokenError("JsonWebTokenError", "invalid signature") from error
    except jwt.InvalidTokenError as error:
        raise _TokenError("JsonWebTokenError", "jwt malformed") from error
    now = _now(backend)
    if claims["nbf"] > now:
        raise _TokenError("NotBeforeError", "jwt not active")
    if claims["exp"] <= now:
        raise _TokenError("TokenExpiredError", "jwt expired")
    return dict(claims)


def _now(backend: Backend) -> int:
    """The time in seconds by this pod's clock."""
    skew = backend.faults.get("clock-skew")
    return int(time.time() + (float(skew["seconds"]) if skew else 0))


def _no_secret(backend: Backend) -> web.Response:
    backend.journal.failure(ERROR_CLASSES["jwt_missing"])
    return problem(500, "Internal server error")


async def _credentials(request: web.Request) -> tuple[str, str]:
    """Return what was sent as email and password; empty text for what is none."""
    try:
        body: Any = await request.json()
    except ValueError:
        body = None
    plain = body if isinstance(body, dict) else {}
    email, password = plain.get("email"), plain.get("password")
    return (email if isinstance(email, str) else ""), (password if isinstance(password, str) else "")
