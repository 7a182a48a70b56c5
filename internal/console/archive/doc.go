// Package archive keeps on disk what unikernels wrote, a bounded log for each
// console, so that it can be read after a crash, a restart and a reboot.
//
//	Begin, Line, End ──▶ batch ──▶ writer ──▶ DIR/NAME/00000000000000000001.log   oldest, deleted next
//	 (never wait)       (memory)  (one        DIR/NAME/00000000000000004711.log   written to
//	                              goroutine)        ▲
//	Lines, Since, Last ── read the files ───────────┘
//
//	archive.go  Archive: all logs of a directory
//	log.go      Log: lines that come, and wait to be written
//	told.go     which failures the logger is told of
//	batch.go    lines as they will be in a file (pure)
//	writer.go   which log is written to next
//	write.go    writing to one: segments begin and end
//	resume.go   where an earlier process stopped
//	quota.go    how much there is, and may be
//	victims.go  which lines go when there are too many
//	sync.go     what a loss of power leaves
//	files.go    opening, making, removing and listing the files
//	segment.go  their names (pure)
//	format.go   what is in them; scan.go: finding it, whatever else is there (both pure)
//	read.go     reading
//
// # Files
//
// A segment is named after the number of its first line; lines of a console are
// numbered from 1. Integers are big endian.
//
//	segment  prefix  prefix  block…
//	prefix   "albcons1"  salt (8)  sum of both (4)
//	block    f5 'b' 'l' 'k'  sum of the head (4)  sum of the lines (4)
//	         bytes of lines (4)  lines (4)  number of the first (8)  its time (8)  line…
//	line     time since the line before (varint)  bytes (uvarint)  text
//
// Times are milliseconds, since 1970 in the head of a block. Sums are CRC-32C, that
// of the head begins with the salt, a random number: so a unikernel cannot write
// a block into its console that would be found where a file is damaged. Without the
// salt nothing could be read, so it is there twice.
//
// No file outside of DIR is opened, whatever symbolic links are in it. What is in it
// and is no log is left alone. DIR may vanish and come back, as its disk does.
//
// # What may be lost
//
// Lines that come when nothing was written for a while are written at once, others
// within a second, many at a time: a daemon that is killed loses no more than
// these, and what it had of a line that has no end yet. What the kernel was given survives the daemon; half a minute later it is
// on the disk as well. The end of a block that was just being written is cut off,
// and a block that is damaged elsewhere is skipped. The numbers tell how many lines are
// missing.
//
// A unikernel that writes without end may use Options.Name bytes, and as soon as
// it has written some megabytes at once only [rate] bytes a second; lines beyond
// that are left out, and counted. When all logs together are too large, lines go
// of that tenant who has most; of these, those of the unikernel that ended first.
// A disk that is full, slow or broken delays nobody: nothing waits for the writer
// but who reads a log, and that only for a while. Nothing is deleted for the sake of a
// full disk, so quotas should fit it.
//
// Only internal/console imports this package, and albatross-console, which says how
// much there may be; it imports lines, linux and vm.
package archive
