"""The rehearsal that `make demo` shows: one good release is promoted and two bad ones are hauled back.

Everything is real: model servers as processes, Traefik as the gateway, the operator as the process that a cluster would
run, kubectl applying the manifests of ``examples/fraud``, and requests in flight from the first release on.
"""
