{{/* The name in labels. */}}
{{- define "prow-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The name of what is installed: the release's, with the chart's unless it is in there already. Room is left for suffixes. */}}
{{- define "prow-operator.fullname" -}}
{{- $name := include "prow-operator.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | replace "." "-" | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | replace "." "-" | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The name of what has no namespace. The dot cannot be in either part, so two releases never meet. */}}
{{- define "prow-operator.clusterName" -}}
{{- printf "%s.%s" (include "prow-operator.fullname" .) .Release.Namespace -}}
{{- end -}}

{{- define "prow-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "prow-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* What the operator's own pods have and the test's do not. */}}
{{- define "prow-operator.podSelector" -}}
{{ include "prow-operator.selectorLabels" . }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "prow-operator.labels" -}}
{{ include "prow-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: prow-operator
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{/*
The metadata of an object: dict "root" $, "name", and optionally "namespace", "labels" and "annotations" (maps; the later wins over
what all objects have).
*/}}
{{- define "prow-operator.metadata" -}}
{{- $root := .root -}}
name: {{ .name }}
{{- with .namespace }}
namespace: {{ . }}
{{- end }}
labels:
  {{- mergeOverwrite dict $root.Values.commonLabels (include "prow-operator.labels" $root | fromYaml) (default dict .labels) | toYaml | nindent 2 }}
{{- with mergeOverwrite dict $root.Values.commonAnnotations (default dict .annotations) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "prow-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "prow-operator.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "prow-operator.image" -}}
{{- $registry := default .Values.image.registry .Values.global.imageRegistry -}}
{{- with $registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- .Values.image.repository -}}
{{- if .Values.image.digest -}}@{{ .Values.image.digest }}{{- else -}}:{{ default .Chart.AppVersion .Values.image.tag }}{{- end -}}
{{- end -}}

{{- define "prow-operator.imagePullSecrets" -}}
{{- with concat (default list .Values.global.imagePullSecrets) .Values.imagePullSecrets | uniq -}}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{/* The settings file: the values, over what the chart knows better than the operator's defaults. */}}
{{- define "prow-operator.settings" -}}
{{- $lease := dict "name" (include "prow-operator.fullname" .) "namespace" .Release.Namespace -}}
{{- $server := dict "host" "0.0.0.0" "port" 8080 -}}
{{- $archive := ternary (dict "archive" (dict "spoolDir" "/spool")) dict (ne (dig "archive" "location" "" .Values.settings) "") -}}
{{- toYaml (mergeOverwrite (dict "leaderElection" $lease "server" $server) $archive (deepCopy .Values.settings)) -}}
{{- end -}}

{{/* The part of the settings that a process reads only at its start: a change of it must replace the pods, another must not. */}}
{{- define "prow-operator.startSettings" -}}
{{- $settings := include "prow-operator.settings" . | fromYaml -}}
{{- $start := pick $settings "leaderElection" "server" "logging" -}}
{{- range $section := list "prowJobs" "periodics" "pluginConfigs" "cleanup" -}}
{{- $_ := set $start $section (dig $section "workers" 0 $settings) -}}
{{- end -}}
{{- with dig "archive" dict $settings -}}
{{- $_ := set $start "archive" (pick . "workers" "spoolDir") -}}
{{- end -}}
{{- toYaml $start -}}
{{- end -}}

{{- define "prow-operator.port" -}}
{{- $settings := include "prow-operator.settings" . | fromYaml -}}
{{- int $settings.server.port -}}
{{- end -}}

{{- define "prow-operator.testNamespace" -}}
{{- coalesce .Values.test.namespace .Values.watchNamespace .Release.Namespace -}}
{{- end -}}

{{/* The size of the JavaScript heap in MiB: heapPercent of the memory limit; nothing without a limit. */}}
{{- define "prow-operator.heapMiB" -}}
{{- $limit := dig "limits" "memory" "" .Values.resources | toString -}}
{{- if and $limit (gt (int .Values.heapPercent) 0) -}}
{{- $number := regexFind "^[0-9]+" $limit | int64 -}}
{{- $unit := regexFind "[A-Za-z]*$" $limit -}}
{{- $bytes := dict "" 1 "k" 1000 "M" 1000000 "G" 1000000000 "T" 1000000000000 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- if or (not (regexMatch "^[0-9]+[A-Za-z]*$" $limit)) (not (hasKey $bytes $unit)) -}}
{{- fail (printf "resources.limits.memory: %q is not a whole number with one of Ki, Mi, Gi, Ti, k, M, G, T, or set heapPercent to 0" $limit) -}}
{{- end -}}
{{- div (mul $number (get $bytes $unit | int64) (int64 .Values.heapPercent)) 104857600 -}}
{{- end -}}
{{- end -}}

{{- define "prow-operator.nodeOptions" -}}
{{- $heap := include "prow-operator.heapMiB" . -}}
{{- list (ternary (printf "--max-old-space-size=%s" $heap) "" (ne $heap "")) .Values.nodeOptions | compact | join " " -}}
{{- end -}}

{{/* A probe: dict "values" and "path". */}}
{{- define "prow-operator.probe" -}}
httpGet:
  path: {{ .path }}
  port: metrics
{{- range $field := list "initialDelaySeconds" "periodSeconds" "timeoutSeconds" "failureThreshold" }}
{{ $field }}: {{ get $.values $field | int }}
{{- end }}
{{- end -}}

{{/* What cannot be said in the schema. */}}
{{- define "prow-operator.validate" -}}
{{- $election := dig "leaderElection" "enabled" true .Values.settings -}}
{{- if and (gt (int .Values.replicaCount) 1) (not $election) -}}
{{- fail "settings.leaderElection.enabled: false allows one replica only; set replicaCount to 1 and updateStrategy.type to Recreate" -}}
{{- end -}}
{{- if and (not $election) (eq (default "RollingUpdate" .Values.updateStrategy.type) "RollingUpdate") -}}
{{- fail "updateStrategy.type: must be Recreate when settings.leaderElection.enabled is false; two operators would work at once" -}}
{{- end -}}
{{- $shards := int (dig "leaderElection" "shards" 1 .Values.settings) -}}
{{- if and (gt $shards 1) .Values.watchNamespace -}}
{{- fail "settings.leaderElection.shards: shards divide namespaces, and watchNamespace is only one" -}}
{{- end -}}
{{- if and (gt $shards 1) (not $election) -}}
{{- fail "settings.leaderElection.enabled: must be true when there are shards; each needs its lease" -}}
{{- end -}}
{{- with .Values.watchNamespace -}}
{{- $own := . -}}
{{- with $.Values.settings.podNamespace -}}
{{- if ne . $own -}}
{{- fail (printf "settings.podNamespace: %q is not watchNamespace %q; pods elsewhere need the rights of a cluster-wide release" . $own) -}}
{{- end -}}
{{- end -}}
{{- range default list $.Values.settings.tenants -}}
{{- if and (eq .namespace $own) (without .podNamespaces $own) -}}
{{- fail (printf "settings.tenants: podNamespaces outside watchNamespace %q need the rights of a cluster-wide release" $own) -}}
{{- end -}}
{{- end -}}
{{- with $.Values.test.namespace -}}
{{- if ne . $own -}}
{{- fail (printf "test.namespace: %q is not watchNamespace %q; this release does not see it" . $own) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.admissionPolicy.enabled (not (hasKey .Values.admissionPolicy.profiles "default")) -}}
{{- fail "admissionPolicy.profiles: the profile default is missing; it holds for namespaces without the label" -}}
{{- end -}}
{{- end -}}
