// Package metrics counts what a daemon does, for who asks it by the verb
// "metrics". All of it may be used from any goroutine, and its zero values are
// ready.
//
//	Histogram    how long creates took
//	Tally        how many of each kind: exits by reason
//	Connections  how many there are, and were
//
// Anybody but the keeper may import it; it imports api.
package metrics
