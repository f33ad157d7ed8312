"""All controllers in one process, over one set of informers."""

import asyncio

from slipway_sandbox.client import Client, InformerSet
from slipway_sandbox.controllers.autoscaler import AutoscalerController
from slipway_sandbox.controllers.base import Controller
from slipway_sandbox.controllers.claims import ClaimController
from slipway_sandbox.controllers.deployment import DeploymentController
from slipway_sandbox.controllers.disruption import DisruptionController
from slipway_sandbox.controllers.endpointslice import EndpointSliceController
from slipway_sandbox.controllers.garbage import GarbageCollector
from slipway_sandbox.controllers.job import JobController
from slipway_sandbox.controllers.namespace import NamespaceController, NamespaceDefaultsController
from slipway_sandbox.controllers.replicaset import ReplicaSetController


async def run_controllers(client: Client, informers: InformerSet) -> None:
    """Run every controller until cancelled. The informers' own loops are run here too: nobody else may run them."""
    controllers: list[Controller] = [
        NamespaceDefaultsController(client, informers),
        NamespaceController(client, informers),
        DeploymentController(client, informers),
        ReplicaSetController(client, informers),
        EndpointSliceController(client, informers),
        JobController(client, informers),
        DisruptionController(client, informers),
        AutoscalerController(client, informers),
        ClaimController(client, informers),
        GarbageCollector(client, informers),
    ]
    async with asyncio.TaskGroup() as group:
        group.create_task(informers.run(), name="informers")
        for controller in controllers:
            group.create_task(controller.run(), name=controller.name)
