{{- define "vncgate.name" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "vncgate.selector" -}}
app.kubernetes.io/name: vncgate
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "vncgate.labels" -}}
{{ include "vncgate.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "vncgate.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end }}
{{- end }}

{{- define "vncgate.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "vncgate.name" .) .Values.serviceAccount.name }}
{{- else -}}
{{ default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- /* The Secret with tokens, or nothing. */ -}}
{{- define "vncgate.tokens" -}}
{{- if .Values.tokens.existingSecret -}}
{{ .Values.tokens.existingSecret }}
{{- else if .Values.tokens.lines -}}
{{ include "vncgate.name" . }}-desks
{{- end }}
{{- end }}

{{- /* The configuration: that of the values, with the times that the pod is given. */ -}}
{{- define "vncgate.config" -}}
{{- $times := dict "shutdown_delay" (printf "%ds" (int .Values.shutdown.delay)) "shutdown_timeout" (printf "%ds" (int .Values.shutdown.timeout)) -}}
{{- $config := deepCopy .Values.config -}}
{{- toYaml (set $config "limits" (merge $times (default dict (get $config "limits")))) }}
{{- end }}

{{- /* What of it counts at the next start alone: when it changes the pods do. */ -}}
{{- define "vncgate.restart" -}}
{{- if .Values.existingConfigSecret -}}
{{ .Values.existingConfigSecret | sha256sum }}
{{- else -}}
{{ omit .Values.config "targets" "sources" "shadow" "playback" "free" "policy" "policy_file" "classes" "recordings" | toYaml | sha256sum }}
{{- end }}
{{- end }}

{{- /* How long a pod may take to end. */ -}}
{{- define "vncgate.grace" -}}
{{- $sleep := dig "preStop" "sleep" "seconds" 0 .Values.lifecycle -}}
{{- add $sleep .Values.shutdown.delay .Values.shutdown.timeout .Values.shutdown.margin }}
{{- end }}
