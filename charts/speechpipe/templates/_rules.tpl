{{- /* What the operator may do where pipelines are. A test compares it with operator/rbac. */ -}}
{{- define "speechpipe.rules" -}}
- apiGroups: [speechpipe.dev]
  resources: [speechpipelines]
  verbs: [list, watch]
- apiGroups: [speechpipe.dev]
  resources: [speechpipelines/status]
  verbs: [patch]
# Children. Server-side apply is a patch, and a create besides where the object is absent.
- apiGroups: [""]
  resources: [configmaps, services, serviceaccounts]
  verbs: &child [create, delete, get, list, patch, watch]
- apiGroups: [apps]
  resources: [deployments, statefulsets]
  verbs: *child
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: *child
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: *child
- apiGroups: [networking.k8s.io]
  resources: [ingresses, networkpolicies]
  verbs: *child
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes]
  verbs: *child
- apiGroups: [monitoring.coreos.com]
  resources: [podmonitors]
  verbs: *child
- apiGroups: [resource.k8s.io]
  resources: [resourceclaimtemplates]
  verbs: *child
# A claim template is removed after the last ReplicaSet that uses it.
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [list]
# Workers are scaled under a field manager of their own, and marked before they go.
- apiGroups: [apps]
  resources: [deployments/scale]
  verbs: [get, patch]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, patch, watch]
# Volumes are made and may grow; they are never deleted.
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [create, get, list, patch, watch]
# Passwords are made once, and Secrets that a pipeline names are read by name. No list, no watch.
- apiGroups: [""]
  resources: [secrets]
  verbs: [create, get, patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end }}

{{- /* A role and its binding: for the whole cluster, or in each of the operator's namespaces.
Takes a dict: root, name, account, rules (YAML), annotations of hooks (YAML). */ -}}
{{- define "speechpipe.granted" -}}
{{- $root := .root -}}
{{- range $namespace := $root.Values.operator.watchNamespaces | default (list "") }}
{{- $kind := ternary "Role" "ClusterRole" (ne $namespace "") }}
{{- $cluster := include "speechpipe.clusterName" (list $root $.name) }}
{{- $name := ternary (printf "%s-%s" (include "speechpipe.fullname" $root) $.name) $cluster (ne $namespace "") }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}
metadata: {{- include "speechpipe.grantMeta" (list $ $name $namespace -2) | nindent 2 }}
rules: {{- $.rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}Binding
metadata: {{- include "speechpipe.grantMeta" (list $ $name $namespace -1) | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $kind }}
  name: {{ $name }}
subjects:
  - kind: ServiceAccount
    name: {{ $.account }}
    namespace: {{ $root.Release.Namespace }}
{{- end }}
{{- end }}

{{- /* Metadata of a role or binding; takes a list of the dict above, name, namespace and weight as a hook. */ -}}
{{- define "speechpipe.grantMeta" -}}
{{- $given := first . -}}
name: {{ index . 1 }}
{{- with index . 2 }}
namespace: {{ . }}
{{- end }}
labels: {{- include "speechpipe.labels" (list $given.root "operator") | nindent 2 }}
{{- with $given.hook }}
annotations: {{- include "speechpipe.hook" (list . (last $)) | nindent 2 }}
{{- end }}
{{- end }}
