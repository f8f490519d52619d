{{- define "darkages.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name }}
{{- $full := .Values.fullnameOverride | default (ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name)) }}
{{- /* Room for the longest of our endings. */}}
{{- $full | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "darkages.operator" -}}{{ include "darkages.fullname" . }}-operator{{- end }}

{{- define "darkages.metricsApi" -}}{{ include "darkages.fullname" . }}-metrics-api{{- end }}

{{- define "darkages.image" -}}
{{- $root := index . 0 }}{{ $program := index . 1 }}
{{- with $root.Values.image }}{{ .registry }}/{{ $program }}:{{ .tag | default $root.Chart.AppVersion }}{{ end }}
{{- end }}

{{- /* What a selector may have: it never changes. */}}
{{- define "darkages.selector" -}}
{{- $root := index . 0 }}{{ $program := index . 1 -}}
app.kubernetes.io/name: {{ $program }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
{{- end }}

{{- define "darkages.labels" -}}
{{- $root := index . 0 -}}
{{ include "darkages.selector" . }}
app.kubernetes.io/version: {{ $root.Values.image.tag | default $root.Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/part-of: darkages
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- /* Namespaces with ZoneServers, with a space between them. */}}
{{- define "darkages.zoneNamespaces" -}}
{{- .Values.zones.namespaces | default (list (.Values.watchNamespace | default .Release.Namespace)) | uniq | join " " }}
{{- end }}

{{- define "darkages.zonePriorityClass" -}}
{{ .Values.zones.priorityClass.name | default (printf "%s-zones" (include "darkages.fullname" .)) }}
{{- end }}

{{- define "darkages.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "darkages.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsUser: 65532
runAsGroup: 65532
capabilities: {drop: [ALL]}
{{- end }}

{{- /* Where pods go: root, values of the component, labels by which its pods keep away from each other. */}}
{{- define "darkages.placement" -}}
{{- $values := index . 0 }}{{ $labels := index . 1 }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
{{- if $values.affinity }}
affinity: {{ toJson $values.affinity }}
{{- else }}
affinity:
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      podAffinityTerm:
        topologyKey: kubernetes.io/hostname
        labelSelector: {matchLabels: {{ toJson $labels }}}
{{- end }}
{{- if $values.topologySpreadConstraints }}
topologySpreadConstraints: {{ toJson $values.topologySpreadConstraints }}
{{- else }}
topologySpreadConstraints:
- maxSkew: 1
  topologyKey: topology.kubernetes.io/zone
  whenUnsatisfiable: ScheduleAnyway
  labelSelector: {matchLabels: {{ toJson $labels }}}
{{- end }}
{{- end }}

{{- /* A directory with everything that it leaves out. */}}
{{- define "darkages.directory" -}}
{{- $root := index . 0 }}{{ $given := index . 1 }}
{{- $defaults := dict
  "namespace" $root.Release.Namespace
  "storeSecret" "darkages-store"
  "issueTickets" false
  "joinsPerSecond" 20
  "joinsAtOnce" 200
  "replicas" 2
  "service" (dict "type" "ClusterIP" "annotations" dict) }}
{{- $directory := mustMergeOverwrite $defaults (deepCopy $given) }}
{{- $_ := set $directory "namespace" ($directory.namespace | default $root.Release.Namespace) }}
{{- toJson $directory }}
{{- end }}

{{- /* What no schema can see. */}}
{{- define "darkages.check" -}}
{{- $seen := dict }}
{{- range $index, $given := .Values.directories }}
{{- $directory := include "darkages.directory" (list $ $given) | fromJson }}
{{- $key := printf "%s/%s" $directory.namespace $directory.zoneServer }}
{{- if hasKey $seen $key }}
{{- fail (printf "directories[%d]: ZoneServer %s in namespace %s has a directory already: remove one, and raise replicas of the other" $index $directory.zoneServer $directory.namespace) }}
{{- end }}
{{- $_ := set $seen $key true }}
{{- end }}
{{- if and .Values.watchNamespace .Values.zones.namespaces (ne (include "darkages.zoneNamespaces" .) .Values.watchNamespace) }}
{{- fail (printf "zones.namespaces: the operator looks after %s alone (watchNamespace): leave zones.namespaces out" .Values.watchNamespace) }}
{{- end }}
{{- with .Values.networkPolicy }}
{{- if gt (int .game.min) (int .game.max) }}{{ fail "networkPolicy.game: min must not be more than max: swap them" }}{{ end }}
{{- if gt (int .nodes.ports.min) (int .nodes.ports.max) }}{{ fail "networkPolicy.nodes.ports: min must not be more than max: swap them" }}{{ end }}
{{- end }}
{{- end }}
