# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the lab's platform hears of what happens at its Stripe, by the records of both."""

from __future__ import annotations

from http import HTTPStatus

from support.payments import World
from support.platform import wait_until

_TYPE = "payment_intent.succeeded"  # the platform wants it, and customers pay all the time
_ENOUGH = 4  # more than there are pods: one that refuses would be met


def assert_events_arrive(world: World) -> None:
    """Events that happen from now on are processed by the platform, and Stripe was answered 200 for each."""
    before = {event["id"] for event in world.stripe.events(_TYPE)}

    def new() -> list[str]:
        """Return the first events since; the later ones may truly be under way."""
        return [event["id"] for event in world.stripe.events(_TYPE) if event["id"] not in before][:_ENOUGH]

    wait_until(lambda: len(new()) == _ENOUGH, "new payments at Stripe")
    events = new()
    wait_until(lambda: all(world.is_processed(event) for event in events), "new events processed")
    wait_until(lambda: {last_answer(world, event) for event in events} == {HTTPStatus.OK}, "new events answered 200")


def last_answer(world: World, event: str) -> int | None:
    """Return the status with which the last attempt to deliver an event was answered; ``None`` without an attempt."""
    attempts = world.stripe.deliveries(event).get("attempts")
    return attempts[-1]["status"] if attempts else None
