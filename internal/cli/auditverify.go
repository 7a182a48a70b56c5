package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"albatross/internal/api"
	"albatross/internal/audit"
	"albatross/internal/client"
)

func (a *app) auditVerifyCommand() *cobra.Command {
	var dir, anchor string
	c := &cobra.Command{
		Use:   "verify [flags]",
		Short: "Tell whether the audit log is as it was written",
		Long: `Verify goes through the audit log and tells whether anything in it was changed,
removed, inserted or moved, and where. Nothing in a log can tell that its end
was cut off, or written anew by somebody who may write the files: keep the
anchor that verify prints where they cannot reach it, and give it to --anchor
later. Every change of what was there by then is found.

With --dir it reads a directory, perhaps a copy, and needs no daemon.

If the log is not whole, the exit code is 1.`,
		Example: `  albatross audit verify
  albatross audit verify --anchor 4711:9f86d081…
  albatross audit verify --dir /var/lib/albatross/log/audit`,
		Args: arguments(0, 0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.auditVerify(c.Context(), dir, c.Flags().Changed("dir"), anchor)
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "read the segments of a log in `DIR`")
	c.Flags().StringVar(&anchor, "anchor", "", "what the log must have or follow: `SEQUENCE:HASH`, as verify printed it")
	a.jsonFlag(c, "the report")
	return c
}

func (a *app) auditVerify(ctx context.Context, dir string, offline bool, anchor string) error {
	var known *api.AuditAnchor
	if anchor != "" {
		parsed, err := api.ParseAuditAnchor(anchor)
		if err != nil {
			return usage("", "--anchor: %v", err)
		}
		known = &parsed
	}
	report, err := a.auditReport(ctx, dir, offline, known)
	switch {
	case err != nil:
		return err
	case a.json:
		err = a.printJSON(describeAudit(report))
	default:
		err = a.showAudit(report)
	}
	if err == nil && len(report.Faults) > 0 {
		return &reported{exitRefused}
	}
	return err
}

// auditReport verifies the log of the daemon, or that in a directory.
func (a *app) auditReport(ctx context.Context, dir string, offline bool, known *api.AuditAnchor) (api.AuditReport, error) {
	if !offline {
		report, err := a.client().VerifyAudit(ctx, known)
		if e, ok := errors.AsType[*api.Error](err); ok && errors.Is(err, client.ErrConnect) && e.Code == api.Unavailable {
			return report, e.Hinted("albatross audit verify --dir DIR reads the log below the --dbdir of a daemon that does not run")
		}
		return report, err
	}
	report, err := audit.Verify(ctx, dir, known)
	switch {
	case errors.Is(err, audit.ErrNoLog):
		return report, api.Errorf(api.NotFound, "%w", err).Hinted("its files are called like 00000000000000000001.jsonl, and lie in log/audit below the --dbdir of albatrossd")
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return report, api.Errorf(api.Invalid, "the audit log cannot be read: %w", err)
	}
	return report, err
}

func (a *app) showAudit(r api.AuditReport) error {
	for _, f := range r.Faults {
		where := ""
		if f.File != "" {
			where = fmt.Sprintf(" (%s, line %d)", visible(f.File), f.Line)
		}
		if err := a.out.printf("%s %s%s", a.out.paint(red, fmt.Sprintf("record %d:", f.Sequence)), visible(f.Text), where); err != nil {
			return err
		}
	}
	if r.More > 0 {
		if err := a.out.printf("and %s more", plural(r.More, "fault")); err != nil {
			return err
		}
	}
	if r.Torn > 0 {
		if err := a.out.printf("the log ends within a line, of which there are %d bytes: a record that was being written, or what is left of one", r.Torn); err != nil {
			return err
		}
	}
	return a.auditVerdict(r)
}

// auditVerdict prints what was verified, and what to keep.
func (a *app) auditVerdict(r api.AuditReport) error {
	verdict := a.out.paint(green, "whole")
	if len(r.Faults) > 0 {
		verdict = a.out.paint(red, "broken")
	}
	if r.Records == 0 {
		return a.out.printf("no records: %s", verdict)
	}
	err := a.out.printf("verified %s in %s (%s), from %d of %s to %d of %s: %s",
		plural(int(r.Records), "record"), plural(r.Segments, "file"), size(r.Bytes),
		r.First, r.Since.Local().Format(lineTime), r.Last, r.Until.Local().Format(lineTime), verdict)
	if err != nil || len(r.Faults) > 0 {
		return err
	}
	return a.out.printf("anchor %s", visible(r.Anchor().String()))
}

func describeAudit(r api.AuditReport) jsonAudit {
	d := jsonAudit{
		Whole: len(r.Faults) == 0, Records: r.Records, Files: r.Segments, Bytes: r.Bytes,
		First: r.First, Since: r.Since, Last: r.Last, Until: r.Until, Torn: r.Torn, Faults: []jsonFault{}, More: r.More,
	}
	if r.Records > 0 {
		d.Anchor = r.Anchor().String()
	}
	for _, f := range r.Faults {
		d.Faults = append(d.Faults, jsonFault{Sequence: f.Sequence, File: f.File, Line: f.Line, Kind: f.Kind, Sentence: f.Text})
	}
	return d
}
