# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""Find the secrets among variables: by the names of keys, and inside URLs and connection strings.

When in doubt a value is a secret: a word too many in a report that reads ``[redacted]`` does less harm.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, unquote_plus, urlsplit

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_NUMBERED = re.compile(r"v?\d+")
# A webhook of Slack is a secret. Our incident type of that name is none, nor is where Stripe delivers to
_NO_WEBHOOK = re.compile(r"(?i)^_*webhook_failures_|(?<![a-z])stripe_webhook_(?=(url|ca_cert)$)")
_SECRET_WORDS = frozenset(
    {
        *("pass", "pwd", "dsn", "conninfo", "cookie", "cookies", "authorization", "bearer", "jwt", "webhook", "pin"),
        *("password", "passwords", "passwd", "passphrase", "passphrases", "passcode", "secret", "secrets"),
        *("token", "tokens", "apikey", "apikeys", "credential", "credentials", "creds"),
    }
)
_SECRET_ENDINGS = ("password", "passwd", "passphrase", "secret", "token", "apikey", "pass", "pwd", "dsn")
_NO_SECRET_ENDINGS = frozenset({"bypass", "compass", "encompass", "overpass", "surpass", "trespass", "underpass"})
# the shell's directories; remediations and jobs of theirs; classes of log lines
_WHOLE_NAMES_WITHOUT = frozenset(
    {
        *("pwd", "oldpwd", "restore-jwt-secret", "rotate-jwt-secret", "restore-webhook-secret"),
        *("reset-credentials", "reset_credentials", "revoke_tokens"),
        *("jwt_missing", "jwt_invalid"),
    }
)
_KEY_KINDS = frozenset(
    {
        *("api", "access", "private", "secret", "signing", "signature", "encryption", "master", "account", "storage"),
        *("shared", "routing", "integration", "service", "auth", "session", "consumer", "client", "deploy", "license"),
        *("host", "ssh", "ssl", "tls", "hmac", "webhook", "account", "publishable", "restricted", "admin", "user"),
    }
)
_LOCATION_KINDS = frozenset(
    {
        *("database", "db", "connection", "conn", "webhook", "redis", "postgres", "postgresql", "mysql", "mongo"),
        *("mongodb", "amqp", "rabbitmq", "broker", "clickhouse", "jdbc", "dsn", "sentry", "signed", "presigned"),
    }
)
_LOCATIONS = frozenset({"url", "uri", "string", "str"})
# What a key says about a secret without holding it
_ABOUT = frozenset(
    {
        *("file", "files", "path", "paths", "dir", "directory", "name", "names", "id", "ids", "ref", "reference"),
        *("count", "counter", "number", "length", "len", "size", "min", "max", "limit", "limits", "policy", "rotation"),
        *("ttl", "age", "expiry", "expires", "expiration", "lifetime", "timeout", "interval", "created", "updated"),
        *("type", "kind", "format", "algorithm", "method", "mode", "version", "enabled", "required", "prompt", "hint"),
        *("field", "header", "env", "variable", "var", "lookup", "host", "port", "user", "username", "namespace"),
        *("endpoint", "issuer", "audience", "scope", "scopes", "fingerprint", "arn", "checking", "authentication"),
        *("encryption", "hash", "store", "backend", "provider", "usage", "status", "description", "title", "label"),
        "verdict",
    }
)
_BESIDE = frozenset(
    {"user", "username", "login", "host", "hostname", "port", "database", "db", "email", "region", "url"}
)
_NO_VALUES = frozenset({"", "true", "false", "none", "null", "yes", "no", "on", "off"})
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>]+")
_PORT_AND_PATH = re.compile(r"\d{1,5}(/|$)")
_PAIR = re.compile(
    r"(?<![A-Za-z0-9_.-])([A-Za-z][A-Za-z0-9_.-]*)\s*=\s*('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[^\s;&'\"]+)"
)
_SCHEME = re.compile(r"(?i)(basic|bearer|token|apikey|digest)\s+(\S+)")
_LONGEST_SCANNED = 256 * 1024
_DEPTH = 20
_LONG_ENOUGH = 8
_TOKEN_LENGTH = 16


def secret_values(variables: Mapping[Any, Any]) -> set[str]:
    """Return the secrets among variables: of an inventory host, of the environment, of a result.

    Values under keys whose names say that they are secret, however deeply nested; passwords inside URLs,
    connection strings and ``key=value`` pairs under any key. Numbers count only as passwords, because YAML
    reads an all-digit password without quotes as a number. What a key only says about a secret, such as
    ``password_file``, ``secret_name`` or ``token_count``, is none.
    """
    found: set[str] = set()
    for secret in _in_mapping(variables, secret=False, depth=0):
        found.update((secret, secret.strip()))
    return {secret for secret in found if secret.lower() not in _NO_VALUES}


def names_secret(key: str) -> bool:
    """Return whether a key's name says that its value is a secret."""
    if key.lower() in _WHOLE_NAMES_WITHOUT:
        return False
    words = [word.lower() for word in _WORDS.findall(_NO_WEBHOOK.sub("", key))]
    while words and _NUMBERED.fullmatch(words[-1]):
        words.pop()  # password2, api_key_v2
    if not words or words[-1] in _ABOUT:
        return False
    return any(map(_is_secret_word, words)) or any(map(_is_secret_pair, words, words[1:]))


def may_hold_secret(key: str) -> bool:
    """Return whether a key's name says that its value is a secret or a place that secrets are part of."""
    words = {word.lower() for word in _WORDS.findall(key)}
    return names_secret(key) or bool(words & {"url", "uri", "dsn", "conninfo", "connection", "conn", "proxy", "args"})


def _is_secret_word(word: str) -> bool:
    return word in _SECRET_WORDS or (word.endswith(_SECRET_ENDINGS) and word not in _NO_SECRET_ENDINGS)


def _is_secret_pair(first: str, second: str) -> bool:
    return (second in ("key", "keys") and first in _KEY_KINDS) or (second in _LOCATIONS and first in _LOCATION_KINDS)


def _in_mapping(variables: Mapping[Any, Any], *, secret: bool, depth: int) -> Iterator[str]:
    for key, value in variables.items():
        name = str(key)
        words = {word.lower() for word in _WORDS.findall(name)}
        below = secret and not words & (_BESIDE | _ABOUT)
        yield from _in_value(value, name, secret=below or names_secret(name), depth=depth + 1)


def _in_value(value: Any, name: str, *, secret: bool, depth: int) -> Iterator[str]:
    if depth > _DEPTH:
        return
    if isinstance(value, str):
        if secret:
            yield from _of_secret(str.__str__(value))
        yield from _inside(str.__str__(value)[:_LONGEST_SCANNED])
    elif isinstance(value, bytes):
        yield from _in_value(value.decode("utf-8", "replace"), name, secret=secret, depth=depth)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        if secret and any(word in name.lower() for word in ("pass", "pwd", "pin")):
            yield str(value)
    elif isinstance(value, Mapping):
        yield from _in_mapping(value, secret=secret, depth=depth)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from _in_value(item, name, secret=secret, depth=depth + 1)


def _of_secret(value: str) -> Iterator[str]:
    """The value itself, and the parts of it that turn up alone in error texts."""
    yield value
    for scheme, credentials in _SCHEME.findall(value):
        yield credentials
        if scheme.lower() == "basic":
            yield from _basic(credentials)
    if value.lower().startswith(("http://", "https://")):
        place = value.split("://", 1)[1].partition("/")[2]
        if len(place) >= _LONG_ENOUGH:  # HTTP clients name the path of a webhook without its host
            yield f"/{place}"
            last = place.rstrip("/").rpartition("/")[2]
            yield from (last,) if len(last) >= _LONG_ENOUGH else ()


def _basic(credentials: str) -> Iterator[str]:
    try:
        text = base64.b64decode(credentials, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return
    yield text.partition(":")[2]


def _inside(value: str) -> Iterator[str]:
    if "://" in value:
        for url in _URL.findall(value):
            yield from _in_url(url)
    if "=" in value:
        for name, quoted in _PAIR.findall(value):
            if names_secret(name):
                text = re.sub(r"\\(.)", r"\1", quoted[1:-1]) if quoted[0] in "'\"" else quoted
                yield from (text, unquote_plus(text))


def _in_url(url: str) -> Iterator[str]:
    rest = url.split("://", 1)[1]
    try:
        authority = urlsplit(url).netloc
    except ValueError:
        authority = rest
    # a password with an unescaped @ or / ends where libpq or a driver says; every reading counts
    for part in {authority, rest}:
        for end in {part.find("@"), part.rfind("@")} - {-1}:
            user, colon, password = part[:end].partition(":")
            if colon and not _PORT_AND_PATH.match(password):
                yield from (password, unquote(password))
            elif not colon and len(user) >= _TOKEN_LENGTH and "/" not in user:
                yield from (user, unquote(user))  # a token in the user's place
