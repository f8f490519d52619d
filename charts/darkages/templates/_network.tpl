{{- /* Names are looked up anywhere: a node-local cache has no pods that a policy could select. */}}
{{- define "darkages.toNames" -}}
- ports:
  - {protocol: UDP, port: 53}
  - {protocol: TCP, port: 53}
{{- end }}

{{- /* A part of networkPolicy with `cidrs` and `ports`. */}}
{{- define "darkages.toAddresses" -}}
- ports:
  {{- range .ports }}
  - {protocol: TCP, port: {{ . }}}
  {{- end }}
  {{- with .cidrs }}
  to:
  {{- range . }}
  - ipBlock: {cidr: {{ . | quote }}}
  {{- end }}
  {{- end }}
{{- end }}

{{- /* The operator's pods, seen from another namespace. */}}
{{- define "darkages.peerOperator" -}}
- namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ .Release.Namespace }}}}
  podSelector: {matchLabels: {{ include "darkages.selector" (list . "zone-operator") | fromYaml | toJson }}}
{{- end }}

{{- /* The pods of directories, wherever they are. */}}
{{- define "darkages.peerDirectories" -}}
{{- $places := list }}
{{- range .Values.directories }}
{{- $places = append $places ((include "darkages.directory" (list $ .) | fromJson).namespace) }}
{{- end -}}
- namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, values: {{ uniq $places | toJson }}}]}
  podSelector: {matchLabels: {{ include "darkages.selector" (list . "zone-directory") | fromYaml | toJson }}}
{{- end }}

{{- define "darkages.zonePods" -}}
{app.kubernetes.io/name: zone-server, app.kubernetes.io/managed-by: zone-operator}
{{- end }}
