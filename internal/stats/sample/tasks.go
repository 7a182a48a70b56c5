package sample

import (
	"errors"
	"os"
	"strconv"

	"albatross/internal/linux"
)

// mostTasks is how many threads of a process are counted. A tender has some ten.
const mostTasks = 256

// tasks are the threads of a process that has several: the kernel counts context
// switches for each, and forgets those of one that has ended.
type tasks struct {
	threads []thread
	past    switches // of threads that have ended, as far as they were seen
}

type thread struct {
	number int
	status *linux.FD
	last   switches
}

// read returns the context switches of all threads that are or were seen. Their
// number, as stat has it, tells whether the list is still good; a thread that
// began when another one ended is found when that one is read.
func (t *tasks) read(b *Buffer, pid int, number int64) switches {
	if int64(len(t.threads)) != min(number, mostTasks) {
		t.list(pid)
	}
	sum, ended := t.sum(b)
	if ended {
		t.list(pid)
		sum, _ = t.sum(b)
	}
	return sum
}

// sum reads all threads.
func (t *tasks) sum(b *Buffer) (sum switches, ended bool) {
	sum = t.past
	for i := range t.threads {
		thread := &t.threads[i]
		if text, err := b.read(thread.status); err == nil {
			s := parseStatus(text).switches
			thread.last.voluntary = max(thread.last.voluntary, s.voluntary)
			thread.last.involuntary = max(thread.last.involuntary, s.involuntary)
		} else {
			ended = true
		}
		sum.voluntary += thread.last.voluntary
		sum.involuntary += thread.last.involuntary
	}
	return sum, ended
}

// list looks which threads there are. Those that are known are kept: a number
// is used again only once its thread has ended, and then its descriptor is dead.
func (t *tasks) list(pid int) {
	dir := "/proc/" + strconv.Itoa(pid) + "/task/"
	f, err := os.Open(dir)
	if err != nil {
		return
	}
	names, _ := f.Readdirnames(mostTasks) // those that were seen before an error
	_ = f.Close()                         // it was only read
	known := map[int]thread{}
	for _, old := range t.threads {
		known[old.number] = old
	}
	t.threads = t.threads[:0]
	for _, name := range names {
		number, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if old, ok := known[number]; ok && old.alive() {
			t.threads = append(t.threads, old)
			delete(known, number)
		} else if status, err := linux.OpenFile(dir + name + "/status"); err == nil {
			t.threads = append(t.threads, thread{number: number, status: status})
		}
	}
	for _, gone := range known {
		t.past.voluntary += gone.last.voluntary
		t.past.involuntary += gone.last.involuntary
		_ = gone.status.Close() // it was only read
	}
}

// alive reports whether the descriptor still stands for a thread.
func (t thread) alive() bool {
	var b [1]byte
	n, _ := t.status.ReadAt(b[:], 0)
	return n == len(b)
}

func (t *tasks) close() error {
	var errs []error
	for _, thread := range t.threads {
		errs = append(errs, thread.status.Close())
	}
	t.threads = nil
	return errors.Join(errs...)
}
