{{- define "speechpipe.purgeRules" -}}
- apiGroups: [speechpipe.dev]
  resources: [speechpipelines]
  verbs: [delete, list]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [delete, list]
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
{{- if not .Values.operator.watchNamespaces }}
- apiGroups: [apiextensions.k8s.io]
  resources: [customresourcedefinitions]
  resourceNames: [speechpipelines.speechpipe.dev]
  verbs: [delete, get]
{{- end }}
{{- end }}
