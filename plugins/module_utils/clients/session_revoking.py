# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""End the sessions of some people: look, preserve, revoke their tokens, unlink their sessions, look again."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import session_evidence
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import Failure
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.redis import RedisServer
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.redis_saving import read_info
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.session_evidence import Source
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.session_keys import SessionKeys, Tally
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.session_tokens import RefreshTokens
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import session_revocation as decisions
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.acting import Report
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.session_revocation import (
    REFRESH,
    SESSIONS,
    Done,
    Wish,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

ATTEMPTED = "Ending sessions in Redis"
LOOKS = 3  # an attacker may log in while it runs; after the last look the rest is left and said

Json = dict[str, Any]


class Work:
    """One run of the module: what was seen, planned and done so far.

    Args:
        params: the module's options.
        wish: what they wish for.
    """

    def __init__(self, params: Mapping[str, Any], wish: Wish) -> None:
        self.report = Report(dt.datetime.now(dt.UTC))
        self.files: list[Json] = []
        self._params = params
        self._wish = wish
        self._keys: SessionKeys | None = None
        self._tokens: RefreshTokens | None = None
        self._tally = Tally()
        self._override = session_evidence.accepted(params)
        self._of_before = self._read_saved()
        self._without = False  # whether the reason to go without evidence was needed

    def do(self, *, check_mode: bool) -> None:
        """Do it, or in check mode only plan it.

        Raises:
            IncidentsError: a store cannot be asked, or the evidence cannot be saved. Nothing was changed.
        """
        if self._params["saved_at"] and not check_mode:
            raise IncidentsError(f"{ATTEMPTED}: saved_at is for a look alone; leave it out, or use check mode")
        with ExitStack() as stack:
            refused = self._connect(stack)
            self.report.before = self.report.after = self._look() if refused is None else {}
            owned = {store: state["owned"] for store, state in self.report.before.items()}
            refused = refused or decisions.objection(self._wish, self.report.targets, owned)
            self.report.caveats = decisions.caveats(self._wish, self._tally.unreadable)
            if refused:
                self._end("refused", refused[1], refused[0], result="not_attempted")
            elif not any(owned.values()):
                self._end(*decisions.nothing(owned, self._tally.unreadable))
            else:
                self._go_on(owned, check_mode=check_mode)

    def plain(self) -> Json:
        """The module's result as far as the work has got."""
        return {**self.report.plain(), "files": self.files}

    def _read_saved(self) -> dict[str, frozenset[str]]:
        """Which sessions there were before, so that newer ones can be told from them; empty where any count.

        Raises:
            IncidentsError: nobody can tell.
        """
        if not self._params["saved_at"]:
            return {}
        files = [
            {REFRESH: session_evidence.TOKENS, SESSIONS: session_evidence.KEYS}[each] for each in self._wish.stores
        ]
        return session_evidence.read_saved(self._params["directory"], self._params["saved_at"], files)

    def _go_on(self, owned: Mapping[str, int], *, check_mode: bool) -> None:
        found = session_evidence.look(self._params)
        self.report.caveats += [found.caveat] if found.caveat else []
        self._without = session_evidence.look({**self._params, "evidence_override": None}).objection is not None
        if check_mode:  # evidence is collected between plan and action, so a plan may be made before there is any
            self.report.changed = True
            self._end("planned", f"{decisions.counts_text(owned)} would be revoked", result="would_revoke")
        elif found.objection:
            self._end("refused", found.objection[1], found.objection[0], result="not_attempted")
        elif problem := self._preserve(self._sources(), self.report.started_at):
            text = f"the sessions could not all be saved: {problem}"
            self._end("refused", text, "no_evidence", result="not_attempted")
        else:
            self._revoke()

    def _connect(self, stack: ExitStack) -> decisions.Objection | None:
        """Log in to the stores and note the targets; what speaks against acting there."""
        found = None
        for store in self._wish.stores:
            where, objection = self._connect_to(store, stack)
            found = found or objection
            self.report.targets.append(decisions.target(self._wish, store, where))
        return found

    def _connect_to(self, store: str, stack: ExitStack) -> tuple[Json, decisions.Objection | None]:
        """Log in to one store; return where it is, and what speaks against acting there."""
        if store == REFRESH:
            self._tokens = RefreshTokens(self._params, self._wish, self._of_before.get(session_evidence.TOKENS))
            stack.callback(self._tokens.close)
            return {"server": self._tokens.server, "table": self._tokens.table, **self._tokens.columns}, None
        server = stack.enter_context(RedisServer(self._params))
        info = server.connect() or read_info(server)
        if isinstance(info, Failure):
            raise server.error(ATTEMPTED, info)
        where = {"pattern": self._params["pattern"], "owner_field": self._params["owner_field"] or ""}
        self._keys = SessionKeys(server, **where, saved=self._of_before.get(session_evidence.KEYS))
        where["address"] = server.address
        return where, decisions.redis_objection(info)

    def _look(self) -> Json:
        """Count what there is, by store."""
        return {store: self._look_at(store) for store in self._wish.stores}

    def _look_at(self, store: str) -> Json:
        if store == REFRESH:
            return {"owned": self._tokens.count() if self._tokens else 0}
        now = self._tally = self._keys.tally(self._wish.wants, self._wish.max_keys) if self._keys else Tally()
        return {"owned": now.count, "others": now.others, "unreadable": now.unreadable}

    def _sources(self) -> list[Source]:
        """What will be gone."""
        sources = []
        if self._tokens:
            chunks = self._tokens.lines(self._wish.max_keys)
            sources.append(Source(session_evidence.TOKENS, self._tokens.source, chunks))
        if self._keys:
            sources.append(self._keys.saved(list(self._tally.owned.values())))
        return sources

    def _preserve(self, sources: Sequence[Source], now: dt.datetime) -> str | None:
        """Save it in a bundle of its own; return what could not be saved, unless somebody went without it.

        Raises:
            IncidentsError: nothing can be written there.
        """
        if not self._params["directory"]:
            return None  # by decision, or it would not have come here
        who = {name: str(self._params[name] or "unknown") for name in ("incident", "custodian", "run_id")}
        try:
            sealed = session_evidence.preserve(self._params["directory"], sources, now, **who)
        except IncidentsError as error:
            if not self._override:
                raise
            self._go_without(f"the sessions could not be saved: {error.message}")
            return None
        self.files.append(sealed.anchor)
        if not sealed.partial:
            return None
        said = "; ".join(str(entry.get("error")) for entry in sealed.manifest["failed"])
        self.report.caveats.append(f"PARTIAL evidence of the sessions: {said}")
        if not self._override:
            return said
        self._go_without("not all of the sessions could be saved")
        return None

    def _go_without(self, problem: str) -> None:
        self._without = True
        self.report.caveats.append(f"{problem}; by decision: {self._override[:200]}")

    def _revoke(self) -> None:
        done = [self._revoke_in(store) for store in self._wish.stores]
        self.report.after = self._look_again(done)
        self.report.changed = any(each.count or each.result == "unknown" for each in done)
        self.report.results = [each.plain() for each in done]
        if self._without:
            overridden = {"store": "evidence", "result": "overridden", "count": 0, "ids": [], "reason": self._override}
            self.report.results.append(overridden)
        self.report.end(*decisions.verdict(done, self.report.after))

    def _revoke_in(self, store: str) -> Done:
        if store == REFRESH:
            return self._revoke_tokens(self._tokens) if self._tokens else Done(store)
        return self._unlink(self._keys, self._wish.wants) if self._keys else Done(store)

    def _revoke_tokens(self, tokens: RefreshTokens) -> Done:
        """Revoke them, and save which they were when they are not those that were saved before."""
        done = tokens.revoke(self._params["batch"], self._wish.max_keys)
        if not tokens.unsaved(done.ids):
            return done
        lines = (json.dumps({"id": each}).encode() + b"\n" for each in done.ids)
        revoked = Source("db/refresh_tokens_revoked.jsonl", f"those that were revoked in {tokens.table}", lines)
        problem = self._preserve_more(revoked)
        if problem and not done.reason:
            done.reason = f"the ids of those that came meanwhile could not be saved: {problem}"
        return done

    def _preserve_more(self, source: Source) -> str | None:
        """Save what came meanwhile; never raises, as something was changed already."""
        try:
            return self._preserve([source], dt.datetime.now(dt.UTC))
        except IncidentsError as error:
            return error.message

    def _unlink(self, keys: SessionKeys, wants: Callable[[str | None], bool]) -> Done:
        """Unlink in batches, and look again for those that came meanwhile, which are saved first as well."""
        total = Done(SESSIONS)
        found, saved = self._tally.owned, set(self._tally.owned)
        try:
            for look in range(1, LOOKS + 1):
                chosen = list(found.values())[: self._wish.max_keys - total.count]
                if fresh := [key for key in chosen if key.name not in saved]:
                    if problem := self._preserve_more(keys.saved(fresh)):
                        total.reason = f"{len(fresh)} that came meanwhile could not be saved and were left: {problem}"
                        return total
                    saved |= {key.name for key in fresh}
                for start in range(0, len(chosen), self._params["batch"]):
                    names = [key.name for key in chosen[start : start + self._params["batch"]]]
                    done = keys.unlink(names, wants)
                    total.count += done.count
                    if done.reason:
                        total.result, total.reason = done.result, done.reason
                        return total
                if look == LOOKS or total.count >= self._wish.max_keys:
                    break
                found = keys.tally(wants, self._wish.max_keys).owned
                if not found:
                    break
        except IncidentsError as error:  # of a read: nothing more was unlinked
            total.result, total.reason = ("revoked" if total.count else "failed"), error.message
        return total

    def _look_again(self, done: Sequence[Done]) -> Json:
        """Look at each store, whatever became of the other; without one that cannot be asked."""
        seen: Json = {}
        with ExitStack() as stack:
            for each in done:
                try:
                    if each.reason:  # a connection on which something got no answer cannot be trusted any more
                        self._connect_to(each.store, stack)
                    seen[each.store] = self._look_at(each.store)
                except IncidentsError:
                    continue
        if SESSIONS in seen and not self._wish.everybody:
            before, after = self.report.before[SESSIONS]["others"], seen[SESSIONS]["others"]
            seen[SESSIONS]["others_within_5_percent"] = decisions.within(before, after)
        return seen

    def _end(self, status: str, reason: str, word: str | None = None, *, result: str | None = None) -> None:
        self.report.end(status, reason, word)
        if result is None:
            return
        counts = {store: state["owned"] for store, state in self.report.before.items()}
        why = reason if result == "not_attempted" else None
        entries = [Done(store, result, counts.get(store, 0), reason=why) for store in self._wish.stores]
        self.report.results = [each.plain() for each in entries]
