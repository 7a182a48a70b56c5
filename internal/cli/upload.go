package cli

import (
	"compress/zlib"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// pack compresses an image by zlib into a file without a name, since its size
// must be known before it is sent.
func (s *source) pack(level int) (packed *source, err error) {
	f, err := os.CreateTemp("", "albatross-image-")
	if err != nil {
		return nil, fmt.Errorf("compressing the image: %w", err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("compressing the image: %w", err)
			_ = f.Close() // its content is of no use
		}
	}()
	if err := os.Remove(f.Name()); err != nil {
		return nil, err
	}
	z, err := zlib.NewWriterLevel(f, level)
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(z, s.reader()); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	size, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, err
	}
	return &source{what: s.what, content: f, size: size, file: f}, nil
}

// patient is how long an upload may take before its progress is of interest.
const patient = 200 * time.Millisecond

// progress shows how far an upload is, on a terminal and if it takes a while.
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

// sent takes note of how many bytes were sent so far.
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
