{{/*
The name of one cell of the matrix: eks-<stage>-<region>-<job>.
Takes a dict of root, job, stage and region, as every helper here does.
*/}}
{{- define "eks-matrix.name" -}}
eks-{{ .stage }}-{{ .region }}-{{ .job }}
{{- end }}

{{/* Labels to find a cell, a row or a column by. */}}
{{- define "eks-matrix.labels" -}}
eks-matrix/stage: {{ .stage }}
eks-matrix/region: {{ .region }}
eks-matrix/job: {{ .job }}
{{- end }}

{{/* When the job runs: exactly one of cron and interval, and what happens when two runs would overlap. */}}
{{- define "eks-matrix.schedule" -}}
{{- $job := index .root.Values.jobs .job -}}
{{- if and $job.cron $job.interval }}{{ fail (printf "jobs.%s: set cron or interval, not both" .job) }}{{ end -}}
{{- if not (or $job.cron $job.interval) }}{{ fail (printf "jobs.%s: set one of cron and interval" .job) }}{{ end -}}
{{- if $job.cron -}}
cron: {{ $job.cron | quote }}
{{- else -}}
interval: {{ $job.interval }}
{{- end }}
concurrencyPolicy: {{ $job.concurrencyPolicy }}
{{- end }}

{{/* The part of the pod that all jobs share: the scripts and the fleet's data from one ConfigMap, and a scratch directory. */}}
{{- define "eks-matrix.run" -}}
{{- $job := index .root.Values.jobs .job -}}
agent: kubernetes
timeouts:
  running: {{ $job.runningTimeout }}
pod_spec:
  restartPolicy: Never
  containers:
    - name: test
      image: {{ .root.Values.image }}
      command: [sh, /opt/eks-matrix/{{ .script }}]
      env:
        - {name: STAGE, value: {{ .stage | quote }}}
        - {name: REGION, value: {{ .region | quote }}}
        - {name: PACE, value: {{ hasKey $job "pace" | ternary $job.pace .root.Values.pace | quote }}}
        - {name: SCRATCH, value: /scratch}
        {{- range $name, $value := .env }}
        - {name: {{ $name }}, value: {{ $value | quote }}}
        {{- end }}
      resources:
        requests: {cpu: 50m, memory: 32Mi}
      volumeMounts:
        - {name: suite, mountPath: /opt/eks-matrix, readOnly: true}
        - {name: scratch, mountPath: /scratch}
  volumes:
    - name: suite
      configMap: {name: eks-matrix}
    - name: scratch
      emptyDir: {}
{{- end }}

{{/* One Periodic. */}}
{{- define "eks-matrix.periodic" -}}
apiVersion: prow.k8s.io/v1
kind: Periodic
metadata:
  name: {{ include "eks-matrix.name" . }}
  labels:
    {{- include "eks-matrix.labels" . | nindent 4 }}
spec:
  {{- include "eks-matrix.schedule" . | nindent 2 }}
  jobTemplate:
    metadata:
      labels:
        {{- include "eks-matrix.labels" . | nindent 8 }}
    spec:
      {{- include "eks-matrix.run" . | nindent 6 }}
{{- end }}
