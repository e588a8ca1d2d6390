# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""How values of PostgreSQL are read that Python cannot hold, such as an instant of ``infinity``. Needs psycopg."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg.abc import Buffer, Loader
    from psycopg.adapt import AdaptersMap

# Python has no such types, or ones that read worse than the server's own text
_AS_TEXT = (
    *("inet", "cidr", "time", "timetz"),
    *("int4range", "int8range", "numrange", "daterange", "tsrange", "tstzrange"),
    *("int4multirange", "int8multirange", "nummultirange", "datemultirange", "tsmultirange", "tstzmultirange"),
)


def keep_what_python_cannot(adapters: AdaptersMap) -> None:
    """Let a cursor read as text what it would otherwise stumble over."""
    from psycopg import DataError  # noqa: PLC0415 - the modules must load without it and say what is missing
    from psycopg.types import datetime as types  # noqa: PLC0415
    from psycopg.types.string import TextLoader  # noqa: PLC0415

    def or_text(loader: type[Loader]) -> type[Loader]:
        class OrText(loader):  # type: ignore[misc, valid-type]  # the class is given
            def load(self, data: Buffer) -> object:
                try:
                    return super().load(data)
                except DataError:  # infinity, years before 1 and after 9999
                    return bytes(data).decode("utf-8", "replace")

        return OrText

    for name, loader in (
        ("date", types.DateLoader),
        ("timestamp", types.TimestampLoader),
        ("timestamptz", types.TimestamptzLoader),
        ("interval", types.IntervalLoader),
    ):
        adapters.register_loader(name, or_text(loader))
    for name in _AS_TEXT:
        adapters.register_loader(name, TextLoader)
