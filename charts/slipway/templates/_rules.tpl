{{/* What the operator does in the namespaces of models. Every line is needed, and a test takes each away. */}}
{{- define "slipway.rules" -}}
{{- $may := .Values.permissions -}}
- apiGroups: [slipway.dev]
  resources: [modeldeployments]
  # patch: the finalizer of a ModelDeployment that sets weights in a route of somebody else.
  verbs: [get, list, watch, patch]
- apiGroups: [slipway.dev]
  resources: [modelrevisions]
  verbs: [get, list, watch, create, delete]
- apiGroups: [slipway.dev]
  resources: [modeldeployments/status, modelrevisions/status]
  verbs: [patch]
# What serves a format of models, where a release does not say so itself.
- apiGroups: [slipway.dev]
  resources: [modelruntimes]
  verbs: [get, list, watch]
# What runs a revision. It goes with its owner.
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch]
# delete: the public Service of a ModelDeployment that has moved to another router.
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list]
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
# Golden sets.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get]
- apiGroups: [""]
  resources: [events]
  verbs: [get, create, patch]
{{- if $may.gatewayApi }}
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [gateway.networking.k8s.io]
  resources: [gateways]
  verbs: [get]
{{- end }}
{{- if $may.jobs }}
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, delete]
{{- end }}
{{- if .Values.feedback.enabled }}
# Reports are kept beside the revision that they are about.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [list, create, patch, delete]
{{- end }}
{{- if $may.traefik }}
- apiGroups: [traefik.io]
  resources: [ingressroutes, traefikservices]
  verbs: [get, list, watch, create, patch, delete]
{{- end }}
{{- if $may.istio }}
- apiGroups: [networking.istio.io]
  resources: [virtualservices]
  verbs: [get, list, watch, create, patch, delete]
{{- end }}
{{- if $may.ingressNginx }}
- apiGroups: [networking.k8s.io]
  resources: [ingresses]
  verbs: [get, list, watch, create, patch, delete]
{{- end }}
{{- if $may.horizontalPodAutoscalers }}
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [list, create, patch, delete]
{{- end }}
{{- if $may.keda }}
- apiGroups: [keda.sh]
  resources: [scaledobjects]
  verbs: [list, create, patch, delete]
{{- end }}
{{- if $may.podDisruptionBudgets }}
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [list, create, patch, delete]
{{- end }}
{{- end -}}

{{- define "slipway.gatewayClassRules" -}}
- apiGroups: [gateway.networking.k8s.io]
  resources: [gatewayclasses]
  verbs: [get]
{{- end -}}

{{- define "slipway.clusterRuntimeRules" -}}
- apiGroups: [slipway.dev]
  resources: [clustermodelruntimes]
  verbs: [get, list, watch]
{{- end -}}

{{/* Whose token it is that comes with a report, and what that account may do. */}}
{{- define "slipway.reviewRules" -}}
- apiGroups: [authentication.k8s.io]
  resources: [tokenreviews]
  verbs: [create]
- apiGroups: [authorization.k8s.io]
  resources: [subjectaccessreviews]
  verbs: [create]
{{- end -}}

{{/* A Role and its binding: (dict "root" $ "name" … "namespace" … "rules" …). */}}
{{- define "slipway.role" -}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ .name | quote }}
  namespace: {{ .namespace | quote }}
  {{- include "slipway.metadata" (dict "root" .root) | nindent 2 }}
rules:
  {{- .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ .name | quote }}
  namespace: {{ .namespace | quote }}
  {{- include "slipway.metadata" (dict "root" .root) | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ .name | quote }}
{{ include "slipway.subjects" .root }}
{{- end -}}

{{/* The same for the whole cluster: (dict "root" $ "name" … "rules" …). */}}
{{- define "slipway.clusterRole" -}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ .name | quote }}
  {{- include "slipway.metadata" (dict "root" .root) | nindent 2 }}
rules:
  {{- .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ .name | quote }}
  {{- include "slipway.metadata" (dict "root" .root) | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ .name | quote }}
{{ include "slipway.subjects" .root }}
{{- end -}}

{{- define "slipway.subjects" -}}
subjects:
  - kind: ServiceAccount
    name: {{ include "slipway.serviceAccountName" . | quote }}
    namespace: {{ include "slipway.namespace" . | quote }}
{{- end -}}
