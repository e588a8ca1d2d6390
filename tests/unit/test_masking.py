# SPDX-License-Identifier: GPL-3.0-or-later
"""Obvious secrets are masked, ordinary text stays readable, and no text takes long."""

from __future__ import annotations

import time

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.masking import MASK, mask

CANARY = "c4n4ryc4n4ry"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.SflKxwRJSMeKKF2QT4fw"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"key sk_live_{CANARY} used", f"key {MASK} used"),
        (f"rk_test_{CANARY}", MASK),
        (f"whsec_{CANARY}=", MASK),
        (f"token={JWT}", f"token={MASK}"),
        (f"got {JWT} from header", f"got {MASK} from header"),
        (f"Authorization: Bearer {CANARY}", f"Authorization: Bearer {MASK}"),
        (f"authorization: basic {CANARY}==", f"authorization: basic {MASK}"),
        (f"password={CANARY}", f"password={MASK}"),
        (f"PGPASSWORD={CANARY} psql", f"PGPASSWORD={MASK} psql"),
        (f"db_password: {CANARY}, user: app", f"db_password: {MASK}, user: app"),
        (f'{{"password":"{CANARY} x","user":"app"}}', f'{{"password":"{MASK}","user":"app"}}'),
        (f'\\"apiKey\\":\\"{CANARY}\\"', f'\\"apiKey\\":\\"{MASK}\\"'),
        (f"client_secret='{CANARY} y' next", f"client_secret='{MASK}' next"),
        (f"X-Api-Key: {CANARY}", f"X-Api-Key: {MASK}"),
        (f"GET /cb?access_token={CANARY}&x=1", f"GET /cb?access_token={MASK}&x=1"),
        (f"postgres://app:{CANARY}@db:5432/x", f"postgres://app:{MASK}@db:5432/x"),
        (f"postgres://app:pa/ss{CANARY}@db:5432/x", f"postgres://app:{MASK}@db:5432/x"),
        (f"redis://:{CANARY}@redis", f"redis://:{MASK}@redis"),
        (f"https://u:p@ss{CANARY}@host/", f"https://u:{MASK}@host/"),
        ("AKIAABCDEFGHIJKLMNOP", MASK),
        (f"ghp_{CANARY * 2}", MASK),
        (f"xoxb-{CANARY}", MASK),
        (f"hvs.{CANARY}", MASK),
    ],
)
def test_what_is_obviously_secret_is_masked(text: str, masked: str) -> None:
    assert mask(text) == masked
    assert CANARY not in mask(text)
    assert mask(mask(text)) == mask(text)


@pytest.mark.parametrize(
    "text",
    [
        "sorry, too many clients already",
        'secrets "backend-database" not found',
        "password authentication failed for user app",
        "connect ECONNREFUSED 127.0.0.1:5432",
        "token expired",
        "GET https://api.example.com:443/v1/x?page=2 200",
        "password=null token: undefined",
        "tokens 17 of 20",
        "",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert mask(text) == text


@pytest.mark.parametrize("part", ["a", "token", 'password="', "eyJ", "://", "a:", "-----BEGIN ", "Bearer ", "secret= "])
def test_a_long_text_of_whatever_takes_no_time(part: str) -> None:
    started = time.monotonic()
    mask(part * (200_000 // len(part)))
    assert time.monotonic() - started < 20  # quadratic time would be minutes
