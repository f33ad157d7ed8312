{{/* Names and labels. */}}
{{- define "slipway.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 47 | trimSuffix "-" -}}
{{- end -}}

{{- define "slipway.fullname" -}}
{{- $name := include "slipway.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 47 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 47 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "slipway.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{/* A selector is immutable: neither a version nor a label that users choose may be in it. */}}
{{- define "slipway.selector" -}}
app.kubernetes.io/name: {{ include "slipway.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "slipway.labels" -}}
{{ include "slipway.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: operator
app.kubernetes.io/part-of: slipway
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* The metadata of an object but for its name: (dict "root" $ "labels" … "annotations" …). */}}
{{- define "slipway.metadata" -}}
labels:
  {{- toYaml (merge (dict) (default (dict) .labels) .root.Values.commonLabels (include "slipway.labels" .root | fromYaml)) | nindent 2 }}
{{- with merge (dict) (default (dict) .annotations) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "slipway.testLabels" -}}
app.kubernetes.io/name: "{{ include "slipway.name" . }}-test"
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "slipway.serviceAccountName" -}}
{{- default (include "slipway.fullname" .) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "slipway.image" -}}
{{- $registry := default .Values.image.registry .Values.global.imageRegistry -}}
{{- $name := ternary .Values.image.repository (printf "%s/%s" $registry .Values.image.repository) (empty $registry) -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $name .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* An image that models may run: in the first folder or repository that is allowed, or that one image. */}}
{{- define "slipway.sampleImage" -}}
{{- $allowed := first (append .Values.admission.images "registry.example.com/") -}}
{{- if hasSuffix "/" $allowed -}}
{{- printf "%smy-model:v1" $allowed -}}
{{- else if regexMatch ":[^/]*$" $allowed -}}
{{- $allowed -}}
{{- else -}}
{{- printf "%s:v1" $allowed -}}
{{- end -}}
{{- end -}}

{{/* The lease that the operator holds: one for each part of a cluster that is shared. */}}
{{- define "slipway.lease" -}}
{{- $name := include "slipway.fullname" . -}}
{{- with .Values.scope.namespaceSelector -}}
{{- $name = printf "%s-%s" $name (sha256sum . | trunc 8) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{/* What OpenTelemetry's own variables say of traces. */}}
{{- define "slipway.tracing" -}}
{{- with .Values.tracing -}}
{{- if .endpoint -}}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ .endpoint | quote }}
- name: OTEL_TRACES_SAMPLER
  value: parentbased_traceidratio
- name: OTEL_TRACES_SAMPLER_ARG
  value: {{ .samplerRatio | quote }}
{{- if .headersSecret.name }}
- name: OTEL_EXPORTER_OTLP_HEADERS
  valueFrom:
    secretKeyRef:
      name: {{ .headersSecret.name | quote }}
      key: {{ .headersSecret.key | quote }}
{{- end }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The port of the collector, by which a NetworkPolicy lets the operator reach it. */}}
{{- define "slipway.tracingPort" -}}
{{- $at := urlParse .Values.tracing.endpoint -}}
{{- $port := regexFind ":[0-9]+$" $at.host | trimPrefix ":" -}}
{{- default (ternary "443" "80" (eq $at.scheme "https")) $port -}}
{{- end -}}

{{- define "slipway.arguments" -}}
- run
- --leader-elect
- --lease-name={{ include "slipway.fullname" . }}
- --health-address=:8081
- --image={{ include "slipway.image" . }}
{{- with .Values.scope.namespaceSelector }}
- {{ printf "--namespace-selector=%s" . | quote }}
{{- end }}
{{- if .Values.feedback.enabled }}
- --feedback=:8089
{{- end }}
{{- range .Values.scope.namespaces }}
- --namespace={{ . }}
{{- end }}
{{- range .Values.operator.gatewayMetrics }}
- {{ printf "--gateway-metrics=%s" . | quote }}
{{- end }}
{{- if not .Values.operator.publicEgress }}
- --no-public-egress
{{- end }}
{{- range .Values.operator.egress }}
- {{ printf "--egress=%s" . | quote }}
{{- end }}
{{- with .Values.operator.mlflowTrackingUri }}
- {{ printf "--mlflow-tracking-uri=%s" . | quote }}
{{- end }}
{{- with .Values.operator.maxRollouts }}
- --max-rollouts={{ . | int }}
{{- end }}
{{- with .Values.operator.maxRolloutsPerNamespace }}
- --max-rollouts-per-namespace={{ . | int }}
{{- end }}
- --log-format={{ .Values.operator.logFormat }}
{{- if .Values.operator.verbose }}
- --verbose
{{- end }}
{{- if .Values.operator.debug }}
- --debug
{{- end }}
{{- range .Values.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end -}}
