# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Give space of a ClickHouse server back, one thing after the other: look again, drop or kill, look.

What the server refuses for one thing does not keep others from going. Where nobody said what became of one, it ends.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import clickhouse_reads as reads
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.clickhouse import ClickHouse, Reply, Row
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.clickhouse_answers import Answers
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.clickhouse_removing import LOOKING, Remover
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import Failure, SendError
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import clickhouse_leftovers as leftovers
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import clickhouse_sizes as sizes
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.acting import Report
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.clickhouse_cleanup import Plan, make_plan
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.clickhouse_disk import disk, fullest
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.clickhouse_leftovers import (
    DETACHED,
    LOG,
    MUTATION,
    SYSTEM,
    TIME_COLUMN,
    Item,
    Seen,
    Wish,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.clickhouse_partitions import (
    Policy,
    drop_limit,
    moment,
    whole,
)

OLD_PARTS_LIFETIME_S = 480  # unless the server says another one
_WOULD = {LOG: "would_drop", DETACHED: "would_drop", MUTATION: "would_kill"}


class Work:
    """One run: what was seen, planned and done so far.

    Args:
        params: the module's options, checked.
    """

    def __init__(self, clickhouse: ClickHouse, params: Mapping[str, Any], wish: Wish) -> None:
        self._clickhouse, self._params, self._wish = clickhouse, params, wish
        self._remover = Remover(clickhouse, float(params["statement_timeout_s"]))
        self._replies: dict[str, Reply] = {}
        self._unanswered: dict[str, Any] = {}
        self._plan: Plan | None = None
        self.report = Report(dt.datetime.now(dt.UTC))
        self.space: dict[str, Any] = {"returned": None, "waiting_bytes": None, "waited_s": 0.0}

    def plain(self) -> dict[str, Any]:
        """The result."""
        frozen = self._replies.get("frozen")
        return {
            **self.report.plain(),
            "excluded": self._plan.excluded if self._plan else [],
            "space": self.space,
            "frozen": sizes.together(frozen.rows) if frozen else None,
            "unanswered": self._unanswered,
        }

    def do(self, *, check_mode: bool) -> None:
        """Plan, and unless in check mode, act.

        Raises:
            SendError: the server cannot be asked, or refuses.
        """
        self._replies = self._clickhouse.ask_all(self._questions())
        self._unanswered = Answers(self._replies).unanswered()
        seen = self._look()
        plan = self._plan = make_plan(seen, self._wish)
        report = self.report
        report.before = report.after = _state(self._replies)
        report.targets = plan.targets
        report.caveats = self._caveats(plan)
        if plan.status != "planned":
            report.end(plan.status, plan.reason, plan.word)
            return
        report.changed = True
        if check_mode:
            report.end("planned", plan.reason)
            report.results = [_result(each, _WOULD[each.kind]) for each in plan.chosen]
            return
        self._act(plan)

    def _questions(self) -> dict[str, str]:
        wish = self._wish
        asked = {
            "clock": reads.CLOCK,
            "disks": reads.DISKS,
            "disks with parts": reads.DISKS_WITH_PARTS,
            "frozen": reads.frozen(wish.database),
            "mutations": reads.mutations(wish.database),
            "detached": reads.detached(wish.database),
            "system logs": reads.partitions(SYSTEM, like=reads.LOGS),
        }
        if wish.mutations:
            asked["named mutations"] = reads.mutations(wish.database, among=wish.mutations)
        if self._params["system_logs"]:
            asked |= {
                "log tables": reads.tables(SYSTEM, reads.LOGS),
                "log columns": reads.log_columns(TIME_COLUMN),
                "drop limit": reads.DROP_LIMIT,
                "limits": reads.LIMITS,
            }
        return asked

    def _look(self) -> Seen:
        """Judge what there is.

        Raises:
            SendError: the server does not say what is needed.
        """
        seen, wish = Seen(), self._wish
        now = moment(next(iter(self._known("clock")), {}).get("now"))
        if now is None:
            raise self._clickhouse.error(LOOKING, Failure("no_answer", "the server does not say what time it is"))
        if wish.mutations:
            leftovers.see_mutations(seen, self._known("named mutations"), wish)
        if self._params["detached"] and not self._replies["detached"].unknown_here:
            leftovers.see_detached(seen, self._known("detached"), wish)
        if self._params["system_logs"]:
            limit = drop_limit(self._replies["drop limit"].rows)
            policy = Policy(TIME_COLUMN, wish.keep_days, now, limit)
            parts = self._known("system logs")
            leftovers.see_logs(seen, self._known("log tables"), self._known("log columns"), parts, policy)
        return seen

    def _known(self, question: str) -> list[Row]:
        """Return the rows of a reply.

        Raises:
            SendError: it has none.
        """
        return self._remover.rows(self._replies[question])

    def _caveats(self, plan: Plan) -> list[str]:
        kinds = {each.kind for each in plan.chosen}
        told = []
        if self._params["detached"] and self._replies["detached"].unknown_here:
            told.append(
                "this server does not know detached parts, nor how to drop one; look into detached/ on its disk"
            )
        told += [
            f"of the {question} only the {reads.MOST_ROWS} largest were read; there may be more"
            for question in ("system logs", "detached")
            if len(self._replies[question].rows or ()) >= reads.MOST_ROWS
        ]
        if LOG in kinds:
            limits = {row.get("name"): whole(row.get("value")) for row in self._replies["limits"].rows or ()}
            lifetime = limits.get("old_parts_lifetime", OLD_PARTS_LIFETIME_S)
            later = f"space of logs may come back only {lifetime} s after the drop"
            told.append(f"{later}; do not drop more because nothing was freed")
            told.append("set a TTL for the server's logs in its configuration, otherwise they grow again")
        if MUTATION in kinds:
            told.append("parts that a killed mutation has rewritten already stay as it made them")
        frozen = sizes.together(self._replies["frozen"].rows)
        if frozen and frozen["parts"]:
            told.append(f"{frozen['bytes']} bytes have a frozen copy in shadow/; UNFREEZE the backups nobody needs")
        return told

    def _act(self, plan: Plan) -> None:
        report = self.report
        report.changed = False
        report.results = [_result(each, "not_attempted") for each in plan.chosen]
        problem: SendError | None = None
        for item, entry in zip(plan.chosen, report.results, strict=True):
            try:
                self._remover.remove(item, entry)
            except SendError as error:
                problem = problem or error
                entry["reason"] = entry["reason"] or error.failure.text
                if entry["result"] == "unknown" or error.failure.code is None:  # it does not answer any more
                    problem = error
                    break
        report.changed = any(each["result"] in {"dropped", "killed", "unknown"} for each in report.results)
        self._conclude(plan, problem)
        if not problem:
            self.space = self._remover.wait(report.results, self._params["space_timeout_s"]) or self.space
        self._compare()
        if problem:
            raise problem

    def _conclude(self, plan: Plan, problem: SendError | None) -> None:
        found = {each["result"] for each in self.report.results}
        bad = found - {"dropped", "killed", "gone"}
        reason = problem.message if problem else plan.reason
        if "unknown" in found:
            self.report.end("unknown", reason)
        elif bad:
            first = next(each for each in self.report.results if each["result"] in bad)
            reason = problem.message if problem else f"{first['kind']} of {first['table']}: {first['reason']}"
            self.report.end("partial" if self.report.changed else "failed", reason)
        elif not self.report.changed:
            self.report.end("nothing_to_do", "what was planned to go is gone", "gone_already")
        else:
            self.report.end("done", plan.reason)

    def _compare(self) -> None:
        """Look at what is left."""
        names = ("disks", "disks with parts", "mutations", "detached", "system logs")
        questions = self._questions()
        replies = self._clickhouse.ask_all({name: questions[name] for name in names})
        self.report.after = _state(replies)
        if replies["system logs"].rows is None:
            self.report.caveats.append("what is left could not be read afterwards; look at it")
        if self.space["waiting_bytes"]:
            self.report.caveats.append(f"{self.space['waiting_bytes']} bytes of dropped parts are not removed yet")


def _state(replies: Mapping[str, Reply]) -> dict[str, Any]:
    logs, disks = replies["system logs"].rows, replies["disks"].rows
    mutations = replies["mutations"].rows
    own = None if logs is None else [row for row in logs if leftovers.is_log(str(row.get("table")))]
    partitions = None if own is None else {"partitions": len(own), "bytes": sum(whole(row.get("size")) for row in own)}
    detached = sizes.detached(replies["detached"].rows)
    return {
        "logs": partitions,
        "detached": {name: detached[name] for name in ("parts", "bytes")} if detached else None,
        "mutations_pending": None if mutations is None else len(mutations),
        "used_ratio": fullest(map(disk, disks or ()), replies["disks with parts"].rows),
    }


def _result(item: Item, result: str) -> dict[str, Any]:
    return {**item.named(), "bytes": item.size, "result": result, "reason": None}
