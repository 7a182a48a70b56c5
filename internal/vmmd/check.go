package vmmd

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"albatross/internal/daemon"
	"albatross/internal/host"
	"albatross/internal/paths"
)

// check inspects the database directory that no daemon uses, and writes what is
// wrong to w.
func (p *Program) check(ctx context.Context, w io.Writer) error {
	found, err := host.CheckDirectory(ctx, paths.DB(p.db), func(file string) ([]string, error) {
		return verifyElsewhere(ctx, file)
	})
	if err != nil {
		return err
	}
	for _, f := range found.Findings {
		fmt.Fprintf(w, "%s: %s\n", f.What, f.Text)
		if f.Hint != "" {
			fmt.Fprintf(w, "  hint: %s\n", f.Hint)
		}
	}
	verdict := "all is well"
	if len(found.Findings) > 0 {
		verdict = fmt.Sprintf("%d findings", len(found.Findings))
	}
	fmt.Fprintf(w, "checked %d unikernels, %d images, %d block devices: %s\n", found.Unikernels, found.Images, found.Blocks, verdict)
	if len(found.Findings) > 0 {
		return daemon.ErrTold
	}
	return nil
}

// verifyElsewhere goes through the pages of a file of records in a process of
// its own, since a damaged file may be the end of that.
func verifyElsewhere(ctx context.Context, file string) (wrong []string, err error) {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", "--check-pages", file)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	if _, died := errors.AsType[*exec.ExitError](err); died && ctx.Err() == nil {
		first, _, _ := strings.Cut(errs.String(), "\n")
		return []string{"the file is damaged: " + first}, nil
	}
	if err != nil {
		return nil, err
	}
	for lines := bufio.NewScanner(&out); lines.Scan(); {
		wrong = append(wrong, lines.Text())
	}
	return wrong, nil
}

// checkPages writes what is wrong with the pages of a file of records to w.
func checkPages(file string, w io.Writer) error {
	wrong, err := host.VerifyRecords(file)
	for _, e := range wrong {
		fmt.Fprintln(w, e)
	}
	return err
}
