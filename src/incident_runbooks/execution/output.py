# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a playbook never began, from the last lines that ansible-playbook printed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

_MARK = re.compile(r"^\[?(ERROR|WARNING|DEPRECATION WARNING)\]?[:!] *(.*)$")
_CAUSED_BY = "<<< caused by >>>"
# "Expected key=value host variable assignment, got: ..." and the like quote the file, which may hold passwords
_QUOTED = re.compile(r"\b(got|found|near|value|line)(?:: |[ :]+(?=['\"`])).*", re.IGNORECASE)
_PLACE = re.compile(r":\d+:\d+\)$")
_LONGEST = 1500


@dataclass(frozen=True)
class Explanation:
    """Why a playbook never began.

    Attributes:
        code: ``usage`` where the operator can mend it, else ``internal``.
    """

    code: str
    cause: str
    hint: str | None


def explain(
    output: Iterable[str], redacted: Callable[[str], str], inventory: Sequence[str] = (), *, verbose: bool = False
) -> Explanation:
    """Return the reason that ansible-playbook gave.

    Of its text only messages are taken: what it quotes of a file, below ``Origin:``, can be a password.

    Args:
        output: its last lines.
        redacted: takes out known secrets.
        inventory: what was given to it.
        verbose: add the warnings to the errors.
    """
    errors: list[str] = []
    warnings: list[str] = []
    for kind, text in _messages(output):
        (errors if kind == "ERROR" else warnings).append(redacted(_QUOTED.sub(r"\1 (not shown)", text)))
    if any("inventory source" in text for text in errors):
        parsers = [text for text in warnings if "inventory" in text]
        located = [text for text in parsers if _PLACE.search(text)]  # of the parser that came furthest
        causes = parsers if verbose else located[:1] or parsers
        sources = "".join(f" -i {shlex.quote(source)}" for source in inventory)
        return Explanation("usage", _joined([*errors, *causes]), f"check it with: ansible-inventory{sources} --graph")
    if any("vault" in text.lower() and "secret" in text.lower() for text in errors):
        return Explanation("usage", _joined(errors), "set ANSIBLE_VAULT_PASSWORD_FILE")
    said = [*errors, *warnings] if verbose else errors or warnings
    return Explanation("internal", _joined(said) or "it ended without saying why", None)


def _messages(output: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each message with its kind; neither source excerpts nor tracebacks."""
    kind, open_ = "", False
    parts: list[str] = []
    for line in output:
        mark = _MARK.match(line)
        if mark:
            if parts:
                yield kind, " ".join(parts)
            kind, parts, open_ = mark[1], [mark[2]], False
        elif line == _CAUSED_BY:
            open_ = True
        elif line.startswith("Origin: "):
            parts.append(f"({line})")
            open_ = False
        elif open_ and line.strip() and line not in " ".join(parts):
            parts.append(line.strip())
    if parts:
        yield kind, " ".join(parts)


def _joined(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(text for text in texts if text))[:_LONGEST]
