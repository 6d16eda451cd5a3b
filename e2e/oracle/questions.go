package main

import (
	"fmt"
	"math/rand"
	"strings"
	"time"
)

// An expression, and the instant and zone to ask it for.
type question struct {
	expression string
	zone       string
	from       time.Time
}

const (
	seed      = 20260101
	plain     = 1000
	mutations = 1400
)

// Outside of changes of their offset, the library and we must agree in every zone.
var zones = []string{
	"Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "Europe/Dublin", "Pacific/Apia", "America/Sao_Paulo",
	"Africa/Cairo", "Antarctica/Troll", "Asia/Kathmandu", "Pacific/Chatham", "Asia/Kolkata", "America/St_Johns",
}

func questions() []question {
	random := rand.New(rand.NewSource(seed))
	var all []question
	for _, expression := range handwritten {
		for _, from := range hardInstants {
			all = append(all, question{expression, "Etc/UTC", from})
			if !accepts(expression) {
				break
			}
		}
	}
	for i := 0; i < plain; i++ {
		expression := randomExpression(random)
		for j := 0; j < 3; j++ {
			all = append(all, question{expression, "Etc/UTC", randomInstant(random)})
		}
		all = append(all, inZone(random, expression))
	}
	for i := 0; i < mutations; i++ {
		all = append(all, question{mutated(random, randomExpression(random)), "Etc/UTC", randomInstant(random)})
	}
	return distinct(all)
}

func distinct(all []question) []question {
	seen := map[string]bool{}
	var kept []question
	for _, q := range all {
		key := fmt.Sprint(q.expression, "|", q.zone, "|", q.from.Unix())
		if !accepts(q.expression) {
			key = q.expression
		}
		if !seen[key] {
			seen[key] = true
			kept = append(kept, q)
		}
	}
	return kept
}

var hardInstants = []time.Time{
	time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
	time.Date(2023, 12, 31, 23, 59, 59, 0, time.UTC),
	time.Date(2024, 2, 28, 23, 59, 30, 0, time.UTC),
	time.Date(2027, 6, 30, 12, 34, 56, 0, time.UTC),
	time.Date(2099, 12, 31, 23, 0, 0, 0, time.UTC),
	time.Date(2096, 3, 1, 0, 0, 0, 0, time.UTC),
}

func randomInstant(random *rand.Rand) time.Time {
	first := time.Date(2010, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	last := time.Date(2045, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	at := first + random.Int63n(last-first)
	switch random.Intn(4) {
	case 0:
		at -= at % 86400
	case 1:
		at -= at % 60
	}
	return time.Unix(at, 0).UTC()
}

// An instant well behind the last change of the offset, in years whose rules every copy of the time zone data has.
func inZone(random *rand.Rand, expression string) question {
	zone := zones[random.Intn(len(zones))]
	location, err := time.LoadLocation(zone)
	if err != nil {
		panic(err)
	}
	first := time.Date(2012, 1, 3, 0, 0, 0, 0, time.UTC).Unix()
	last := time.Date(2022, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	from := time.Unix(first+random.Int63n(last-first), 0).UTC()
	if start, _ := from.In(location).ZoneBounds(); !start.IsZero() && from.Sub(start) < 26*time.Hour {
		from = start.Add(26 * time.Hour).UTC()
	}
	return question{expression, zone, from}
}

type field struct {
	min, max int
	names    []string
}

var months = []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}
var days = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}
var fields = []field{{0, 59, nil}, {0, 23, nil}, {1, 31, nil}, {1, 12, months}, {0, 6, days}}

func randomExpression(random *rand.Rand) string {
	var words []string
	for i, f := range fields {
		// Days and months are mostly left alone, as people do.
		if i >= 2 && random.Intn(2) == 0 {
			words = append(words, []string{"*", "*", "*", "?", "*/1"}[random.Intn(5)])
			continue
		}
		words = append(words, randomField(random, f))
	}
	return strings.Join(words, " ")
}

func randomField(random *rand.Rand, f field) string {
	var parts []string
	for n := []int{1, 1, 1, 2, 3}[random.Intn(5)]; n > 0; n-- {
		parts = append(parts, randomPart(random, f))
	}
	return strings.Join(parts, ",")
}

func randomPart(random *rand.Rand, f field) string {
	a, b := f.min+random.Intn(f.max-f.min+1), f.min+random.Intn(f.max-f.min+1)
	if a > b {
		a, b = b, a
	}
	switch random.Intn(8) {
	case 0, 1:
		return value(random, f, a)
	case 2:
		return value(random, f, a) + "-" + value(random, f, b)
	case 3:
		return fmt.Sprintf("%s-%s/%d", value(random, f, a), value(random, f, b), 1+random.Intn(b-a+2))
	case 4:
		return fmt.Sprintf("*/%d", 1+random.Intn(f.max+2))
	case 5:
		return fmt.Sprintf("%s/%d", value(random, f, a), 1+random.Intn(f.max))
	case 6:
		return value(random, f, b)
	}
	return "*"
}

func value(random *rand.Rand, f field, v int) string {
	if f.names != nil && random.Intn(2) == 0 {
		name := f.names[v-f.min]
		return []string{name, strings.ToUpper(name), strings.ToUpper(name[:1]) + name[1:]}[random.Intn(3)]
	}
	if random.Intn(10) == 0 {
		return fmt.Sprintf("%02d", v)
	}
	return fmt.Sprint(v)
}

const alphabet = "0123456789***///---,,,???@LWH#+.:_ \tabdefjmnorstuwy()"

// What a slip of the fingers makes of an expression: mostly something that is refused.
func mutated(random *rand.Rand, expression string) string {
	text := []byte(expression)
	for n := 1 + random.Intn(2); n > 0; n-- {
		at := random.Intn(len(text))
		letter := alphabet[random.Intn(len(alphabet))]
		switch random.Intn(5) {
		case 0:
			text = append(text[:at:at], text[at+1:]...)
		case 1:
			text = append(text[:at:at], append([]byte{letter}, text[at:]...)...)
		case 2:
			text[at] = letter
		case 3:
			words := strings.Fields(string(text))
			i, j := random.Intn(len(words)), random.Intn(len(words))
			words[i], words[j] = words[j], words[i]
			text = []byte(strings.Join(words, " "))
		case 4:
			words := strings.Fields(string(text))
			i := random.Intn(len(words))
			words[i] = fmt.Sprint(random.Intn(80))
			text = []byte(strings.Join(words, " "))
		}
		if len(strings.TrimSpace(string(text))) == 0 {
			return string(text)
		}
	}
	return string(text)
}
