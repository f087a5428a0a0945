{{- /* "true" where an object of the Prometheus operator is wanted; takes a list of the root and the kind. */ -}}
{{- define "speechpipe.wanted" -}}
{{- $root := first . -}}
{{- $when := $root.Values.monitoring.prometheus -}}
{{- $known := $root.Capabilities.APIVersions.Has (printf "monitoring.coreos.com/v1/%s" (last .)) -}}
{{- if or (eq $when "enabled") (and (eq $when "auto") $known) -}}
true
{{- end -}}
{{- end }}

{{- /* Labels of what Prometheus selects. */ -}}
{{- define "speechpipe.monitoringLabels" -}}
{{- mergeOverwrite (deepCopy .Values.monitoring.labels) (include "speechpipe.labels" (list . "operator") | fromYaml) | toYaml }}
{{- end }}
