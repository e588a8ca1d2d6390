# SPDX-License-Identifier: GPL-3.0-or-later
"""What the commands share: options, declared once, and the answer that each command gives to the edge."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from incident_runbooks.cli.completion import complete_file
from incident_runbooks.working_directory import absolute

Command = TypeVar("Command", bound=Callable[..., Any])

TEXT = "text"
JSON = "json"
_RESERVED = "__ansible_"  # in JSON that Ansible reads, such keys say what a value is


@dataclass(frozen=True)
class Answer:
    """What a command has to say; ``cli/main.py`` prints it as the one document on stdout.

    Attributes:
        exit_code: the process's exit code.
        document: JSON data, for a pipe.
        text: the same for people; called with whether colours are wanted.
        output: ``text``, ``json``, or ``None`` for text on a terminal and JSON in a pipe.
    """

    exit_code: int
    document: Any
    text: Callable[[bool], str]
    output: str | None


class Value(click.ParamType):  # type: ignore[type-arg]  # no generic class in the oldest click allowed
    """A value of one of Ansible's types.

    Args:
        kind: Ansible's type name.
        choices: the values allowed; none means any.
        above: the number must be greater than this.
        limits: what a runbook's header says of an input.
    """

    def __init__(
        self,
        kind: str,
        choices: Sequence[Any] = (),
        *,
        above: float | None = None,
        limits: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = kind
        self._choices = tuple(choices)
        self._above = above
        self._limits = limits

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the value in its type, or fail with a usage error."""
        if value == "" and param is not None and param.multiple:
            return value  # given alone, it stands for the empty list
        try:
            converted = _CONVERT.get(self.name, str)(value)
        except ValueError as error:
            self.fail(f"{value!r} is not {error}", param, ctx)
        if self._choices and converted not in self._choices:
            self.fail(f"{value!r} is not one of {', '.join(repr(choice) for choice in self._choices)}", param, ctx)
        if self._above is not None and not converted > self._above:
            self.fail(f"{value!r} is not above {self._above:g}", param, ctx)
        if self._limits:
            from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import (  # noqa: PLC0415
                inputs,
            )

            if wrong := inputs.problem(converted, self._limits):
                self.fail(wrong, param, ctx)
        return converted

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """Complete to the choices, a boolean's two words, or a file."""
        if self.name == "path":
            return [CompletionItem(incomplete, type="file")]
        words = [str(choice) for choice in self._choices] or (["yes", "no"] if self.name == "bool" else [])
        return [CompletionItem(word) for word in words if word.startswith(incomplete)]


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("a whole number") from None


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError("a number") from None
    if not math.isfinite(number):  # JSON has neither NaN nor infinities
        raise ValueError("a finite number")
    return number


def _boolean(text: str) -> bool:
    known = {**dict.fromkeys(("yes", "true", "on", "1"), True), **dict.fromkeys(("no", "false", "off", "0"), False)}
    if text.lower() not in known:
        raise ValueError("yes or no")
    return known[text.lower()]


def _dictionary(text: str) -> dict[str, Any]:
    if text.lstrip().startswith("{"):
        try:
            data = json.loads(text, parse_constant=_number)
        except ValueError:
            raise ValueError("a JSON object") from None
        if _RESERVED in text and _has_reserved(data):
            raise ValueError(f"a JSON object without Ansible's own keys, {_RESERVED}...")
        return dict(data)
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise ValueError("KEY=VALUE or a JSON object")
    if key.startswith(_RESERVED):
        raise ValueError(f"KEY=VALUE without Ansible's own keys, {_RESERVED}...")
    return {key: value}


def _has_reserved(data: Any) -> bool:
    if isinstance(data, dict):
        return any(key.startswith(_RESERVED) or _has_reserved(item) for key, item in data.items())
    return isinstance(data, list) and any(map(_has_reserved, data))


def _path(text: str) -> str:
    if not text.strip():
        raise ValueError("a path")
    return str(absolute(Path(text)))


_CONVERT: dict[str, Callable[[str], Any]] = {
    "int": _integer,
    "float": _number,
    "bool": _boolean,
    "dict": _dictionary,
    "path": _path,
}


def output_option(command: Command) -> Command:
    """``--output``: text on a terminal, JSON in a pipe, unless said."""
    return click.option(
        "--output",
        type=click.Choice([TEXT, JSON]),
        help="Format of stdout. [default: text on a terminal, json in a pipe]",
    )(command)


def inventory_option(command: Command) -> Command:
    """Add ``--inventory``; :func:`incident_runbooks.inventory.resolve` says what counts without it."""
    decorator = click.option(
        "-i",
        "--inventory",
        multiple=True,
        metavar="PATH",
        help="Inventory; repeat for more. [default: RUNBOOK_INVENTORY, or the ansible.cfg in force]",
        shell_complete=complete_file,
    )
    return decorator(command)


def verbose_option(command: Command) -> Command:
    """``-v``."""
    return click.option("-v", "--verbose", count=True, help="Say more on stderr.")(command)


def output_in(arguments: Sequence[str], *, report: bool = False) -> str | None:
    """Return what ``--output`` says in *arguments*, also where the rest of them cannot be parsed.

    Args:
        report: they are of ``runbook report``, which prints the report itself unless it writes a file.
    """
    if report:
        if _value_in(arguments, "--format") == JSON:
            return JSON
        return TEXT if _value_in(arguments, "--to", "-o") in (None, "-") else None
    said = _value_in(arguments, "--output")
    return said if said in (TEXT, JSON) else None


def _value_in(arguments: Sequence[str], *names: str) -> str | None:
    said = None
    for position, argument in enumerate(arguments):
        if argument == "--":
            break
        name, separator, value = argument.partition("=")
        if argument in names:
            said = arguments[position + 1] if position + 1 < len(arguments) else None
        elif separator and name in names:
            said = value
        elif argument.startswith("-o") and "-o" in names:
            said = argument[2:]
    return said


def wants_json(output: str | None) -> bool:
    """Return whether stdout carries JSON."""
    return output == JSON or (output is None and not _terminal(sys.stdout))


def wants_colour(stream: Any, no_colour: bool) -> bool:
    """Return whether *stream* shows colours: a terminal that can, and NO_COLOR (https://no-color.org) is not set."""
    return _terminal(stream) and not no_colour and os.environ.get("TERM") != "dumb"


def to_json(document: Any) -> str:
    """Return *document* as JSON in ASCII: what a terminal would obey (C1 controls, bidi overrides) is escaped."""
    return json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False)


def _terminal(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):  # closed
        return False
