package main

import (
	"math"
	"strconv"
	"strings"
)

// format writes a value in one of Grafana's units.
func format(unit string, v float64) string {
	switch unit {
	case "percentunit":
		return short(v*100) + " %"
	case "bytes":
		return scaled(v, 1024, " B", " KiB", " MiB", " GiB", " TiB")
	case "Bps":
		return scaled(v, 1000, " B/s", " kB/s", " MB/s", " GB/s")
	case "pps":
		return scaled(v, 1000, " p/s", " kp/s", " Mp/s")
	case "ops":
		return scaled(v, 1000, "/s", "k/s", "M/s", "G/s")
	case "s":
		return seconds(v)
	}
	return scaled(v, 1000, "", "k", "M", "G", "T")
}

func seconds(v float64) string {
	switch {
	case v == 0:
		return "0 s"
	case v < 1e-3:
		return short(v*1e6) + " µs"
	case v < 1:
		return short(v*1e3) + " ms"
	}
	return short(v) + " s"
}

func scaled(v, base float64, units ...string) string {
	i := 0
	for ; math.Abs(v) >= base && i < len(units)-1; i++ {
		v /= base
	}
	return short(v) + units[i]
}

// short writes a number with three digits.
func short(v float64) string {
	digits := 2
	if a := math.Abs(v); a >= 100 {
		digits = 0
	} else if a >= 10 {
		digits = 1
	}
	s := strconv.FormatFloat(v, 'f', digits, 64)
	if digits > 0 {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// ticks returns round numbers from about low to above high, some five of them.
func ticks(unit string, low, high float64) (all []float64) {
	if high-low <= math.Abs(high)*1e-9 { // too little to be told apart
		high = low + max(1, math.Abs(low)/10)
	}
	base := 10.0
	if unit == "bytes" {
		base = 1024
	}
	step := math.Pow(base, math.Floor(math.Log(high-low)/math.Log(base)))
	for step*5 < high-low {
		step *= 2
	}
	for step*2 > high-low {
		step /= 2
	}
	for v := math.Floor(low/step) * step; ; v += step {
		all = append(all, v)
		if v >= high {
			return all
		}
	}
}
