// Asks robfig/cron, the library behind Prow's periodics, what expressions mean, and prints the answers as JSON lines:
//
//	["30 2 * * *","Etc/UTC 1767225600 9000 86400*9", ...]   one string for each instant that was asked for
//	["61 * * * *"]                                          refused
//
// The instant is in seconds since 1970; the first fire time counts from it and each other from the one before, repetitions folded.
// "never" stands for a search that found nothing, "error" for an expression that only fails where Prow registers it.
// The same program and library always print the same lines.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"
	_ "time/tzdata"

	"github.com/robfig/cron/v3"
)

// The fields that Prow's parser takes.
var parser = cron.NewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)

const fires = 10

func main() {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	var line []string
	flush := func() {
		if line == nil {
			return
		}
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(line); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	for _, q := range questions() {
		if line == nil || line[0] != q.expression {
			flush()
			line = []string{q.expression}
		}
		if !accepts(q.expression) {
			continue
		}
		if text, ok := answer(q); ok {
			line = append(line, text)
		}
	}
	flush()
}

// Not ok: nothing can be said because the zone's offset changes before the expression fires.
func answer(q question) (text string, ok bool) {
	steps := "error"
	// Prow sets the zone in this way, too.
	if schedule, err := parser.Parse("TZ=" + q.zone + " " + q.expression); err == nil {
		steps = fold(next(schedule, q))
	}
	return fmt.Sprintf("%s %d %s", q.zone, q.from.Unix(), steps), steps != "never" || q.zone == "Etc/UTC"
}

// The library panics on some texts, such as TZ= without a space behind it.
func accepts(expression string) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	_, err := parser.Parse(expression)
	return err == nil
}

// The fire times before the zone's offset changes: at a change the library and we differ on purpose.
func next(schedule cron.Schedule, q question) []int64 {
	location, err := time.LoadLocation(q.zone)
	if err != nil {
		panic(err)
	}
	_, end := q.from.In(location).ZoneBounds()
	var steps []int64
	for at := q.from; len(steps) < fires; {
		following := schedule.Next(at.In(location))
		if following.IsZero() || (!end.IsZero() && following.After(end.Add(-4*time.Hour))) {
			break
		}
		steps = append(steps, following.Unix()-at.Unix())
		at = following
	}
	return steps
}

func fold(steps []int64) string {
	if len(steps) == 0 {
		return "never"
	}
	var words []string
	for i := 0; i < len(steps); {
		j := i
		for j < len(steps) && steps[j] == steps[i] {
			j++
		}
		word := fmt.Sprint(steps[i])
		if j-i > 1 {
			word += fmt.Sprintf("*%d", j-i)
		}
		words = append(words, word)
		i = j
	}
	return strings.Join(words, " ")
}
