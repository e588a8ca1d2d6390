# SPDX-License-Identifier: GPL-3.0-or-later
"""How the lab itself asks its ClickHouse."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from incident_runbooks.errors import RunbookError
from incident_runbooks.lab.server import Login

_ANSWER_S = 60.0
_OK = 200
_SAID = 600
_CODE = re.compile(r"Code: (\d+)")


class ClickHouseError(RunbookError):
    """ClickHouse refused or failed a query.

    Attributes:
        number: ClickHouse's code of the error, 0 where it gave none.
    """

    number: int = 0


class Client:
    """The HTTP interface of a ClickHouse of the lab.

    Args:
        url: its base.
        login: who asks.
    """

    def __init__(self, url: str, login: Login) -> None:
        self._host = urlsplit(url).netloc
        self._login = login

    def run(self, sql: str, **settings: Any) -> str:
        """Run a query and return what it answers.

        Args:
            sql: one statement.
            settings: of the query.

        Raises:
            ClickHouseError: it is refused, or fails.
            RunbookError: there is no answer.
        """
        status, said = self._ask(sql, settings)
        if status != _OK:
            error = ClickHouseError(f"Asking the lab's ClickHouse for {sql[:80]!r}: {said.strip()[:_SAID]}")
            code = _CODE.match(said)
            error.number = int(code[1]) if code else 0
            raise error
        return said

    def rows(self, sql: str, **settings: Any) -> list[dict[str, Any]]:
        """Run a query and return its rows; see :meth:`run`.

        Numbers of 64 bits are numbers, also those of an old server, which would quote them.
        """
        found = json.loads(self.run(f"{sql} FORMAT JSON", output_format_json_quote_64bit_integers=0, **settings))
        return list(found["data"])

    def value(self, sql: str, **settings: Any) -> Any:
        """Run a query and return the first value of its first row, ``None`` where it has none."""
        found = self.rows(sql, **settings)
        return next(iter(found[0].values()), None) if found else None

    def _ask(self, sql: str, settings: Mapping[str, Any]) -> tuple[int, str]:
        connection = http.client.HTTPConnection(self._host, timeout=_ANSWER_S)
        headers = {"X-ClickHouse-User": self._login.user, "X-ClickHouse-Key": self._login.password}
        address = "/?" + urlencode({"wait_end_of_query": 1, **settings})
        try:
            connection.request("POST", address, sql.encode(), headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as exc:
            raise RunbookError(f"Asking the lab's ClickHouse at {self._host}: {exc}") from exc
        finally:
            connection.close()
