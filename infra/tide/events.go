package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/events/broker"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/pg"
)

const (
	replayFunction = "tide-events-replay" // the function's name in the access record
	eventsWait     = 30 * time.Second     // bounds a command
	eventsListed   = 200
)

// Refusals of a command line.
var (
	errWhich   = errors.New("name one event with --id, or all with --all")
	errID      = errors.New("--id is not the id of an event")
	errQueued  = errors.New("--sqs is for dead letters: use it with --dead")
	errNoAside = errors.New("no such event is set aside, or is a dead letter of at most 30 days")
)

// eventsCommand holds the commands about events that the relay has set aside.
func eventsCommand() *cobra.Command {
	parent := group("events", "Handle events that could not be published or delivered")
	parent.AddCommand(listCommand(), replayCommand())
	return parent
}

func listCommand() *cobra.Command {
	var dead, queued bool
	list := &cobra.Command{
		Use: "list [--dead [--sqs]]", Short: "List the events that the relay has set aside, the oldest first", Args: cobra.NoArgs,
		Long: `List the events that the relay has set aside, the oldest first, at most 200.

Each line has the id, the type, the times of the event and of its setting aside, the
number of attempts and the reason of the last failure. It reads DATABASE_URL.

An event that the relay has published and a consumer fails to take is a dead letter.
--dead lists the dead letters of the platform's broker and those of the bank's own broker,
which runs in the local bank and on OpenFaaS. "events replay --dead" sends both again.

Where SNS and SQS are the broker, --dead --sqs lists the dead letters of the consumers'
queues instead. It reads AWS' settings (docs/configuration.md), and not the database.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case queued && !dead:
				return errQueued
			case queued:
				letters, err := queueLetters()
				if err != nil {
					return err
				}
				return listQueued(cmd.Context(), cmd, letters)
			case dead:
				return withEvents(cmd, listDead)
			}
			return withEvents(cmd, listAside)
		},
	}
	list.Flags().BoolVar(&dead, "dead", false, "list the dead letters")
	list.Flags().BoolVar(&queued, "sqs", false, "those of the queues of SQS")
	return list
}

func replayCommand() *cobra.Command {
	var o replayOrder
	replay := &cobra.Command{
		Use: "replay [--dead [--sqs]] {--id ID | --all} --reason TEXT --operator NAME", Args: cobra.NoArgs,
		Short: "Let the relay publish events again that it has set aside, or dead letters",
		Long: `Let the relay publish events again that it has set aside, or with --dead those that a
consumer failed to take. Each event has all its attempts again. Mend the cause first: the
list names it. All consumers get the event; one that has had its effect has no second one.
Consumers take no event that is older than 30 days, so it stays a dead letter.

The command leaves an access record in the same transaction: operator, reason, time
and this computer's name. It reads DATABASE_URL.

With --dead --sqs, dead letters of SQS go to the queues of their consumers again, at most
200 at once. The access record is written first. The command also reads AWS' settings.`,
		Example: `  go run ./infra/tide events replay --all --reason "the broker takes large events now" --operator wang`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			return withEvents(cmd, func(ctx context.Context, cmd *cobra.Command, h *host.Host) error {
				n, err := o.replay(ctx, h)
				if err != nil {
					return err
				}
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%d will be published again.\n", n); err != nil {
					return fmt.Errorf("print: %w", err)
				}
				return nil
			})
		},
	}
	replay.Flags().StringVar(&o.id, "id", "", "id of one event")
	replay.Flags().BoolVar(&o.all, "all", false, "all events of the list")
	replay.Flags().BoolVar(&o.dead, "dead", false, "replay dead letters, of the platform's broker and of the bank's own")
	replay.Flags().BoolVar(&o.queued, "sqs", false, "those of the queues of SQS")
	requireFlag(replay, &o.reason, "reason", "reason for publishing again, for audit")
	requireFlag(replay, &o.operator, "operator", "name of the operator who decides, for audit")
	return replay
}

// withEvents opens the database for a command.
func withEvents(cmd *cobra.Command, work func(context.Context, *cobra.Command, *host.Host) error) error {
	h, err := openHost(cmd.Context())
	if err != nil {
		return err
	}
	defer h.Close()
	ctx, cancel := context.WithTimeout(cmd.Context(), eventsWait)
	defer cancel()
	return work(ctx, cmd, h)
}

func listAside(ctx context.Context, cmd *cobra.Command, h *host.Host) error {
	list, err := events.ListAside(ctx, h.DB, eventsListed)
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "ID\tTYPE\tCREATED\tSET ASIDE\tATTEMPTS\tREASON") // Flush returns the error
	for _, e := range list {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\n", e.ID, e.Type, e.CreatedAt.UTC().Format(time.RFC3339),
			e.SetAsideAt.UTC().Format(time.RFC3339), e.Attempts, e.Reason)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// listDead lists the dead letters of the platform's broker and of the bank's own broker.
func listDead(ctx context.Context, cmd *cobra.Command, h *host.Host) error {
	letters, err := events.Letters(ctx, h.DB, eventsListed)
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	list, err := broker.ListDead(ctx, h.DB.Reader(), eventsListed)
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "ID\tTYPE\tCONSUMER\tATTEMPTS\tREASON") // Flush returns the error
	for _, l := range letters {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%d\tanswered %d at %s\n", l.EventID, l.Type, l.Consumer, l.Deaths, l.Status,
			l.FailedAt.UTC().Format(time.RFC3339))
	}
	for _, d := range list {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%d\town broker: %s\n", d.EventID, d.Type, d.Consumer, d.Attempts, d.LastError)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// replayOrder holds the operator's arguments.
type replayOrder struct {
	id               string
	all, dead        bool
	queued           bool // dead letters of SQS
	reason, operator string
}

func (o replayOrder) check() error {
	switch {
	case (o.id == "") != o.all:
		return errWhich
	case o.id != "" && uuid.Validate(o.id) != nil:
		return errID
	case o.queued && !o.dead:
		return errQueued
	case !plain(o.reason, 200):
		return errReason
	case !plain(o.operator, 64):
		return errOperator
	}
	return nil
}

// replay carries out the order.
func (o replayOrder) replay(ctx context.Context, h *host.Host) (int64, error) {
	if !o.queued {
		return replayEvents(ctx, h, o)
	}
	letters, err := queueLetters() //nolint:contextcheck // a wait for a secret has its own bound
	if err != nil {
		return 0, err
	}
	return replayQueued(ctx, h, letters, o)
}

// replayEvents gives the events back to the relay, and emits the access record in the
// same transaction. It returns the number of events.
func replayEvents(ctx context.Context, h *host.Host, o replayOrder) (n int64, err error) {
	ctx, record, err := newRecord(ctx, replayFunction, "money", fmt.Sprintf("replayed by %s: %s", o.operator, o.reason))
	if err != nil {
		return 0, fmt.Errorf("replay: %w", err)
	}
	again := events.ReplayAside
	if o.dead {
		again = replayDead
	}
	err = h.DB.InTx(ctx, func(ctx context.Context, tx pg.Tx) error {
		if n, err = again(ctx, tx, o.id); err != nil {
			return err
		}
		if n == 0 {
			return errNoAside
		}
		return events.Emit(ctx, tx, replayFunction, uuid.Nil, record)
	})
	if err != nil {
		return 0, fmt.Errorf("replay: %w", err)
	}
	return n, nil
}

// replayDead replays dead letters of both brokers. The bank's own broker delivers to the
// one consumer that failed.
func replayDead(ctx context.Context, tx pg.Tx, id string) (int64, error) {
	published, err := events.ReplayLetters(ctx, tx, id)
	if err != nil {
		return 0, err
	}
	delivered, err := broker.ReplayDead(ctx, tx, "", id)
	return published + delivered, err
}
