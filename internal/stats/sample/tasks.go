package sample

import (
	"errors"
	"os"
	"strconv"
)

// mostTasks is how many threads of a process are counted. A tender has some ten.
const mostTasks = 256

// tasks are the threads of a process that has several: the kernel counts context
// switches for each, and forgets those of one that has ended.
type tasks struct {
	threads  []thread
	past     switches // of threads that have ended, as far as they were seen
	reopened bool     // the last read has trusted the number of the process
}

type thread struct {
	number int
	status procFile
	last   switches
}

// read returns the context switches of all threads that are or were seen; ok is
// false if the process has had but one, or hides them. Their number, as stat has
// it, tells whether the list is still good; a thread that began when another one
// ended is found when that one is read.
func (t *tasks) read(b *Buffer, pid int, number int64, budget *Budget) (sum switches, ok bool) {
	t.reopened = false
	if number <= 1 && len(t.threads) == 0 {
		return switches{}, false
	}
	if int64(len(t.threads)) != min(number, mostTasks) {
		t.list(b, pid, budget)
	}
	sum, ended := t.sum(b)
	if ended {
		t.list(b, pid, budget)
		sum, _ = t.sum(b)
	}
	return sum, len(t.threads) > 0
}

// sum reads all threads.
func (t *tasks) sum(b *Buffer) (sum switches, ended bool) {
	for i := range t.threads {
		thread := &t.threads[i]
		t.reopened = t.reopened || thread.status.reopens()
		text, err := thread.status.read(b)
		if err != nil {
			ended = true
		} else if s := parseStatus(text).switches; s.atLeast(thread.last) {
			thread.last = s
		} else { // another one that has its number
			t.past.add(thread.last)
			thread.last = s
		}
		sum.add(thread.last)
	}
	sum.add(t.past)
	return sum, ended
}

// list looks which threads there are. Those that are known are kept: a number
// is used again only once its thread has ended, and then its file is dead.
func (t *tasks) list(b *Buffer, pid int, budget *Budget) {
	dir := procPath(pid, "task")
	f, err := os.Open(dir)
	if err != nil {
		return
	}
	t.reopened = true
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
		next, ok := known[number]
		if ok && next.alive(b) {
			delete(known, number)
		} else {
			next = thread{number: number, status: openProc(dir+"/"+name+"/status", budget)}
		}
		t.threads = append(t.threads, next)
	}
	for _, gone := range known {
		t.past.add(gone.last)
		_ = gone.status.close(budget) // it was only read
	}
}

// alive reports whether the file still stands for a thread.
func (t *thread) alive(b *Buffer) bool {
	_, err := t.status.read(b)
	return err == nil
}

func (t *tasks) close(budget *Budget) error {
	var errs []error
	for i := range t.threads {
		errs = append(errs, t.threads[i].status.close(budget))
	}
	t.threads = nil
	return errors.Join(errs...)
}
