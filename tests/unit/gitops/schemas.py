"""What Argo CD, Flux and Kustomize let into the objects of `gitops/`: the fields that are used there, and no other.

Field names, types and values are those of the CRDs of Argo CD 3 and Flux 2 and of the reference of Kustomize.
"""

from __future__ import annotations

from typing import Any, Final

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string", "minLength": 1}
FLAG: Final[Schema] = {"type": "boolean"}
DURATION: Final[Schema] = {"type": "string", "pattern": r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"}
NAMES: Final[Schema] = {"type": "object", "additionalProperties": TEXT}


def of(*required: str, **properties: Schema) -> Schema:
    """An object with these fields and no other."""
    return {"type": "object", "additionalProperties": False, "required": list(required), "properties": properties}


def many(item: Schema) -> Schema:
    """A list."""
    return {"type": "array", "minItems": 1, "items": item}


def kind(api_version: str, name: str, spec: Schema) -> Schema:
    """A whole object with a specification."""
    metadata = of("name", "namespace", name=TEXT, namespace=TEXT, annotations=NAMES)
    types = {"apiVersion": {"const": api_version}, "kind": {"const": name}}
    return of("apiVersion", "kind", "metadata", "spec", **types, metadata=metadata, spec=spec)


REFERENCE: Final = of("kind", "name", apiVersion=TEXT, kind=TEXT, name=TEXT, namespace=TEXT)
SYNC_OPTION: Final[Schema] = {
    "enum": [
        "CreateNamespace=true",
        "PruneLast=true",
        "RespectIgnoreDifferences=true",
        "ServerSideApply=true",
        "SkipDryRunOnMissingResource=true",
    ]
}

APPLICATION: Final = kind(
    "argoproj.io/v1alpha1",
    "Application",
    of(
        "project",
        "source",
        "destination",
        project=TEXT,
        source=of(
            "repoURL",
            "targetRevision",
            repoURL=TEXT,
            targetRevision=TEXT,
            path=TEXT,
            chart=TEXT,
            helm=of(releaseName=TEXT),
        ),
        destination=of("server", "namespace", server=TEXT, namespace=TEXT),
        syncPolicy=of(
            automated=of(prune=FLAG, selfHeal=FLAG),
            retry=of(
                limit={"type": "integer"},
                backoff=of(duration=DURATION, factor={"type": "integer"}, maxDuration=DURATION),
            ),
            syncOptions=many(SYNC_OPTION),
        ),
    ),
)

GIT_REPOSITORY: Final = kind(
    "source.toolkit.fluxcd.io/v1",
    "GitRepository",
    of(
        "interval",
        "url",
        interval=DURATION,
        url={"type": "string", "pattern": "^(http|https|ssh)://.*$"},
        ref=of(branch=TEXT, tag=TEXT),
    ),
)

FLUX_KUSTOMIZATION: Final = kind(
    "kustomize.toolkit.fluxcd.io/v1",
    "Kustomization",
    of(
        "interval",
        "prune",
        "sourceRef",
        dependsOn=many(of("name", name=TEXT, namespace=TEXT)),
        interval=DURATION,
        timeout=DURATION,
        retryInterval=DURATION,
        wait=FLAG,
        prune=FLAG,
        deletionPolicy={"enum": ["MirrorPrune", "Delete", "WaitForTermination", "Orphan"]},
        sourceRef=of("kind", "name", kind={"enum": ["GitRepository", "OCIRepository", "Bucket"]}, name=TEXT),
        path=TEXT,
        healthChecks=many(REFERENCE),
        healthCheckExprs=many(
            of("apiVersion", "kind", "current", apiVersion=TEXT, kind=TEXT, current=TEXT, failed=TEXT, inProgress=TEXT)
        ),
    ),
)

SELECTOR: Final = of("kind", kind=TEXT, name=TEXT)
KUSTOMIZATION: Final = of(
    "apiVersion",
    "kind",
    "resources",
    apiVersion={"const": "kustomize.config.k8s.io/v1beta1"},
    kind={"const": "Kustomization"},
    namespace=TEXT,
    resources=many(TEXT),
    patches=many(of("patch", target=SELECTOR, patch=TEXT)),
    images=many(of("name", name=TEXT, digest={"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"})),
    replacements=many(
        of(
            "source",
            "targets",
            source=of("kind", "fieldPath", kind=TEXT, name=TEXT, fieldPath=TEXT),
            targets=many(
                of(
                    "select",
                    "fieldPaths",
                    select=SELECTOR,
                    fieldPaths=many(TEXT),
                    options=of(delimiter=TEXT, index={"type": "integer"}),
                )
            ),
        )
    ),
)

HEALTH_TESTS: Final = of(
    "tests",
    tests=many(
        of(
            "healthStatus",
            "inputPath",
            healthStatus=of("status", "message", status=TEXT, message={"type": "string"}),
            inputPath=TEXT,
        )
    ),
)
OFFERED: Final = of("name", "disabled", name=TEXT, disabled=FLAG, displayName=TEXT, iconClass=TEXT)
ACTION_TESTS: Final = of(
    "discoveryTests",
    "actionTests",
    discoveryTests=many(of("inputPath", "result", inputPath=TEXT, result=many(OFFERED))),
    actionTests=many(
        of("action", "inputPath", "expectedOutputPath", action=TEXT, inputPath=TEXT, expectedOutputPath=TEXT)
    ),
)

SCHEMAS: Final[dict[str, Schema]] = {
    "argoproj.io/v1alpha1 Application": APPLICATION,
    "source.toolkit.fluxcd.io/v1 GitRepository": GIT_REPOSITORY,
    "kustomize.toolkit.fluxcd.io/v1 Kustomization": FLUX_KUSTOMIZATION,
    "kustomize.config.k8s.io/v1beta1 Kustomization": KUSTOMIZATION,
}
"""By API version and kind."""

OF_FILES: Final[dict[str, Schema]] = {"health_test.yaml": HEALTH_TESTS, "action_test.yaml": ACTION_TESTS}
"""Of files that hold no objects."""
