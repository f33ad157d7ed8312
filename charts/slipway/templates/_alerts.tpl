{{/* The alerts, as a list: (dict "lease" … "stuckAfter" …). Each has a runbook of its name in docs/runbooks. */}}
{{- define "slipway.alerts" -}}
- alert: SlipwayDown
  expr: 'absent(leader_election_master_status{name="{{ .lease }}"})'
  for: 5m
  labels: {severity: critical}
  annotations:
    summary: No replica of Slipway is seen.
    description: 'Prometheus has had no metrics of the operator for 5 minutes. Models go on serving, and nothing judges or hauls back a release.'
- alert: SlipwayNoLeader
  expr: 'max(leader_election_master_status{name="{{ .lease }}"}) == 0'
  for: 5m
  labels: {severity: critical}
  annotations:
    summary: No replica of Slipway leads.
    description: 'Replicas run and none has held the lease {{ .lease }} for 5 minutes. Models go on serving, and nothing judges or hauls back a release.'
- alert: SlipwayLooksFail
  expr: 'sum(rate(controller_runtime_reconcile_errors_total{controller="modeldeployment"}[10m])) > 0.1 * sum(rate(controller_runtime_reconcile_total{controller="modeldeployment"}[10m]))'
  for: 15m
  labels: {severity: warning}
  annotations:
    summary: More than a tenth of Slipway's looks at ModelDeployments fail.
    description: '{{ "{{ $value | humanize }}" }} looks a second have failed over 10 minutes.'
- alert: SlipwayDefect
  expr: 'sum(increase(controller_runtime_reconcile_panics_total{controller="modeldeployment"}[15m])) > 0'
  for: 0m
  labels: {severity: warning}
  annotations:
    summary: Slipway met a defect of its own.
    description: '{{ "{{ $value | humanize }}" }} looks of the last 15 minutes ended in an error that the operator does not know. Its log has the traceback.'
- alert: SlipwayQueueStuck
  expr: 'max(workqueue_longest_running_processor_seconds{name="modeldeployment"}) > 60'
  for: 2m
  labels: {severity: critical}
  annotations:
    summary: A look of Slipway does not end.
    description: 'The longest look has lasted {{ "{{ $value | humanizeDuration }}" }}. While it lasts, nothing else is decided about its ModelDeployment.'
- alert: SlipwayRolloutStuck
  expr: 'max by (namespace, name, phase) (slipway_modeldeployment_phase{phase=~"Pending|Verifying|Starting|Evaluating|Shadowing|Stepping|Promoting|RollingBack|Holding"}) == 1'
  for: {{ .stuckAfter }}
  labels: {severity: warning}
  annotations:
    summary: A rollout has been in one phase for {{ .stuckAfter }}.
    description: '{{ "{{ $labels.namespace }}/{{ $labels.name }} has been in phase {{ $labels.phase }}" }} for {{ .stuckAfter }}.'
- alert: SlipwayRolledBack
  expr: 'max by (namespace, name) (slipway_modeldeployment_phase{phase="RolledBack"}) == 1'
  for: 0m
  labels: {severity: warning}
  annotations:
    summary: A release was hauled back.
    description: '{{ "The release that {{ $labels.namespace }}/{{ $labels.name }}" }} declares was hauled back. The one before serves.'
- alert: SlipwayMetricWithoutAnswer
  expr: 'max by (namespace, name, metric, verdict) (slipway_metric_verdict{verdict=~"Error|NoData"}) == 1'
  for: 15m
  labels: {severity: warning}
  annotations:
    summary: A metric says nothing of a candidate.
    description: '{{ "The metric {{ $labels.metric }} of {{ $labels.namespace }}/{{ $labels.name }} has been {{ $labels.verdict }}" }} for 15 minutes, so the rollout goes neither on nor back by it.'
- alert: SlipwayRouteNotFollowed
  expr: 'max by (namespace, name) (abs(slipway_weight_desired_ratio - slipway_weight_observed_ratio)) > 0.01'
  for: 10m
  labels: {severity: warning}
  annotations:
    summary: The gateway does not lead traffic as it was asked to.
    description: '{{ "The shares of {{ $labels.namespace }}/{{ $labels.name }} have been off by {{ $value | humanizePercentage }}" }} for 10 minutes.'
- alert: SlipwayNothingServes
  expr: 'max by (namespace, name) (slipway_modeldeployment_available) == 0'
  for: 2m
  labels: {severity: critical}
  annotations:
    summary: A model that has served does not serve.
    description: '{{ "No release of {{ $labels.namespace }}/{{ $labels.name }}" }} that is known to be good has had a ready pod for 2 minutes.'
- alert: SlipwayDrifted
  expr: 'max by (namespace, name) (slipway_modeldeployment_drifted) == 1'
  labels: {severity: warning}
  annotations:
    summary: What a model is asked, or answers, has moved away from when it was promoted.
    description: '{{ "Drift was found of {{ $labels.namespace }}/{{ $labels.name }}" }}; slipway status names the signal and its numbers.'
{{- end -}}
