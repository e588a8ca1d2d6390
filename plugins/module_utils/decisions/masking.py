# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Mask what is obviously a secret in a text of unknown origin, such as a log line. Pure, no I/O.

Known secrets are redacted by value elsewhere; this is for those that nobody gave us.
"""

from __future__ import annotations

import re

MASK = "[masked]"
# Every pattern runs in linear time: bounded repeats, and no two neighbours that match the same characters.
_WHOLE = re.compile(
    r"""
    \b(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{4,}              # Stripe API keys
    | \bwhsec_[A-Za-z0-9+/=]{4,}                              # Stripe webhook secrets
    | \beyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*                       # JSON Web Tokens
    | \b(?:AKIA|ASIA)[A-Z0-9]{16}\b                           # AWS access keys
    | \bgh[pousr]_[A-Za-z0-9]{20,}                            # GitHub tokens
    | \bxox[abeoprs]-[A-Za-z0-9-]{10,}                        # Slack tokens
    | \bhvs\.[\w-]{10,}                                       # Vault tokens
    | -----BEGIN\ [A-Z ]{0,30}PRIVATE\ KEY-----.*             # private keys, to the end of the line
    """,
    re.VERBOSE | re.DOTALL,
)
# "token expired" is no token: one has a digit or is long
_AFTER_SCHEME = re.compile(
    r"\b(Bearer|Basic|Token)(\s{1,4}|%20)(?=[^\s\d]{0,40}\d|\S{20})([\w.~+/=:-]{6,})", re.IGNORECASE
)
_USER_INFO = re.compile(r"(\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@]{0,128}:)([^\s\x22\x27]{1,256})(@)", re.IGNORECASE)
_NAMED = re.compile(
    r"""
    ( \b[\w.-]{0,40}? (?: passw(?:or)?d | passphrase | secret | token | api[_-]?key | private[_-]?key
      | access[_-]?key | authorization | cookie | credentials? ) \\?["']? \s{0,4} [=:] \s{0,4} ) (?!\[masked\])
    ( \\?"(?:[^"\\]|\\(?!")){0,2048}\\?" | '[^']{0,2048}' | [^\s,;&"'}\])]{1,2048} )
    """,
    re.VERBOSE | re.IGNORECASE,
)


def mask(text: str) -> str:
    """Return *text* with keys, tokens, passwords and credentials in URLs replaced by a mark.

    A mark hides more rather than less: what merely looks like a secret goes too.
    """
    text = _WHOLE.sub(MASK, text)
    text = _USER_INFO.sub(rf"\1{MASK}\3", text)
    text = _AFTER_SCHEME.sub(rf"\1\2{MASK}", text)
    return _NAMED.sub(_masked_value, text)


def _masked_value(found: re.Match[str]) -> str:
    value = found.group(2)
    if value.lower() in {"bearer", "basic", "null", "none", "undefined", "true", "false", '""', "''"}:
        return found.group(0)
    quote = value[:2] if value.startswith('\\"') else value[:1] if value[:1] in {'"', "'"} else ""
    return f"{found.group(1)}{quote}{MASK}{quote}"
