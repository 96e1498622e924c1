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

{{- /* The port of an address that others reach, or nothing: of a socket, of this pod's own loopback. */ -}}
{{- define "vncgate.port" -}}
{{- if not (regexMatch "^(unix:|fd:|systemd:|127[.]|localhost:|\\[::1\\]:)" .) -}}
{{ regexFind "[0-9]+$" . }}
{{- end }}
{{- end }}

{{- /* The ports at which the configuration listens for others than health and metrics, with blanks around. */ -}}
{{- define "vncgate.listening" -}}
{{- range get .Values.config "listeners" }} {{ include "vncgate.port" (get . "address") }} {{ end }}
{{- with get (default dict (get .Values.config "cluster")) "listen" }} {{ include "vncgate.port" . }} {{ end }}
{{- end }}

{{- /* Fails where ports and config disagree: pods would start, and nobody would reach them. */ -}}
{{- define "vncgate.agree" -}}
{{- if not .Values.existingConfigSecret }}
{{- $listening := include "vncgate.listening" . }}
{{- $words := default "none that others reach" (regexSplit " +" (trim $listening) -1 | join ", ") }}
{{- $ask := "is a port at which config does not listen: set one of them as the other is; listeners and cluster.listen have " }}
{{- if not (contains (printf " %d " (int .Values.ports.browsers)) $listening) }}
{{- fail (printf "ports.browsers: %d %s%s" (int .Values.ports.browsers) $ask $words) }}
{{- end }}
{{- range .Values.ports.extra }}
{{- if not (contains (printf " %d " (int .port)) $listening) }}
{{- fail (printf "ports.extra: %s: %d %s%s" .name (int .port) $ask $words) }}
{{- end }}
{{- end }}
{{- with get (default dict (get .Values.config "admin")) "address" }}
{{- if ne (include "vncgate.port" .) (toString (int $.Values.ports.admin)) }}
{{- fail (printf "ports.admin: %d is where probes and the Service ask, but config.admin.address is %s: let it be \":%d\", or set ports.admin" (int $.Values.ports.admin) . (int $.Values.ports.admin)) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
