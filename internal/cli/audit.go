package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"albatross/internal/api"
)

// auditOptions are the flags of audit.
type auditOptions struct {
	count       int
	since       string
	certificate string
}

func (a *app) auditCommand() *cobra.Command {
	var o auditOptions
	c := &cobra.Command{
		Use:   "audit [flags] [NAME | PATH]",
		Short: "Tell who asked for what from afar, and what came of it",
		Long: `Audit tells which commands came from afar: about one unikernel or block device,
those at and below a PATH, which ends in a dot, or all; when, from which
address, by which chain of certificates, what was asked for and what came of
it. The records are chained by hashes; audit verify tells whether they are as
they were written. With --json they are the lines of the log themselves.

For what is called verify itself, say :verify.`,
		Example: `  albatross audit
  albatross audit --since 24h shop.
  albatross audit --certificate alice --json`,
		Args:              arguments(0, 1, "one NAME or PATH"),
		ValidArgsFunction: a.completeOf,
		RunE: func(c *cobra.Command, args []string) error {
			of := "."
			if len(args) == 1 {
				of = args[0]
			}
			return a.audit(c.Context(), of, o, c.Flags().Changed("count"))
		},
	}
	c.Flags().IntVar(&o.count, "count", 100, "begin with the last `N` records; 0: with all that are kept")
	c.Flags().StringVar(&o.since, "since", "", "begin with the records since `TIME`: "+sinceHelp)
	c.Flags().StringVar(&o.certificate, "certificate", "", "only what was asked for by chains with a certificate of this common `NAME`")
	a.jsonFlag(c, "each record")
	verify := a.auditVerifyCommand()
	completeFlags(verify, verify.Flags())
	c.AddCommand(verify)
	return c
}

func (a *app) audit(ctx context.Context, of string, o auditOptions, counted bool) error {
	n, err := parseNameOrPath(of)
	if err != nil {
		return err
	}
	w := api.AuditWanted{Count: o.count, Subject: o.certificate}
	if w.Since, err = a.beginning(o.count, counted, o.since); err != nil {
		return err
	}
	told := 0
	err = a.client().Audit(ctx, n, w, func(r api.AuditRecord, line []byte) error {
		told++
		if a.json {
			return a.out.printf("%s", line)
		}
		return a.printRecord(r)
	})
	if err != nil || told > 0 || a.json {
		return err
	}
	return a.err.printf("nothing is recorded of %s", n)
}

func (a *app) printRecord(r api.AuditRecord) error {
	when := strings.Repeat("-", len(lineTime))
	if !r.Time.IsZero() {
		when = r.Time.Local().Format(lineTime)
	}
	outcome := a.out.paint(outcomeColour(r.Outcome), fmt.Sprintf("%-8s", visible(r.Outcome)))
	return a.out.printf("%s  %s  %s", when, outcome, asking(r))
}

// asking tells who asked for what: "create shop.www by www < shop from 192.0.2.1:4711:
// the sentence".
func asking(r api.AuditRecord) string {
	var words []string
	if r.Command != "" {
		words = append(words, visible(r.Command))
	}
	if r.Name != nil {
		words = append(words, r.Name.String())
	}
	var subjects []string
	for _, l := range r.Chain {
		subjects = append(subjects, orUnknown(visible(l.Subject)))
	}
	if len(subjects) > 0 {
		words = append(words, "by", strings.Join(subjects, " < "))
	}
	if r.Peer != "" {
		words = append(words, "from", visible(r.Peer))
	}
	who := strings.Join(words, " ")
	switch text := visible(r.Text); {
	case text == "":
		return who
	case who == "":
		return text
	default:
		return who + ": " + text
	}
}

// outcomeColour is red for what somebody may have to look at.
func outcomeColour(outcome string) colour {
	switch outcome {
	case api.AuditRefused, api.AuditFailed, api.AuditDamaged:
		return red
	case api.AuditDone, api.AuditBegun:
		return green
	}
	return yellow
}
