{{- /* The operator's variables: what the chart decides, its settings by their names, and whatever else is asked for. */ -}}
{{- define "speechpipe.environment" -}}
- name: OPERATOR_NAMESPACE
  valueFrom:
    fieldRef: {fieldPath: metadata.namespace}
- name: INSTANCE_ID
  valueFrom:
    fieldRef: {fieldPath: metadata.name}
- name: LEASE_NAME
  value: {{ include "speechpipe.operator" . }}
- name: WATCH_NAMESPACES
  value: {{ join "," .Values.operator.watchNamespaces | quote }}
- name: HEALTH_PORT
  value: "8080"
{{- range $name, $value := .Values.operator.settings }}
- name: {{ snakecase $name | upper }}
  value: {{ $value | quote }}
{{- end }}
{{- with .Values.operator.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "speechpipe.affinity" -}}
{{- if .Values.operator.affinity }}
{{- toYaml .Values.operator.affinity }}
{{- else -}}
podAntiAffinity:
  preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 1
      podAffinityTerm:
        topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels: {{- include "speechpipe.selector" (list . "operator") | nindent 12 }}
{{- end }}
{{- end }}
