# SPDX-License-Identifier: GPL-3.0-or-later
"""What the platform's failures look like in its log: the texts of its client libraries.

Sources: stripe-node's error types and messages, node-postgres and PostgreSQL's own texts, ioredis, jsonwebtoken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class ErrorClass:
    """One kind of error.

    Attributes:
        context: the part of the application that logs it.
        msg: the line's message.
        type: the error's class.
        message: the error's own text.
        code: the library's code, where it gives one.
    """

    context: str
    msg: str
    type: str
    message: str
    code: str | None = None

    def err(self) -> dict[str, str]:
        """Return it as the log has it."""
        return {"type": self.type, "message": self.message} | ({"code": self.code} if self.code else {})


def _stripe(kind: str, message: str, code: str | None = None) -> ErrorClass:
    return ErrorClass("PaymentsService", f"{kind}: {message}", kind, message, code)


def _platform(platform: str, msg: str, message: str) -> ErrorClass:
    return ErrorClass("MetricsWorker", f"{platform}: {msg}", "PlatformError", message, msg)


ERROR_CLASSES: Mapping[str, ErrorClass] = MappingProxyType(
    {
        "stripe_api": _stripe("StripeAPIError", "An error occurred with our connection to Stripe."),
        "stripe_rate_limit": _stripe(
            "StripeRateLimitError", "Too many requests hit the API too quickly.", "rate_limit"
        ),
        "stripe_auth": _stripe("StripeAuthenticationError", "Invalid API Key provided: sk_test_****************0000"),
        "stripe_connection": _stripe("StripeConnectionError", "Request aborted due to timeout", "ETIMEDOUT"),
        "card_declined": _stripe("StripeCardError", "Your card was declined.", "card_declined"),
        "webhook_signature": ErrorClass(
            "WebhooksController",
            "Failed to verify webhook signature",
            "StripeSignatureVerificationError",
            "No signatures found matching the expected signature for payload.",
        ),
        "webhook_handler": ErrorClass(
            "ExceptionsHandler",
            "TypeError: Cannot read properties of undefined (reading 'payment_id')",
            "TypeError",
            "Cannot read properties of undefined (reading 'payment_id')",
        ),
        "db_refused": ErrorClass(
            "TypeOrmModule",
            "Error: connect ECONNREFUSED 127.0.0.1:5432",
            "Error",
            "connect ECONNREFUSED 127.0.0.1:5432",
            "ECONNREFUSED",
        ),
        "db_slots": ErrorClass(
            "TypeOrmModule", "sorry, too many clients already", "error", "sorry, too many clients already", "53300"
        ),
        "pool_timeout": ErrorClass(
            "TypeOrmModule",
            "Error: timeout exceeded when trying to connect",
            "Error",
            "timeout exceeded when trying to connect",
        ),
        "redis_refused": ErrorClass(
            "AuthService",
            "Redis ECONNREFUSED",
            "Error",
            "connect ECONNREFUSED 127.0.0.1:6379",
            "ECONNREFUSED",
        ),
        "jwt_missing": ErrorClass(
            "AuthModule", "JWT secret is missing", "Error", "secretOrPrivateKey must have a value"
        ),
        "rate_limit_exceeded": _platform("tiktok", "rate_limit_exceeded", "API rate limit exceeded"),
        "connection_timeout": _platform("meta", "connection_timeout", "Request timed out after 30000 ms"),
        "invalid_token": _platform("youtube", "invalid_token", "OAuth token has been expired or revoked"),
    }
)
