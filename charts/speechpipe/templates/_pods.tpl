{{- /* Reference of an image; takes a list of the root, the image's name and the whole reference that replaces it. */ -}}
{{- define "speechpipe.image" -}}
{{- $root := first . -}}
{{- $images := $root.Values.images -}}
{{ last . | default (printf "%s/%s:%s" $images.registry (index . 1) ($images.tag | default $root.Chart.AppVersion)) }}
{{- end }}

{{- /* What all pods have in common: Pod Security restricted, and where they may run. */ -}}
{{- define "speechpipe.pod" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.operator.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.operator.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
volumes:
  - name: tmp
    emptyDir: {}
{{- end }}

{{- /* What all containers have in common, but for their image. */ -}}
{{- define "speechpipe.container" -}}
imagePullPolicy: {{ .Values.images.pullPolicy }}
terminationMessagePolicy: FallbackToLogsOnError
securityContext:
  allowPrivilegeEscalation: false
  capabilities: {drop: [ALL]}
  readOnlyRootFilesystem: true
volumeMounts:
  - name: tmp
    mountPath: /tmp
{{- end }}

{{- /* The operator's image for something that is done once; takes a list of the root and the arguments. */ -}}
{{- define "speechpipe.errand" -}}
{{- $root := first . -}}
name: operator
image: {{ include "speechpipe.image" (list $root "operator" $root.Values.operator.image) }}
command: [python, -m, speechpipe_operator]
args: {{ last . | toJson }}
{{- with $root.Values.operator.extraEnv }}
env: {{- toYaml . | nindent 2 }}
{{- end }}
resources:
  requests: {cpu: 50m, memory: 96Mi}
  limits: {memory: 256Mi}
{{ include "speechpipe.container" $root }}
{{- end }}
