// What does Prow read in a file of its configuration? This asks the library that it uses, sigs.k8s.io/yaml, about documents made by chance from
// scalars, anchors, merges and repeated keys, and prints question and answer as a line of JSON each. The seed is fixed: the same program and
// library always print the same lines.
package main

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"strings"

	"sigs.k8s.io/yaml"
)

const documents = 800

var keys = []string{"k", "l", "m", `"q r"`, "yes", "5", "on", "1.50", "x-y", "k", "l"}

var values = []string{
	"a", "yes", `"yes"`, "on", "0777", "1:30", "~", `""`, "null", ".5", "1e3", "'it''s'", "x y", "x#y", "http://a:8/b", "*x", "-1", "+1",
	"0x1F", "1_0", "2020-01-01", "2001-12-14t21:59:43.10-05:00", "=", "{}", "[]", "[a, yes]", "{k: v, yes: 1}", "|\n    a\n     b\n\n    c\n",
	">\n    a\n    b\n\n    c\n", "|-\n    a\n", "!!str 5", `!!int "5"`, `!!bool "yes"`, "!!str yes", `!!float "1"`, "! 5", `"a\tb\u00e9"`,
	"[*x, {<<: *x}]", "0b1", "0o7", ".", "..", "1.", "a@", "a%", "n", "NO", "tRue", `"#"`, "a, b", "a]b", "\"multi\n    line\"", "plain\n    multi",
	"*nope", "[a", `"open`, "12345678901234567890", "1.0", "0", "'a\n\n    b'", "&z yes", "-", "{a: [b, {c: d}], e}",
}

var lines = []string{
	"  <<: *x\n", "  <<: [*x, *y]\n", "  <<: {k: mm}\n", "  <<: text\n", "  # comment\n", "\n", "  k:\n  - a\n  - b: c\n    d: e\n",
	"  m:\n    - - a\n      - b\n    -\n      k: 1\n",
}

type reading struct {
	Text  string          `json:"text"`
	Value json.RawMessage `json:"value,omitempty"`
	Error string          `json:"error,omitempty"`
}

func document(random *rand.Rand) string {
	var text strings.Builder
	text.WriteString("x: &x {k: base, l: yes, z: 1}\n\"y\": &y\n  k: yy\n  w: 2 # c\n")
	for section := 0; section <= random.Intn(3); section++ {
		fmt.Fprintf(&text, "s%d:\n", section)
		for line := 0; line <= random.Intn(5); line++ {
			if random.Intn(7) == 0 {
				text.WriteString(lines[random.Intn(len(lines))])
			} else {
				fmt.Fprintf(&text, "  %s: %s\n", keys[random.Intn(len(keys))], values[random.Intn(len(values))])
			}
		}
	}
	return text.String()
}

func main() {
	random := rand.New(rand.NewSource(1))
	output := json.NewEncoder(os.Stdout)
	for count := 0; count < documents; count++ {
		one := reading{Text: document(random)}
		if value, err := yaml.YAMLToJSON([]byte(one.Text)); err != nil {
			one.Error = err.Error()
		} else {
			one.Value = value
		}
		if err := output.Encode(one); err != nil {
			panic(err)
		}
	}
}
