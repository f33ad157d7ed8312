{{- define "shop.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
{{- define "shop.hook" -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .root.Release.Name }}-{{ .hook }}
  labels: {{- include "shop.labels" .root | nindent 4 }}
  annotations:
    helm.sh/hook: {{ .hook }}
    helm.sh/hook-weight: "1"
    helm.sh/hook-delete-policy: {{ .policy }}
spec:
  backoffLimit: 0
  template:
    metadata:
      labels: {hook: {{ .hook }}}
    spec:
      restartPolicy: Never
      containers:
      - name: hook
        image: localhost/python:3
        args:
        - -S
        - -c
        - print("{{ .hook }} of revision {{ .root.Release.Revision }}"); raise SystemExit({{ .root.Values.hookExit }})
{{- end }}
