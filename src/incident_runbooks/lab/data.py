# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab with the data plane has beside the rest: ClickHouse, Vault and the social APIs."""

from __future__ import annotations

import secrets
import time

from incident_runbooks.errors import RunbookError, UsageError
from incident_runbooks.lab.clickhouse import part as clickhouse
from incident_runbooks.lab.clickhouse import seed
from incident_runbooks.lab.clickhouse.part import ClickHousePart
from incident_runbooks.lab.payments import Payments
from incident_runbooks.lab.services import part as services
from incident_runbooks.lab.social import part as social
from incident_runbooks.lab.social.part import SocialPart
from incident_runbooks.lab.state import CLICKHOUSE, VAULT
from incident_runbooks.lab.vault import part as vault
from incident_runbooks.lab.vault.app import STATE
from incident_runbooks.lab.vault.part import VaultPart

JWT_PATH = "brandconnect/jwt"  # in Vault's engine ``secret``
JWT_KEY = "JWT_SECRET"
_JWT_VERSIONS = 2
_WRITTEN_S = 30  # after so long a row that was made has been written, on the busiest machine

# What a fault, or a run that got space back, may have changed: rows that were there, tables, and what is under way.
_CONTENT = """
    SELECT toString((
        (SELECT count() FROM analytics.metric_snapshots WHERE created_at <= toDateTime({at})),
        (SELECT sum(rows) FROM system.parts WHERE active AND database = 'analytics' AND table != 'metric_snapshots'),
        (SELECT sum(rows) FROM system.parts WHERE active AND database = 'system' AND table = '{left_over}'),
        (SELECT sum(cityHash64(create_table_query)) FROM system.tables WHERE database = 'analytics'),
        (SELECT count() FROM system.detached_parts WHERE database = 'analytics'),
        (SELECT count() FROM system.mutations WHERE database = 'analytics' AND NOT is_done)
    ))
"""


class Data(Payments):
    """Those parts of the lab in one directory; a lab without the data plane has none of them."""

    @property
    def clickhouse(self) -> ClickHousePart:
        """The lab's ClickHouse.

        Raises:
            UsageError: there is none.
        """
        self._require_data()
        if self._state.clickhouse is None:
            raise UsageError(
                f"Looking for ClickHouse in the lab {self.directory.path}: it has none",
                hint="install the extra incident-runbooks[lab], then: runbook lab down, runbook lab up",
            )
        return self._state.clickhouse

    @property
    def vault(self) -> VaultPart:
        """The lab's Vault.

        Raises:
            UsageError: there is none.
        """
        return self._require_data()[0]

    @property
    def social(self) -> SocialPart:
        """The lab's Meta, TikTok and YouTube.

        Raises:
            UsageError: there are none.
        """
        return self._require_data()[1]

    def restart_clickhouse(self, disk_bytes: int | None = None) -> None:
        """Start ClickHouse anew, with the data that it has on its own disk.

        Args:
            disk_bytes: of a small disk, which is gone with the process; its own disk unless said.

        Raises:
            RunbookError: it does not start, or this machine allows no small disk.
        """
        self.stop_clickhouse()
        self._add(clickhouse.start(self.clickhouse, mark=self._mark(), disk_bytes=disk_bytes))
        clickhouse.wait_until_they_answer(self.clickhouse, self._alive(CLICKHOUSE))

    def stop_clickhouse(self) -> None:
        """Stop ClickHouse; its data stays."""
        self._forget(CLICKHOUSE)

    def _require_data(self) -> tuple[VaultPart, SocialPart]:
        if self._state.vault is None:
            self._state = self._load()
        if self._state.vault is None or self._state.social is None:
            raise UsageError(
                f"Looking for the data plane in the lab {self.directory.path}: it has none",
                hint="runbook lab down, then: runbook lab up",
            )
        return self._state.vault, self._state.social

    def _start_data(self) -> None:
        """Start the processes; they get ready while the rest of the lab does."""
        self._state.vault, self._state.social = vault.lay_out(self.directory.path), social.lay_out(self.directory.path)
        if clickhouse.available():
            self._state.clickhouse = clickhouse.lay_out(self.directory.path)
            self._add(clickhouse.start(self.clickhouse, mark=self._mark()))
        else:
            self._progress("going on without ClickHouse: its engine, the wheel chdb-core, is not installed")
        for part in (self.vault, self.social):
            self._add(services.start(part, mark=self._mark()))

    def _fill_data(self) -> None:
        """Wait until the processes serve, and fill them."""
        for part in (self.vault, self.social):
            services.wait_until_they_answer(part, self._alive(part.NAME))
        self._fill_vault()
        if self._state.clickhouse:
            clickhouse.wait_until_they_answer(self.clickhouse, self._alive(CLICKHOUSE))
            self._fill_clickhouse()

    def _fill_vault(self) -> None:
        """Store the key of the tokens as the backend has it; before that there was another one."""
        self.vault.write(JWT_PATH, {JWT_KEY: secrets.token_urlsafe(48)})
        self.vault.write(JWT_PATH, self._jwt)

    def _fill_clickhouse(self) -> None:
        seed.seed(self.clickhouse.client)
        self._state.seeded_at = int(time.time()) - _WRITTEN_S
        self._state.seeded = self._content()
        self._save()

    def _content(self) -> str:
        left_over = seed.LEFT_OVER.partition(".")[2]
        return self.clickhouse.client.run(_CONTENT.format(at=self._state.seeded_at, left_over=left_over)).strip()

    def _restore_data(self) -> list[str]:
        """Let every process run and hold what it held at first; returns what was not so."""
        found = [*self._restore_service(self.vault), *self._restore_service(self.social)]
        if self._state.clickhouse:
            found += self._restore_clickhouse()
        return found

    def _restore_service(self, part: VaultPart | SocialPart) -> list[str]:
        part.control.write([])
        ended = self._alive(part.NAME) is None
        changed = part.NAME == VAULT and not ended and not self._vault_as_filled()
        if not (ended or changed):
            return []
        self._forget(part.NAME)
        if changed:
            (part.directory / STATE).unlink(missing_ok=True)
        self._add(services.start(part, mark=self._mark()))
        services.wait_until_they_answer(part, self._alive(part.NAME))
        if changed:
            self._fill_vault()
        return [f"{part.NAME} {'was not running' if ended else 'held something else'}"]

    def _vault_as_filled(self) -> bool:
        """Whether the newest version is the one that was stored, and can be read."""
        try:
            return self.vault.version(JWT_PATH) == _JWT_VERSIONS and self.vault.read(JWT_PATH) == self._jwt
        except RunbookError:
            return False

    @property
    def _jwt(self) -> dict[str, str]:
        return {JWT_KEY: self.cluster.credentials.jwt_secret}

    def _restore_clickhouse(self) -> list[str]:
        ended = self._alive(CLICKHOUSE) is None
        if ended:
            self.restart_clickhouse()
        if self._as_seeded():
            return ["clickhouse was not running"] if ended else []
        self.restart_clickhouse()  # a small disk, and what is under way, end with the process
        if not self._as_seeded():
            self.stop_clickhouse()
            clickhouse.clear(self.clickhouse)
            self.restart_clickhouse()
            self._fill_clickhouse()
        return ["clickhouse was not as it was"]

    def _as_seeded(self) -> bool:
        try:
            self.clickhouse.client.run("SYSTEM START MERGES")
            return self._content() == self._state.seeded
        except RunbookError:
            return False
