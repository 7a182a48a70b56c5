package api

import "time"

// VerbSamples is a verb of albatross-stats: SamplesWanted; the message's name is
// that of a unikernel or a path; answered by an empty body, then again and again by
// stats data, one of each unikernel, and Sampled. Names are relative to the path.
const VerbSamples = "samples"

// MostSeconds is the longest time between two samples that may be wanted.
const MostSeconds = 3600

// SamplesWanted says how often samples are wanted. Unlike those who subscribe by
// Albatross's command, any number of clients may want those of the same name.
type SamplesWanted struct {
	Seconds int `json:"seconds"` // 1 to MostSeconds; others stand for the nearest of these
}

// Sampled ends the samples of one moment.
type Sampled struct {
	At time.Time `json:"at"` // UTC; the first of them was taken then
}
