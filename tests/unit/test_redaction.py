# SPDX-License-Identifier: GPL-3.0-or-later
"""No text that went through the redactor holds a secret, encoded or not."""

from __future__ import annotations

import base64
import html
import json
import random
import shlex
import string
import time
from urllib.parse import quote, quote_plus

import pytest

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.redaction import MARKER, Redactor

PLAIN = "hunter2-Correct.Horse"
AWKWARD = "p@ss'w\"ö rd/%+&=\\<x>$1"


@pytest.mark.parametrize("secret", [PLAIN, AWKWARD, "abcd", "ünïcödé", "a b c d", "0123456789"])
@pytest.mark.parametrize(
    "encode",
    [
        str,
        lambda secret: quote(secret, safe=""),
        quote,
        quote_plus,
        lambda secret: quote(secret, safe="").lower() if secret.islower() else quote(secret),
        lambda secret: secret.encode().hex(),
        lambda secret: secret.encode().hex().upper(),
        json.dumps,
        lambda secret: json.dumps(secret, ensure_ascii=False),
        lambda secret: json.dumps(json.dumps({"password": secret})),
        repr,
        ascii,
        lambda secret: repr(secret.encode()),
        lambda secret: repr({"a": secret, "b": 'it\'s "both"'}),
        html.escape,
        shlex.quote,
    ],
)
def test_every_encoding_is_found(secret: str, encode: object) -> None:
    assert callable(encode)
    shown = str(encode(secret))
    text = f"before {shown} after"
    redacted = Redactor([secret]).text(text)
    assert MARKER in redacted, text
    assert secret not in redacted
    inner = shown.strip("b'\"")
    assert inner not in redacted, redacted


@pytest.mark.parametrize("secret", [PLAIN, AWKWARD, "abcd", "ünïcödé"])
@pytest.mark.parametrize("before", range(4))
@pytest.mark.parametrize("after", range(4))
@pytest.mark.parametrize("encode", [base64.standard_b64encode, base64.urlsafe_b64encode])
def test_base64_is_found_at_every_alignment(secret: str, before: int, after: int, encode: object) -> None:
    assert callable(encode)
    blob = encode(b"?>~\xff"[:before] + secret.encode() + b"\xfe?>~"[:after]).decode()
    redacted = Redactor([secret]).text(f"header {blob} end")
    assert MARKER in redacted
    left = redacted.removeprefix("header ").removesuffix(" end").split(MARKER)
    # what is left beside the marker holds at most the bits of the neighbours, and padding
    assert len(left) == 2
    assert len(left[0]) * 6 <= before * 8
    assert len(left[1].rstrip("=")) * 6 < after * 8 + 6


def test_multi_line_secrets_are_found_line_by_line() -> None:
    key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----\n"
    redactor = Redactor([key])
    assert redactor.text(f"read {key}") == f"read {MARKER}"
    assert redactor.text("line 2 was hkiG9w0BAQEFAASC") == f"line 2 was {MARKER}"
    assert redactor.text("-----BEGIN PRIVATE KEY-----") == "-----BEGIN PRIVATE KEY-----"


def test_a_secret_read_from_a_file_is_found_without_its_line_end() -> None:
    assert Redactor(["sesame-street\n"]).text("no sesame-street here") == f"no {MARKER} here"


def test_the_longer_secret_wins_and_overlaps_leave_nothing() -> None:
    redactor = Redactor(["abcd", "abcdefgh", "ghijkl"])
    assert redactor.text("x abcdefghijkl y abcd z") == f"x {MARKER} y {MARKER} z"


@pytest.mark.parametrize("text", ["aaaaaaaaaaa", "x aaaaa aaaa y"])
def test_a_secret_that_overlaps_itself(text: str) -> None:
    assert "aaaa" not in Redactor(["aaaa"]).text(text)
    assert "aba" not in Redactor(["abab"]).text("ababababab")


def test_short_secrets_only_as_the_whole_text() -> None:
    redactor = Redactor(["abc", ""])
    assert redactor.text("abc") == MARKER
    assert redactor.text("abcdef, the abc") == "abcdef, the abc"
    assert redactor.text("") == ""


def test_keys_numbers_and_nested_values() -> None:
    redactor = Redactor([PLAIN, "12345678"])
    value = {"a": [f"x{PLAIN}", {PLAIN: 1, f"{PLAIN}{PLAIN}": 2}], "n": 12345678, "b": True, "f": 0.5, "none": None}
    assert redactor.value(value) == {
        "a": [f"x{MARKER}", {MARKER: 1, f"{MARKER} 2": 2}],
        "n": MARKER,
        "b": True,
        "f": 0.5,
        "none": None,
    }


def test_secrets_that_become_known_later() -> None:
    redactor = Redactor()
    assert redactor.text(PLAIN) == PLAIN
    redactor.add([PLAIN])
    assert redactor.text(PLAIN) == MARKER


def test_bytes_of_the_environment_that_are_no_text() -> None:
    secret = b"caf\xe9-secret".decode("utf-8", "surrogateescape")
    redactor = Redactor([secret])
    assert redactor.text(f"x {secret} y") == f"x {MARKER} y"
    assert redactor.text("x caf?-secret y") == f"x {MARKER} y"
    assert base64.b64encode(b"caf\xe9-secret").decode()[:12] not in redactor.text(
        base64.b64encode(b"caf\xe9-secret").decode()
    )


def test_against_a_plain_search_on_random_texts() -> None:
    """What the block index finds is what a search for every secret at every place finds."""
    rng = random.Random(20261123)
    for _ in range(400):
        letters = rng.choice(["ab", "abc", "aé"])
        secrets = ["".join(rng.choices(letters, k=rng.randint(4, 12))) for _ in range(rng.randint(1, 30))]
        text = "".join(rng.choices(letters + "-", k=rng.randint(0, 400)))
        covered = [False] * len(text)
        for secret in secrets:
            for start in range(len(text)):
                if text.startswith(secret, start):
                    covered[start : start + len(secret)] = [True] * len(secret)
        expected = ""
        for index, character in enumerate(text):
            if not covered[index]:
                expected += character
            elif index == 0 or not covered[index - 1]:
                expected += MARKER
        redacted = Redactor(secrets).text(text)
        # encodings of the secrets may hide more, never less
        assert all(secret not in redacted.split(MARKER) for secret in secrets)
        assert len(redacted.replace(MARKER, "")) <= len(expected.replace(MARKER, ""))


@pytest.mark.parametrize("limit", [1, 10, 100, 1000, 9999])
def test_a_limited_redaction_is_the_beginning_of_the_whole_one(limit: int) -> None:
    rng = random.Random(limit)
    secrets = ["".join(rng.choices(string.ascii_letters, k=rng.randint(4, 60))) for _ in range(20)]
    words = ["".join(rng.choices(string.ascii_letters, k=rng.randint(1, 30))) for _ in range(100)]
    redactor = Redactor(secrets)
    for _ in range(20):
        text = " ".join(rng.choices(words + secrets, k=rng.randint(1, 2000)))
        whole = redactor.text(text)
        limited = redactor.text(text, limit=limit)
        assert whole.startswith(limited)
        assert len(limited) >= min(limit, len(whole))


def test_two_hundred_secrets_in_ten_megabytes() -> None:
    rng = random.Random(1)
    alphabet = string.ascii_letters + string.digits + "+/"
    secrets = ["".join(rng.choices(alphabet, k=rng.randint(4, 40))) for _ in range(200)]
    redactor = Redactor(secrets)
    # every third secret is there, at any place
    parts = ["".join(rng.choices(alphabet, k=100_000)) for _ in range(100)]
    text = "".join(part + secrets[index * 2] for index, part in enumerate(parts))
    started = time.process_time()
    redacted = redactor.text(text)
    took = time.process_time() - started
    assert redacted.count(MARKER) >= 100
    assert not any(secret in redacted for secret in secrets[::2])
    assert took < 3, f"{took:.2f} s"  # about 1 s, 0.3 s when none is there

    started = time.process_time()
    redactor.text(text, limit=8192)
    assert time.process_time() - started < 0.2  # about 1 ms
