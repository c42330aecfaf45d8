// Prints what sigs.k8s.io/yaml, which Helm and kubectl read with, makes of YAML, for the tests of src/yaml.rs.
//
// It belongs to no module of its own: `go mod init`, `go get sigs.k8s.io/yaml@v1.6.0`, `go run main.go >recorded.jsonl`.
package main

import (
	"encoding/json"
	"fmt"

	"sigs.k8s.io/yaml"
)

var scalars = []string{
	"yes", "Yes", "YES", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF", "y", "Y", "n", "N",
	"true", "True", "TRUE", "false", "False", "FALSE", "tRUE", "yEs", "~", "null", "Null", "NULL", "nULL", "",
	"0", "-0", "7", "+7", "010", "0o10", "0O10", "0x1F", "0X1f", "-0x1F", "0b101", "0B11", "-010", "08", "09", "1_000", "0x_1", "_1", "1_", "1__0",
	"1.5", ".5", "5.", "+.5", "-1.5", "1e3", "1E3", "1e+3", "1e-3", "1.5e3", ".5e2", "e3", "1e", "0.1", "1.0", "1e9", "1_000.5",
	".inf", "-.inf", "+.inf", ".nan", "1:30", "190:20:30", "2024-01-01", "2024-01-01T00:00:00Z", "=", "<<",
	"9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616", "-9223372036854775808",
	"1e21", "123456789012345678901234567890", "0.000001", "1e-7", "1000000", "128974848000m", "1e3Mi", "500m", "1e400", "0x", "0b2", "0o8", "00", "000", "0_7", "-", "+", ".", "1.2.3", "0x1.8p1", "1e3e3", "Infinity", "inf", "nan",
	"'yes'", "\"1\"", "!!str 1", "!!int \"7\"", "!!float 1", "!!bool \"yes\"", "!!null x", "!custom 1", "!!binary aGk=", "!!str", "! 1", "|\n  a\n  b\n", ">-\n  a\n  b\n",
}

var documents = []string{
	"a: 1\na: 2\n", "a: {x: 1}\na: {y: 2}\n", "a: 1\n\"a\": 2\n", "{a: 1, b: 2, a: 3}", "1: x\n\"1\": y\n",
	"a: &x {p: 1, q: 2}\nb:\n  <<: *x\n  q: 3\n", "a: &x {p: 1, q: 2}\nb:\n  q: 3\n  <<: *x\n",
	"a: &x {p: 1}\nb: &y {p: 2, r: 3}\nc:\n  <<: [*x, *y]\n", "a: &x {p: 1}\nb: &y {p: 2, r: 3}\nc:\n  <<: *x\n  <<: *y\n",
	"a: &x {p: {q: 1}}\nb:\n  <<: *x\n  p: {r: 2}\n", "a: {<<: {x: 1}, y: 2}", "a: {<<: 1}", "a: &x [1, 2]\nb: *x\n", "a: *x\n", "a: &x [*x]\n",
	"a: &x 1\nb: &x 2\nc: *x\n", "\"<<\": {x: 1}\n", "&k a: 1\nb: *k\n",
	"yes: 1\n", "on: 1\noff: 2\n", "1: a\n", "1.5: a\n", "~: a\n", "010: a\n", "0x10: a\n", "[1, 2]: a\n", "{a: 1}: b\n", "? a\n: b\n", "? a\n", "2024-01-01: a\n", "1e3: a\n", "9223372036854775808: a\n",
	"", "---\n", "# only\n", "---\n# only\n", "...\n", "a: 1\n...\nb: 2\n", "a: 1\n---\nb: 2\n", "---\na: 1\n", "--- {a: 1}\n", "%YAML 1.1\n---\na: 1\n", "\ufeffa: 1\n", "\ufeff---\na: 1\n",
	"a: 1\r\nb: 2\r\n", "a: |\r\n  x\r\n  y\r\n", "a:\n\tb: 1\n", "\ta: 1\n", "a: {\n\tb: 1\n}\n", "a: [1,\n\t2]\n", "a:\t1\n", "a: 1\t# x\n", "a: \"\tx\"\n",
	"{\"a\": 1, \"b\": [true, null, \"x\\/y\", \"\\ud83d\\ude00\"]}", "{\"a\":1}", "{\"a\":\"b:c\",\"d\":[]}", "[1,2]", "just text", "{\n\t\"a\": 1,\n\t\"b\": {\n\t\t\"c\": 2\n\t}\n}\n",
	"a: b: c\n", "a: [1\n", "a: 'x\n", "a: @x\n", "a: `x`\n", "a: %x\n", "- a\nb: 1\n", "a: 1\n b: 2\n", "a\nb: 1\n", "a: {b}\n", "a: {b: }\n", "a: [,]\n", "a: [1,,2]\n", "a: \"\\q\"\n", "a: !!int x\n", "a: !!float x\n", "a: |\n x\n  y\n", "a: |2\n   x\n", "a: |+\n  x\n\n", "a: >\n  x\n  y\n\n  z\n", "a: x #y\n", "a: x#y\n", "a: http://x:1/y\n", "a: -\n", "a: - x\n", "- - 1\n  - 2\n- x\n", "a:\n- 1\n- 2\n", "a:\n  - 1\nb:\n- 2\n", "a: \"x\n  y\"\n", "a: x\n  y\n", "key with spaces: 1\n", "a: \n  b: \n  c: 1\n", "? |\n  k\n: v\n", "a: !!binary aGk=\n", "a: !!set {x, y}\n", "a: \"\\x41\\u00e9\\U0001F600\\n\\0\"\n", "'a''b': 'it''s'\n", "a: &x\nb: *x\n", "a: null\nb: ~\nc:\n",
}

func main() {
	print := func(text string) {
		found, err := yaml.YAMLToJSON([]byte(text))
		var result any = map[string]any{"value": json.RawMessage(found)}
		if err != nil {
			result = map[string]any{"error": err.Error()}
		}
		line, err := json.Marshal([]any{text, result})
		if err != nil {
			panic(err)
		}
		fmt.Println(string(line))
	}
	for _, scalar := range scalars {
		print("a: " + scalar + "\n")
	}
	for _, document := range documents {
		print(document)
	}
}
