"""The built-in resources, as one table.

A line is: plural, kind, scope (`n` namespaced, `c` cluster), short names, categories, subresources (`-` for none).
The lines of a group stand under `group/version type-package`.
"""

from __future__ import annotations

from slipway_sandbox.apiserver.resources import ALL_VERBS, READ_WRITE, Resource, Subresource

_TABLE = """
/v1 core.v1
bindings Binding n - - !create
componentstatuses ComponentStatus c cs - !get,list
configmaps ConfigMap n cm - -
endpoints Endpoints n ep - -
events Event n ev - -
limitranges LimitRange n limits - -
namespaces Namespace c ns - status,finalize
nodes Node c no - status,proxy
persistentvolumeclaims PersistentVolumeClaim n pvc - status
persistentvolumes PersistentVolume c pv - status
pods Pod n po all attach,binding,ephemeralcontainers,eviction,exec,log,portforward,proxy,resize,status
podtemplates PodTemplate n - - -
replicationcontrollers ReplicationController n rc all scale,status
resourcequotas ResourceQuota n quota - status
secrets Secret n - - -
serviceaccounts ServiceAccount n sa - token
services Service n svc all proxy,status
apiregistration.k8s.io/v1 apiregistration.v1
apiservices APIService c - api-extensions status
apps/v1 apps.v1
controllerrevisions ControllerRevision n - - -
daemonsets DaemonSet n ds all status
deployments Deployment n deploy all scale,status
replicasets ReplicaSet n rs all scale,status
statefulsets StatefulSet n sts all scale,status
events.k8s.io/v1 events.v1
events Event n ev - -
authentication.k8s.io/v1 authentication.v1
selfsubjectreviews SelfSubjectReview c - - !create
tokenreviews TokenReview c - - !create
authorization.k8s.io/v1 authorization.v1
localsubjectaccessreviews LocalSubjectAccessReview n - - !create
selfsubjectaccessreviews SelfSubjectAccessReview c - - !create
selfsubjectrulesreviews SelfSubjectRulesReview c - - !create
subjectaccessreviews SubjectAccessReview c - - !create
autoscaling/v2 autoscaling.v2
horizontalpodautoscalers HorizontalPodAutoscaler n hpa all status
autoscaling/v1 autoscaling.v1
horizontalpodautoscalers HorizontalPodAutoscaler n hpa all status
batch/v1 batch.v1
cronjobs CronJob n cj all status
jobs Job n - all status
certificates.k8s.io/v1 certificates.v1
certificatesigningrequests CertificateSigningRequest c csr - approval,status
networking.k8s.io/v1 networking.v1
ingressclasses IngressClass c - - -
ingresses Ingress n ing - status
ipaddresses IPAddress c ip - -
networkpolicies NetworkPolicy n netpol - -
servicecidrs ServiceCIDR c - - status
policy/v1 policy.v1
poddisruptionbudgets PodDisruptionBudget n pdb - status
rbac.authorization.k8s.io/v1 rbac.v1
clusterrolebindings ClusterRoleBinding c - - -
clusterroles ClusterRole c - - -
rolebindings RoleBinding n - - -
roles Role n - - -
storage.k8s.io/v1 storage.v1
csidrivers CSIDriver c - - -
csinodes CSINode c - - -
csistoragecapacities CSIStorageCapacity n - - -
storageclasses StorageClass c sc - -
volumeattachments VolumeAttachment c - - status
volumeattributesclasses VolumeAttributesClass c vac - -
admissionregistration.k8s.io/v1 admissionregistration.v1
mutatingwebhookconfigurations MutatingWebhookConfiguration c - api-extensions -
validatingadmissionpolicies ValidatingAdmissionPolicy c - api-extensions status
validatingadmissionpolicybindings ValidatingAdmissionPolicyBinding c - api-extensions -
validatingwebhookconfigurations ValidatingWebhookConfiguration c - api-extensions -
apiextensions.k8s.io/v1 apiextensions.v1
customresourcedefinitions CustomResourceDefinition c crd,crds api-extensions status
scheduling.k8s.io/v1 scheduling.v1
priorityclasses PriorityClass c pc - -
coordination.k8s.io/v1 coordination.v1
leases Lease n - - -
node.k8s.io/v1 node.v1
runtimeclasses RuntimeClass c - - -
discovery.k8s.io/v1 discovery.v1
endpointslices EndpointSlice n - - -
flowcontrol.apiserver.k8s.io/v1 flowcontrol.v1
flowschemas FlowSchema c - - status
prioritylevelconfigurations PriorityLevelConfiguration c - - status
"""

_EXCHANGED = {
    ("pods", "attach"): ("PodAttachOptions", ("create", "get"), "", ""),
    ("pods", "binding"): ("Binding", ("create",), "", ""),
    ("pods", "eviction"): ("Eviction", ("create",), "policy", "v1"),
    ("pods", "exec"): ("PodExecOptions", ("create", "get"), "", ""),
    ("pods", "log"): ("Pod", ("get",), "", ""),
    ("pods", "portforward"): ("PodPortForwardOptions", ("create", "get"), "", ""),
    ("pods", "proxy"): ("PodProxyOptions", ("create", "delete", "get", "patch", "update"), "", ""),
    ("services", "proxy"): ("ServiceProxyOptions", ("create", "delete", "get", "patch", "update"), "", ""),
    ("nodes", "proxy"): ("NodeProxyOptions", ("create", "delete", "get", "patch", "update"), "", ""),
    ("namespaces", "finalize"): ("Namespace", ("update",), "", ""),
    ("serviceaccounts", "token"): ("TokenRequest", ("create",), "authentication.k8s.io", "v1"),
}

_VERBS = {
    "namespaces": tuple(verb for verb in ALL_VERBS if verb != "deletecollection"),
}

_SINGULAR = {"endpoints": "endpoints"}


def _names(cell: str) -> tuple[str, ...]:
    return () if cell == "-" else tuple(cell.split(","))


def _subresource(plural: str, kind: str, name: str) -> Subresource:
    if name == "scale":
        return Subresource(name, "Scale", READ_WRITE, "autoscaling", "v1")
    exchanged = _EXCHANGED.get((plural, name))
    if exchanged is None:
        return Subresource(name, kind, READ_WRITE)
    return Subresource(name, *exchanged)


def built_in_resources() -> list[Resource]:
    """A fresh list of all built-in resources."""
    found: list[Resource] = []
    group = version = package = ""
    for line in _TABLE.strip().splitlines():
        cells = line.split()
        if len(cells) == 2:
            group, _, version = cells[0].rpartition("/")
            package = cells[1]
            continue
        plural, kind, scope, short, categories, subresources = cells
        verbs = _VERBS.get(plural, ALL_VERBS)
        names = _names(subresources)
        if subresources.startswith("!"):
            verbs, names = tuple(subresources[1:].split(",")), ()
        found.append(
            Resource(
                group=group,
                version=version,
                plural=plural,
                singular=_SINGULAR.get(plural, kind.lower()),
                kind=kind,
                namespaced=scope == "n",
                short_names=_names(short),
                categories=_names(categories),
                verbs=verbs,
                subresources={name: _subresource(plural, kind, name) for name in names},
                type_name=f"{package}.{kind}",
            )
        )
    _share_storage(found)
    return found


def _share_storage(resources: list[Resource]) -> None:
    from slipway_sandbox.apiserver import conversion

    for resource in resources:
        if (resource.group, resource.plural) == ("events.k8s.io", "events"):
            resource.storage_group = ""
            resource.to_storage, resource.from_storage = conversion.event_to_core, conversion.event_from_core
        if (resource.group, resource.version, resource.plural) == ("autoscaling", "v1", "horizontalpodautoscalers"):
            resource.to_storage, resource.from_storage = conversion.hpa_to_v2, conversion.hpa_from_v2
