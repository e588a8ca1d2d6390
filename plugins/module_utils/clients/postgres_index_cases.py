# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What the module pg_index does, case by case: look, decide, act unless in check mode. Decisions are elsewhere."""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import (
    postgres_index_work,
    postgres_indexes,
    postgres_plan,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres import Session
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_errors import (
    PostgresError,
    one_line,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_index_work import Bounds, Done
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import (
    index_checks,
    index_plan,
    index_proposal,
    sql_query,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.acting import Report, same_targets
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.masking import mask

Json = dict[str, Any]

LONGEST_TEXT = 1000  # characters of what the database says of itself
MOST_DROPPED = 5  # the blast radius, whatever the options say
_SHOWN = (
    *("oid", "name", "method", "columns", "descending", "partial", "valid", "ready"),
    *("bytes", "constrains", "definition", "comment"),
)
_ENDS = {
    postgres_index_work.CREATED: "done",
    postgres_index_work.DROPPED: "done",
    postgres_index_work.UNKNOWN: "unknown",
}


class Case(ABC):
    """One run of the module: what was seen, chosen and done so far."""

    def __init__(self, session: Session, params: Mapping[str, Any]) -> None:
        self.session = session
        self.params = params
        self.report = Report(dt.datetime.now(dt.UTC))
        self.checks: list[index_checks.Check] = []
        self.progress: list[Json] = []
        self.limits = index_checks.Limits(
            params["max_table_bytes"], params["max_transaction_age_s"], params["free_bytes"]
        )
        self.bounds = Bounds(params["build_timeout_s"], params["lock_timeout_s"])
        self.facts: Json = {}

    @abstractmethod
    def do(self, *, check_mode: bool) -> None:
        """Look, decide, and act unless in check mode.

        Raises:
            PostgresError: the server cannot be asked, before anything was changed.
        """

    def plain(self) -> Json:
        """The result so far."""
        checks = [check.plain() for check in self.checks]
        return {**self.report.plain(), "checks": checks, "progress": self.progress}

    def look(self, index: str | None, columns: Sequence[str] = ()) -> bool:
        """Read the facts; return whether the work may go on."""
        self.facts = postgres_indexes.read_facts(self.session, self.params["schema"], self.params["table"], index)
        return self.passed(list(index_checks.table_checks(self.facts, columns)))

    def passed(self, checks: list[index_checks.Check]) -> bool:
        """Note checks; refuse when one of them stops the work."""
        self.checks += checks
        objection = index_checks.objection(checks)
        if objection:
            self.refuse(str(objection.refusal), objection.text)
        return objection is None

    def refuse(self, refusal: str, reason: str) -> None:
        """Refuse all of it."""
        self.report.end("refused", reason, refusal)
        self.report.results = [self.result(target["index"], "not_attempted", reason) for target in self.report.targets]

    def approved(self) -> bool:
        """Whether the targets are those of the plan, where there is one; refuse otherwise."""
        if same_targets(self.params["targets"], self.report.targets):
            return True
        self.refuse("plan_changed", "the table or its indexes are not those of the approved plan any more")
        return False

    def preview(self, result: str, reason: str) -> None:
        """Say what would be done."""
        self.report.changed = True
        self.report.end("planned", reason)
        self.report.results = [self.result(target["index"], result) for target in self.report.targets]

    def target(self, action: str, index: str, **more: Any) -> Json:
        """Return one target of the plan."""
        table = self.facts["table"]
        return {
            "action": action,
            "database": self.facts["server"]["database"],
            "schema": self.params["schema"],
            "table": self.params["table"],
            "table_oid": table["oid"] if table else None,
            "index": index,
            **more,
        }

    def result(self, index: str, result: str, reason: str | None = None) -> Json:
        """Return what became of one index."""
        names = {name: self.params[name] for name in ("schema", "table")}
        return {**names, "index": index, "result": result, "reason": reason}

    def drop(self, indexes: Sequence[Json]) -> list[Done]:
        """Drop indexes, one after the other, until one cannot be."""
        done: list[Done] = []
        for index in indexes:
            if done and done[-1].result != postgres_index_work.DROPPED:
                done.append(postgres_index_work.left_alone(index, "the one before could not be dropped"))
                continue
            index = {**index, "table_oid": self.facts["table"]["oid"]}  # noqa: PLW2901 - the same one
            done.append(postgres_index_work.drop(self.params, self.session, self.params["schema"], index, self.bounds))
        pairs = list(zip(indexes, done, strict=True))
        self.report.results = [self.result(index["name"], each.result, each.reason) for index, each in pairs]
        self.report.caveats += [caveat for each in done for caveat in each.caveats]
        results = Counter(each.result for each in done)
        self.report.changed = any(each.changed for each in done)
        self.report.end(_status(results), ", ".join(f"{count} {result}" for result, count in results.items()))
        return done


class Create(Case):
    """Build the index that is proposed."""

    def do(self, *, check_mode: bool) -> None:
        """See :meth:`Case.do`."""
        proposal = index_proposal.read(self.params)
        going_on = self.look(proposal.index, [column.name for column in proposal.columns])
        if self.facts["table"]:
            statement = postgres_indexes.create_statement(proposal)
            self.report.targets = [self.target("create", proposal.index, statement=statement)]
        if not going_on:
            self.refuse(str(self.report.refusal), self.report.reason)  # now with its target
            return
        there = next((index for index in self.facts["indexes"] if index_proposal.serves(index, proposal)), None)
        plan = self._plan(there["name"] if there else proposal.index)
        self.report.before = {"index": shown(there), "plan": plan["seen"]}
        if there:
            self.report.after = {"index": shown(there), "plan": plan["seen"]}
            self.report.end("nothing_to_do", f"index {there['name']} begins with these columns", "already_there")
            return
        self._note_similar(proposal)
        if not self.passed(list(index_checks.create_checks(proposal, self.facts, self.limits, plan))):
            return
        self.report.caveats += [check.text for check in self.checks if check.ok is None]
        if not self.approved():
            return
        if check_mode:
            self.preview("would_create", f"index {proposal.index} would be built")
            return
        self._create(proposal)

    def _note_similar(self, proposal: index_proposal.Proposal) -> None:
        for index in self.facts["indexes"]:
            if index_proposal.similar(index, proposal):
                self.report.caveats.append(f"index {index['name']} has the same columns in another order of each")

    def _create(self, proposal: index_proposal.Proposal) -> None:
        table_oid, incident = self.facts["table"]["oid"], self.params["incident"]
        done = postgres_index_work.create(self.params, self.session, proposal, table_oid, incident, self.bounds)
        self.progress = done.progress
        self.report.caveats += done.caveats
        self.report.changed = done.changed
        self.report.after = {"index": shown(done.index), "plan": None}
        self.report.results = [self.result(proposal.index, done.result, done.reason)]
        status = _ENDS.get(done.result, "failed")
        self.report.end(status, done.reason or f"index {proposal.index} is valid and ready")
        if status != "done":
            return
        try:
            plan = self._plan(proposal.index)
        except PostgresError as error:  # what was done is to be told all the same
            plan = {"seen": None, "problem": f"the plan could not be looked at: {error.failure.text}"}
        self.report.after["plan"] = plan["seen"]
        if not (plan["seen"] and plan["seen"]["uses_index"]):
            why = plan["problem"] or "the query's plan does not use it"
            self.report.caveats.append(
                f"{why}; run ANALYZE, look at the plan again, and drop the index if it is no use"
            )

    def _plan(self, index: str) -> Json:
        """Return ``seen``, the summary of the query's plan, or ``None`` and the ``problem``."""
        schema, table = self.params["schema"], self.params["table"]
        try:
            query = self.params["query"] or postgres_plan.read_text(self.session, int(self.params["query_id"]))
            if not query:
                return {"seen": None, "problem": "pg_stat_statements has no such query in this database"}
            problem = sql_query.objection(query)
            if problem:
                return {"seen": None, "problem": problem}
            plan = postgres_plan.explain(self.session, query, schema)
        except PostgresError as error:
            if self.session.lost:
                raise
            return {
                "seen": None,
                "problem": f"the query cannot be planned: {mask(error.failure.text)}",
            }  # may quote a value
        return {"seen": index_plan.summary(plan, schema, table, index), "problem": None}


class Drop(Case):
    """Drop the index that this incident made, unchanged: the way back."""

    def do(self, *, check_mode: bool) -> None:
        """See :meth:`Case.do`."""
        name = self.params["name"]
        if not self.look(name):
            return
        index = next((each for each in self.facts["indexes"] if each["name"] == name), None)
        if index is None:
            if self.facts["name_taken"]:
                self.refuse("not_ours", f"{name} is no index of this table")
            else:
                self.report.end("nothing_to_do", f"there is no index {name} any more", "gone")
            return
        self.report.before = {"index": shown(index)}
        more = {"index_oid": index["oid"], "definition": one_line(index["definition"], LONGEST_TEXT)}
        self.report.targets = [self.target("drop", name, **more)]
        if not self.passed(list(index_checks.drop_checks(self.facts, index, self.params["incident"]))):
            return
        if not self.approved():
            return
        if check_mode:
            self.preview("would_drop", f"index {name} would be dropped")
            return
        (done,) = self.drop([index])
        self.report.after = {"index": shown(done.index)}


class DropLeftovers(Case):
    """Drop what failed builds have left behind."""

    def do(self, *, check_mode: bool) -> None:
        """See :meth:`Case.do`."""
        if not self.look(None):
            return
        left = [index for index in self.facts["indexes"] if index_checks.is_left_over(index, self.facts)]
        self.report.before = {"indexes": [shown(index) for index in left]}
        self.report.targets = [
            self.target(
                "drop_leftover",
                index["name"],
                index_oid=index["oid"],
                definition=one_line(index["definition"], LONGEST_TEXT),
            )
            for index in left
        ]
        if not left:
            self.report.end("nothing_to_do", "no index of this table is INVALID", "no_leftovers")
            return
        if not self.passed([index_checks.building(self.facts), index_checks.few(len(left), MOST_DROPPED)]):
            return
        if not self.approved():
            return
        if check_mode:
            self.preview("would_drop", f"{len(left)} indexes would be dropped")
            return
        done = self.drop(left)
        self.report.after = {"indexes": [shown(each.index) for each in done if each.index]}


KINDS: Mapping[str, Callable[[Session, Mapping[str, Any]], Case]] = {
    "create": Create,
    "drop": Drop,
    "drop_leftovers": DropLeftovers,
}


def shown(index: Mapping[str, Any] | None) -> Json | None:
    """Return an index as JSON data."""
    if index is None:
        return None
    texts = {name: index[name] and one_line(index[name], LONGEST_TEXT) for name in ("definition", "comment")}
    return {name: index[name] for name in _SHOWN} | texts


def _status(results: Mapping[str, int]) -> str:
    if results.get(postgres_index_work.UNKNOWN):
        return "unknown"
    if set(results) == {postgres_index_work.DROPPED}:
        return "done"
    return "partial" if results.get(postgres_index_work.DROPPED) else "failed"
