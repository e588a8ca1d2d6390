# SPDX-License-Identifier: GPL-3.0-or-later
"""How npm 11 reads its command line: which arguments are its own, and which reach the script.

Facts from npm 11.19 and its option parser nopt, compared in the tests with the real one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources

_OPTIONS = json.loads(resources.files(__package__).joinpath("options.json").read_text(encoding="utf-8"))
_BOOLEAN, _TRUE_BY_DEFAULT, _VALUED = (
    frozenset(" ".join(_OPTIONS[kind]).split()) for kind in ("boolean", "true_by_default", "valued")
)
_KNOWN = _BOOLEAN | _VALUED
_SHORT: Mapping[str, str] = _OPTIONS["shorthands"]
_ENDS = "This will stop working in the next major version of npm."


@dataclass
class CommandLine:
    """What npm makes of its arguments.

    Attributes:
        positional: the command, the script's name, and the script's arguments.
        config: what npm keeps, by option.
        warnings: what npm says about it, in its order, without its prefix.
    """

    positional: list[str] = field(default_factory=list)
    config: dict[str, str | bool | list[str]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def environ(self) -> dict[str, str]:
        """Return the variables in which the script finds npm's options; those at their default are not there."""
        found = {}
        for name, value in self.config.items():
            if value is not (name in _TRUE_BY_DEFAULT) or name not in _BOOLEAN:
                found[f"npm_config_{name.lstrip('-_').replace('-', '_').lower()}"] = _as_text(value)
        return found

    @property
    def log_level(self) -> str:
        """``silent`` and ``error`` keep warnings back, ``silent`` everything else of npm's as well."""
        return str(self.config.get("loglevel", "notice"))


def read(arguments: Sequence[str]) -> CommandLine:
    """Return what npm makes of its arguments."""
    line, waiting = CommandLine(), list(arguments)
    unknown: list[str] = []
    while waiting:
        argument = waiting.pop(0)
        if argument == "--":
            line.positional += waiting
            break
        if not argument.startswith("-") or argument == "-":
            line.positional.append(argument)
        elif stands_for := _shorthand(argument.partition("=")[0]):
            waiting[:0] = [*stands_for, *argument.partition("=")[2:][: "=" in argument]]
        else:
            _option(line, unknown, argument, waiting)
    force = ["using --force Recommended protections disabled."] if line.config.get("force") is True else []
    line.warnings = [*force, *line.warnings, *(f'Unknown cli config "--{name}". {_ENDS}' for name in unknown)]
    return line


def _shorthand(argument: str) -> list[str]:
    """Return the options that a short form such as ``-s``, ``-sf`` or ``--sil`` stands for; none for others."""
    name = argument.lstrip("-")
    if name in _SHORT:
        return [_SHORT[name]]
    if argument.startswith("--"):
        longer = [each for each in _KNOWN | set(_SHORT) if each.startswith(name)] if name not in _KNOWN else []
        return [_SHORT[longer[0]]] if len(longer) == 1 and longer[0] in _SHORT else []
    return [_SHORT[letter] for letter in name] if set(name) <= set(_SHORT) else []


def _option(line: CommandLine, unknown: list[str], argument: str, waiting: list[str]) -> None:
    name, given, value = argument.lstrip("-").partition("=")
    wanted = True
    while name.lower().startswith("no-"):
        name, wanted = name[3:], not wanted
    name = _expand(line, name)
    if name in _VALUED and wanted:
        if not given and waiting and waiting[0] != "--":
            value = waiting.pop(0)
        line.config[name] = value
        return
    if name not in _KNOWN and name not in unknown:
        unknown.append(name)
    _keep(line, name, _parsed(value) if given else _switch(line, name, waiting, wanted=wanted))


def _switch(line: CommandLine, name: str, waiting: list[str], *, wanted: bool) -> bool:
    """Return the value of an option without one; ``--option true`` and ``--option false`` are understood."""
    if waiting and waiting[0] in {"true", "false"}:
        return (waiting.pop(0) == "true") == wanted
    if name not in _BOOLEAN and wanted and waiting and not waiting[0].startswith("-"):
        line.warnings.append(f'"{waiting[0]}" is being parsed as a normal command line argument.')
    return wanted


def _expand(line: CommandLine, name: str) -> str:
    """Return the option that an abbreviation stands for: ``--max`` is npm's ``--maxsockets``."""
    if not name or name in _KNOWN:
        return name
    longer = [each for each in _KNOWN | set(_SHORT) if each.startswith(name)]
    if len(longer) != 1 or longer[0] not in _KNOWN:
        return name
    line.warnings.append(f"Expanding --{name} to --{longer[0]}. {_ENDS}")
    return longer[0]


def _keep(line: CommandLine, name: str, value: str | bool) -> None:
    """Keep a value; an unknown option that is given again gets a list."""
    if name in _KNOWN or name not in line.config:
        line.config[name] = value
        return
    before = line.config[name]
    line.config[name] = [*(before if isinstance(before, list) else [_as_text(before)]), _as_text(value)]


def _parsed(value: str) -> str | bool:
    return value == "true" if value in {"true", "false"} else value


def _as_text(value: str | bool | list[str]) -> str:
    if isinstance(value, list):
        return "\n\n".join(value)
    return value if isinstance(value, str) else ("true" if value else "")
