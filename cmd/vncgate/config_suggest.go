package main

import (
	"reflect"
	"strings"
	"time"
)

// configKeys lists every key of the configuration, read off its types.
func configKeys() []string {
	var names []string
	collectKeys(reflect.TypeFor[config](), &names)
	return names
}

func collectKeys(t reflect.Type, names *[]string) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		collectKeys(t.Elem(), names)
	case reflect.Struct:
		if t == reflect.TypeFor[time.Time]() {
			return
		}
		for f := range t.Fields() {
			switch name, more, _ := strings.Cut(f.Tag.Get("yaml"), ","); {
			case name != "":
				*names = append(*names, name)
				collectKeys(f.Type, names)
			case more == "inline":
				collectKeys(f.Type, names)
			}
		}
	}
}

// nearest finds the known name that differs from name by a slip or two; "" if
// none does.
func nearest(name string, known []string) string {
	best, bestDistance := "", max(1, len(name)/3)+1
	for _, k := range known {
		if d := distance(name, k); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	return best
}

// distance counts the insertions, deletions and replacements between a and b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
