# SPDX-License-Identifier: GPL-3.0-or-later
"""Which variables are secrets, and where secrets hide in the others."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.redaction_secrets import (
    may_hold_secret,
    names_secret,
    secret_values,
)


def words(text: str) -> list[str]:
    return text.split()


SECRET = words("""
password PGPASSWORD postgres_password postgres_reserved_password DB_PASSWORD_PROD password2 passwd passphrase apiKey
api_key APIKey clientSecret client_secret AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN access_key private_key credential
credentials dsn SENTRY_DSN conninfo database_url DATABASE_URL connection_string webhook_url slack_webhook authorization
Authorization Proxy-Authorization cookie session_cookie vault_token GITHUB_TOKEN ansible_become_pass ansible_ssh_pass
SSHPASS db_pwd routing_key STRIPE_SECRET_KEY_LIVE api_key_v2 redis_url stripe_webhook_secret webhook_failures_secret
__webhook_failures_token my_webhook_failures_hook slack_webhook_url
""")
NO_SECRET = words("""
token_count secret_name password_file ansible_ssh_private_key_file PGPASSFILE host_key_checking bypass PWD OLDPWD
AWS_ACCESS_KEY_ID SSH_AUTH_SOCK ANSIBLE_VAULT_PASSWORD_FILE tokenizer passport secretary key public_key author
password_min_length token_ttl secret_ref PasswordAuthentication postgres_user postgres_host base_url
webhook_failures_max_age_s __webhook_failures_probe stripe_webhook_url BRANDCONNECT_STRIPE_WEBHOOK_URL
stripe_webhook_ca_cert restore-webhook-secret
""")


@pytest.mark.parametrize("key", SECRET)
def test_names_of_secrets(key: str) -> None:
    assert names_secret(key)
    assert may_hold_secret(key)


@pytest.mark.parametrize("key", NO_SECRET)
def test_names_of_other_things(key: str) -> None:
    assert not names_secret(key)


@pytest.mark.parametrize(
    ("value", "secret"),
    [
        ("postgres://ops:s3cr3t@db/app", "s3cr3t"),
        ("postgresql://ops:p%40ss%2Fword@db:5432/app?sslmode=require", "p@ss/word"),
        ("postgresql://ops:p%40ss%2Fword@db:5432/app", "p%40ss%2Fword"),
        ("postgres://ops:p@ss@db/app", "p@ss"),
        ("redis://:s3cr3t@cache:6379/0", "s3cr3t"),
        ("jdbc:postgresql://db/app?user=ops&password=s3cr3t", "s3cr3t"),
        ("host=db user=ops password=s3cr3t sslmode=require", "s3cr3t"),
        ("host=db password = 'it is \\'quoted\\'' user=ops", "it is 'quoted'"),
        ("Server=db;Password=s3cr3t;Database=app", "s3cr3t"),
        ("https://0123456789abcdef0123@sentry.io/1", "0123456789abcdef0123"),
        ("https://api.example.com/?access_token=s3cr3t&x=1", "s3cr3t"),
        ("see http://u:s3cr3t@one/ and amqp://u:other@two/", "other"),
    ],
)
def test_secrets_inside_values_of_any_name(value: str, secret: str) -> None:
    assert secret in secret_values({"anything": {"at": ["any", value]}})


def test_addresses_without_a_secret() -> None:
    harmless = {
        "a": "https://example.com:8080/a@b",
        "b": "ssh://git@example.com/x",
        "c": "-o PasswordAuthentication=no -o UserKnownHostsFile=/dev/null",
        "d": "postgres://ops@db/app",
        "e": "http://[broken",
    }
    assert secret_values(harmless) == set()


def test_nested_values_under_a_secret_name() -> None:
    variables: dict[Any, Any] = {
        "vault_token": {"value": "deep-token", "username": "ops", "path": "/run/token"},
        "things": [{"password": "in-a-list"}, {1: {"api_key": b"as-bytes"}}],
        "token_count": 5000,
        "retries": 3,
        "use_password": True,
        "password": 12345678,
        "empty_password": "",
        "none_password": None,
        "flag_secret": "true",
    }
    assert secret_values(variables) == {"deep-token", "in-a-list", "as-bytes", "12345678"}


def test_parts_of_a_secret_that_turn_up_alone() -> None:
    basic = base64.b64encode(b"ops:s3cr3t").decode()
    found = secret_values(
        {
            "authorization": f"Basic {basic}",
            "slack_webhook": "https://hooks.slack.com/services/T000/B000/XXXXXXXXXXXX",
            "file_password": "with-newline\n",
        }
    )
    assert {"s3cr3t", basic, f"Basic {basic}"} <= found
    assert {"/services/T000/B000/XXXXXXXXXXXX", "XXXXXXXXXXXX"} <= found
    assert "with-newline" in found


def test_a_secret_that_is_also_a_user_name_is_still_a_secret() -> None:
    assert secret_values({"postgres_user": "postgres", "postgres_password": "postgres"}) == {"postgres"}


def test_a_structure_without_end() -> None:
    loop: dict[str, Any] = {}
    loop["password"] = loop
    assert secret_values(loop) == set()
