package cli

import (
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"albatross/internal/client"
)

// pack compresses an image by zlib.
func (s *source) pack(level int) (*source, error) {
	packed, err := client.Pack(s.reader(), level)
	if err != nil {
		return nil, err
	}
	return &source{what: s.what, content: packed, size: packed.Size, file: packed.File}, nil
}

// patient is how long a transfer may take before its progress is of interest.
const patient = 200 * time.Millisecond

// progress shows how far a transfer is, on a terminal and if it takes a while.
type progress struct {
	to    *stream
	what  string
	total int64
	begun time.Time
	bars  *mpb.Progress // nil: not shown yet
	bar   *mpb.Bar
}

func newProgress(to *stream, what string, total int64) *progress {
	return &progress{to: to, what: what, total: total, begun: time.Now()}
}

// sent takes note of how many bytes were carried so far.
func (p *progress) sent(n int64) {
	if !p.to.terminal || p.bars == nil && time.Since(p.begun) < patient {
		return
	}
	if p.bars == nil {
		p.bars = mpb.New(mpb.WithOutput(p.to.w), mpb.WithWidth(40))
		p.bar = p.bars.AddBar(p.total,
			mpb.BarRemoveOnComplete(),
			mpb.PrependDecorators(decor.Name(visible(p.what)+" ")),
			mpb.AppendDecorators(decor.Any(func(s decor.Statistics) string {
				return size(s.Current) + " of " + size(s.Total)
			})),
		)
	}
	p.bar.SetCurrent(n)
}

// end takes the progress away.
func (p *progress) end() {
	if p.bars != nil {
		p.bar.Abort(true)
		p.bars.Wait()
	}
}
