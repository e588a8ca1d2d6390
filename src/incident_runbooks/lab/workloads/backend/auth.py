# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's login, and a route that needs it."""

from __future__ import annotations

import time
from typing import Any

import jwt
from aiohttp import web

from incident_runbooks.lab.workloads import passwords
from incident_runbooks.lab.workloads.backend.app import BACKEND, Backend, problem
from incident_runbooks.lab.workloads.error_classes import ERROR_CLASSES

_LIFETIME_S = 900
_ALGORITHM = "HS256"
_SESSION = (
    "SELECT users.id, users.email, users.role FROM users JOIN refresh_tokens ON refresh_tokens.user_id = users.id"
    " WHERE users.id = %s AND refresh_tokens.id = %s AND refresh_tokens.revoked_at IS NULL"
)


def add_routes(app: web.Application) -> None:
    """Add POST /api/auth/login and GET /api/users/me."""
    app.router.add_post("/api/auth/login", _login)
    app.router.add_get("/api/users/me", _me)


async def _login(request: web.Request) -> web.Response:
    backend = request.app[BACKEND]
    email, password = await _credentials(request)
    if not email or not password:
        return problem(400, "email and password must be strings")
    if not backend.settings.jwt_secret:
        return _no_secret(backend)
    async with backend.pool.connection() as connection:
        query = "SELECT id, password_hash FROM users WHERE email = %s"
        row = await (await connection.execute(query, [email])).fetchone()
        if row is None or not passwords.verify(password, row[1]):
            backend.journal.warn("AuthService", "login refused: invalid credentials")
            return problem(401, "Invalid credentials")
        issue = "INSERT INTO refresh_tokens (user_id) VALUES (%s) RETURNING id"
        issued = await (await connection.execute(issue, [row[0]])).fetchone()
    now = int(time.time())
    claims = {"sub": str(row[0]), "sid": issued[0] if issued else 0, "iat": now, "exp": now + _LIFETIME_S}
    token = jwt.encode(claims, backend.settings.jwt_secret, algorithm=_ALGORITHM)
    return web.json_response({"access_token": token, "expires_in": _LIFETIME_S})


async def _me(request: web.Request) -> web.Response:
    backend = request.app[BACKEND]
    if not backend.settings.jwt_secret:
        return _no_secret(backend)
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer":
        return problem(401, "Unauthorized")
    try:
        claims = jwt.decode(token, backend.settings.jwt_secret, algorithms=[_ALGORITHM])
    except jwt.InvalidTokenError as error:
        err = {"type": "JsonWebTokenError", "message": str(error)}
        backend.journal.warn("JwtAuthGuard", f"JWT validation failed: {error}", err=err)
        return problem(401, "Unauthorized")
    async with backend.pool.connection() as connection:
        row = await (await connection.execute(_SESSION, [int(claims["sub"]), int(claims["sid"])])).fetchone()
    if row is None:
        return problem(401, "Unauthorized")
    return web.json_response(dict(zip(("id", "email", "role"), row, strict=True)))


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
