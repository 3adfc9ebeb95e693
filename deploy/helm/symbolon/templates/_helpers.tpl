{{- define "symbolon.name" -}}
{{- printf "%s-symbolon" .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "symbolon.selector" -}}
app.kubernetes.io/name: symbolon
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "symbolon.labels" -}}
{{ include "symbolon.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* The issuer may have a path: everything is below it. */}}
{{- define "symbolon.health" -}}
{{- printf "%s/health" (regexReplaceAll "^https?://[^/]+" (required "issuer must be set" .Values.issuer) "") -}}
{{- end -}}
