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
	errNoAside = errors.New("no such event is set aside")
	errNoDead  = errors.New("there is no such dead letter")
	errOneOf   = errors.New("--consumer names the consumer of dead letters: add --dead")
)

// eventsCommand holds the commands about events that the relay has set aside.
func eventsCommand() *cobra.Command {
	var dead bool
	list := &cobra.Command{
		Use: "list [--dead]", Short: "List the events that the relay has set aside, the oldest first", Args: cobra.NoArgs,
		Long: `List the events that the relay has set aside, the oldest first, at most 200.

Each line has the id, the type, the times of the event and of its setting aside, the
number of attempts and the reason of the last failure. It reads DATABASE_URL.

An event that the relay has published and a consumer refuses is a dead letter of the
broker. The platform's broker keeps its own dead letters. The bank's own broker (the local
bank, and OpenFaaS) keeps them in the same database: --dead lists them, and
"events replay --dead" delivers them again.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dead {
				return withEvents(cmd, listDead)
			}
			return withEvents(cmd, listAside)
		},
	}
	list.Flags().BoolVar(&dead, "dead", false, "list the dead letters of the bank's own broker")
	var o replayOrder
	again := &cobra.Command{
		Use: "replay {--id ID | --all} [--dead [--consumer NAME]] --reason TEXT --operator NAME", Args: cobra.NoArgs,
		Short: "Let the relay publish events again that it has set aside",
		Long: `Let the relay publish events again that it has set aside. Each event has all its
attempts again. Mend the cause first: the list names it. With --dead, the bank's own broker
delivers its dead letters again.

The command leaves an access record in the same transaction: operator, reason, time
and this computer's name. It reads DATABASE_URL.`,
		Example: `  go run ./infra/tide events replay --all --reason "the broker takes large events now" --operator wang`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			return withEvents(cmd, func(ctx context.Context, cmd *cobra.Command, h *host.Host) error {
				n, err := replay(ctx, h, o)
				if err != nil {
					return err
				}
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%d events will be sent.\n", n); err != nil {
					return fmt.Errorf("print: %w", err)
				}
				return nil
			})
		},
	}
	again.Flags().StringVar(&o.id, "id", "", "id of one event")
	again.Flags().BoolVar(&o.all, "all", false, "all events that are set aside, or all dead letters")
	again.Flags().BoolVar(&o.dead, "dead", false, "dead letters of the bank's own broker, not events that are set aside")
	again.Flags().StringVar(&o.consumer, "consumer", "", "only the dead letters of this event function")
	requireFlag(again, &o.reason, "reason", "reason for publishing again, for audit")
	requireFlag(again, &o.operator, "operator", "name of the operator who decides, for audit")
	parent := group("events", "Handle events that could not be published")
	parent.AddCommand(list, again)
	return parent
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

// listDead lists the dead letters of the bank's own broker.
func listDead(ctx context.Context, cmd *cobra.Command, h *host.Host) error {
	list, err := broker.ListDead(ctx, h.DB.Reader(), eventsListed)
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "ID\tTYPE\tCONSUMER\tATTEMPTS\tREASON") // Flush returns the error
	for _, d := range list {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\n", d.EventID, d.Type, d.Consumer, d.Attempts, d.LastError)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// replayOrder holds the operator's arguments.
type replayOrder struct {
	id               string
	all              bool
	dead             bool
	consumer         string // of dead letters; all if empty
	reason, operator string
}

func (o replayOrder) check() error {
	switch {
	case (o.id == "") != o.all:
		return errWhich
	case o.id != "" && uuid.Validate(o.id) != nil:
		return errID
	case o.consumer != "" && !o.dead:
		return errOneOf
	case !plain(o.reason, 200):
		return errReason
	case !plain(o.operator, 64):
		return errOperator
	}
	return nil
}

// replay gives the events back to the relay or to the bank's own broker, and emits the
// access record in the same transaction. It returns the number of events.
func replay(ctx context.Context, h *host.Host, o replayOrder) (n int64, err error) {
	ctx, record, err := newRecord(ctx, replayFunction, "money", fmt.Sprintf("replayed by %s: %s", o.operator, o.reason))
	if err != nil {
		return 0, fmt.Errorf("replay: %w", err)
	}
	err = h.DB.InTx(ctx, func(ctx context.Context, tx pg.Tx) error {
		none := errNoAside
		if o.dead {
			none = errNoDead
			n, err = broker.ReplayDead(ctx, tx, o.consumer, o.id)
		} else {
			n, err = events.ReplayAside(ctx, tx, o.id)
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return none
		}
		return events.Emit(ctx, tx, replayFunction, uuid.Nil, record)
	})
	if err != nil {
		return 0, fmt.Errorf("replay: %w", err)
	}
	return n, nil
}
