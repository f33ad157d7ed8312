"""The node: runs each pod as local processes on an address of its own, and reports like a kubelet.

Linux gives every process the whole of 127.0.0.0/8, so a pod needs no network namespace to have its own address: it
gets 127.x.y.z, its programs bind to it, and Services, probes and gateways reach it there. A container is a process
group of its own session; an image is an entry of the image table; a volume is a folder, and mount paths are rewritten
wherever they appear in command, arguments and environment.

The parts: `NodeAgent` watches pods, binds them and runs one `PodWorker` each; a worker runs `Container`s, probes them
and writes the pod's status; `KubeletServer` answers the API server's questions of them (logs, exec, attach,
port-forward, use of the machine); `launcher` and `reaper` see to it that no process outlives the agent.
"""

from slipway_sandbox.node.agent import NodeAgent

__all__ = ["NodeAgent"]
