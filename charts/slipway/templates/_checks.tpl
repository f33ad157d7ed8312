{{/* What no schema can say: values that are fine each by itself and contradict each other. */}}
{{- define "slipway.checks" -}}
{{- $scope := .Values.scope.namespaces -}}
{{- $may := .Values.permissions -}}
{{- if and $scope .Values.scope.namespaceSelector -}}
  {{- fail "scope.namespaces and scope.namespaceSelector are both set: name namespaces, or select them" -}}
{{- end -}}
{{- if and .Values.networkPolicy.feedbackFrom (not .Values.feedback.enabled) -}}
  {{- fail "networkPolicy.feedbackFrom is set and feedback.enabled is false: there is nothing to reach" -}}
{{- end -}}
{{- if $scope -}}
  {{- range $may.secrets -}}
    {{- if not (has .namespace $scope) -}}
      {{- fail (printf "permissions.secrets: namespace %s is not in scope.namespaces, so the operator never reads a Secret there: add it there, or take it away here" .namespace) -}}
    {{- end -}}
  {{- end -}}
  {{- range .Values.admission.namespaces -}}
    {{- if not (has . $scope) -}}
      {{- fail (printf "admission.namespaces: %s is not in scope.namespaces, so a ModelDeployment would be allowed there that nobody looks after: add it there, or take it away here" .) -}}
    {{- end -}}
  {{- end -}}
{{- else -}}
  {{- with $may.gatewayNamespaces -}}
    {{- fail "permissions.gatewayNamespaces: Gateways of all namespaces are read already, because scope.namespaces is empty: name namespaces there, or take these away" -}}
  {{- end -}}
{{- end -}}
{{- if and $may.gatewayNamespaces (not $may.gatewayApi) -}}
  {{- fail "permissions.gatewayNamespaces is set and permissions.gatewayApi is false: set it to true, or take the namespaces away" -}}
{{- end -}}
{{- if and $may.gatewayClasses (not $may.gatewayApi) -}}
  {{- fail "permissions.gatewayClasses is true and permissions.gatewayApi is false: set both or neither" -}}
{{- end -}}
{{- if and (not $may.create) $may.secrets -}}
  {{- fail "permissions.secrets asks for roles and permissions.create is false: set it to true, or grant the Secrets yourself" -}}
{{- end -}}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) -}}
  {{- fail "serviceAccount.name is empty and serviceAccount.create is false: name the account that the operator runs as" -}}
{{- end -}}
{{- if and .Values.metrics.serviceMonitor.enabled .Values.metrics.podMonitor.enabled -}}
  {{- fail "metrics.serviceMonitor.enabled and metrics.podMonitor.enabled are both true: every sample would be stored twice, so enable one of them" -}}
{{- end -}}
{{- range $where, $labels := dict "commonLabels" .Values.commonLabels "deploymentLabels" .Values.deploymentLabels "podLabels" .Values.podLabels -}}
  {{- range $key := list "app.kubernetes.io/name" "app.kubernetes.io/instance" -}}
    {{- if hasKey $labels $key -}}
      {{- fail (printf "%s: %s is what the operator's pods are found by: use nameOverride, or another label" $where $key) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- $budget := .Values.podDisruptionBudget -}}
{{- $least := toString $budget.minAvailable -}}
{{- if and $least (toString $budget.maxUnavailable) -}}
  {{- fail "podDisruptionBudget.minAvailable and podDisruptionBudget.maxUnavailable are both set: a budget has one of them" -}}
{{- end -}}
{{- if and $budget.enabled $least -}}
  {{- /* The cluster rounds a percentage up to whole replicas. */ -}}
  {{- $kept := int $least -}}
  {{- if hasSuffix "%" $least -}}
    {{- $kept = int (ceil (divf (mulf (trimSuffix "%" $least | float64) (float64 .Values.replicas)) 100.0)) -}}
  {{- end -}}
  {{- if and (gt $kept 0) (ge $kept (int .Values.replicas)) -}}
    {{- fail (printf "podDisruptionBudget.minAvailable (%s) lets none of the replicas (%d) go, so no node could be drained: set it lower, or replicas higher" $least (int .Values.replicas)) -}}
  {{- end -}}
{{- end -}}
{{- if .Values.admission.enabled -}}
  {{- if semverCompare "<1.30.0-0" .Capabilities.KubeVersion.Version -}}
    {{- fail (printf "admission.enabled needs Kubernetes 1.30 or newer, and this is %s: set admission.enabled=false; then everybody who may change a ModelDeployment may send commands" .Capabilities.KubeVersion.Version) -}}
  {{- end -}}
  {{- if not (or .Values.admission.restrictCommands .Values.admission.images .Values.admission.namespaces) -}}
    {{- fail "admission.enabled is true and there is no rule: set admission.restrictCommands, admission.images or admission.namespaces, or admission.enabled=false" -}}
  {{- end -}}
  {{- if and (has "Deny" .Values.admission.actions) (has "Warn" .Values.admission.actions) -}}
    {{- fail "admission.actions has both Deny and Warn, which Kubernetes does not allow: choose one of them" -}}
  {{- end -}}
{{- end -}}
{{- if not .Values.tracing.endpoint -}}
  {{- if .Values.tracing.headersSecret.name -}}
    {{- fail "tracing.headersSecret.name is set and tracing.endpoint is empty: name the collector, or take the Secret away" -}}
  {{- end -}}
  {{- if .Values.networkPolicy.egress.tracingTo -}}
    {{- fail "networkPolicy.egress.tracingTo is set and tracing.endpoint is empty: name the collector, or take the peers away" -}}
  {{- end -}}
{{- end -}}
{{- if and .Values.crds.annotations (not .Values.crds.enabled) -}}
  {{- fail "crds.annotations is set and crds.enabled is false: there is nothing to annotate" -}}
{{- end -}}
{{- end -}}
