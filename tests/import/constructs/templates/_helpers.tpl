{{/* A comment with }} in it. */}}
{{- define "constructs.labels" -}}
app: {{ .Chart.Name }}
{{ include "constructs.more" (dict "top" . "word" "more") }}
{{- end -}}
{{- define "constructs.more" -}}
more: {{ .word | quote }}
release: {{ .top.Release.Name }}
{{- end }}
{{- define "constructs.say" }}say-{{ . }}{{ end }}
