{{- define "speechpipe.name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- /* Beginning of all names; 40 characters leave room for what follows. */ -}}
{{- define "speechpipe.fullname" -}}
{{- $name := include "speechpipe.name" . -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{ .Values.fullnameOverride | default $full | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "speechpipe.operator" -}}
{{ include "speechpipe.fullname" . }}-operator
{{- end }}

{{- /* Name of an object that has no namespace: releases of other namespaces may be called the same.
Takes a list of the root and what it is. */ -}}
{{- define "speechpipe.clusterName" -}}
{{- $root := first . -}}
{{ include "speechpipe.fullname" $root }}-{{ last . }}.{{ $root.Release.Namespace }}
{{- end }}

{{- define "speechpipe.serviceAccount" -}}
{{- $own := ternary (include "speechpipe.operator" .) "default" .Values.operator.serviceAccount.create -}}
{{ .Values.operator.serviceAccount.name | default $own }}
{{- end }}

{{- /* Labels of every object; takes a list of the root and the component. */ -}}
{{- define "speechpipe.labels" -}}
{{- $root := first . -}}
{{ include "speechpipe.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
app.kubernetes.io/part-of: speechpipe
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- /* Labels that select pods. Those of pipelines have another name, so that none selects the other's. */ -}}
{{- define "speechpipe.selector" -}}
{{- $root := first . -}}
app.kubernetes.io/name: {{ include "speechpipe.name" $root }}-{{ last . }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ last . }}
{{- end }}

{{- /* Annotations of a hook; takes a list of its events and its weight. A failed one stays, for its log. */ -}}
{{- define "speechpipe.hook" -}}
helm.sh/hook: {{ first . }}
helm.sh/hook-weight: {{ last . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}
