"""The controllers that make objects act: what a cluster's controller manager does, as far as a rehearsal needs it.

Each module is one controller. All are level-triggered: an event only puts a key on a queue, and the worker derives
what to do from the informers' present state, so a lost event, a second look or a restart changes nothing. They share
one watch a resource, and write only what differs, so an idle sandbox is silent. Autoscalers alone look again by the
clock, because what they follow changes without an event: the use that pods make of the machine.

`run_controllers` runs them all until cancelled.
"""

from slipway_sandbox.controllers.manager import run_controllers

__all__ = ["run_controllers"]
