package top

import "fmt"

// unknown stands for what is not told.
const unknown = "-"

// compact writes a number of bytes in at most five characters, in steps of 1024: 0,
// 512, 1.4K, 32M.
func compact(n float64) string {
	if n < 0 {
		return unknown
	}
	unit := 0
	for n >= 999.5 && unit < len(units)-1 {
		n /= 1024
		unit++
	}
	if unit > 0 && n < 9.95 {
		return fmt.Sprintf("%.1f%c", n, units[unit])
	}
	if unit == 0 {
		return fmt.Sprintf("%.0f", n)
	}
	return fmt.Sprintf("%.0f%c", n, units[unit])
}

const units = " KMGTPE"

// percent writes a part of a CPU as a percentage: 0.0, 12.3, 100, 250.
func percent(cpu float64) string {
	switch {
	case cpu < 0:
		return unknown
	case cpu < 0.9995:
		return fmt.Sprintf("%.1f", 100*cpu)
	}
	return fmt.Sprintf("%.0f", 100*cpu)
}
