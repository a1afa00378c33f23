package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/events/queue"
	"github.com/tidebank/tidebank/shared/cloud"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/pg"
)

// queueLetters opens the dead letters of SQS.
func queueLetters() (letters queue.Letters, err error) {
	var config cloud.Config
	if err := host.Environment(&config); err != nil {
		return letters, err
	}
	sdk, err := config.SDK()
	if err != nil {
		return letters, err
	}
	return queue.Letters{SQS: sqs.NewFromConfig(sdk), Subscriptions: events.Declared()}, nil
}

// listQueued lists the dead letters of SQS, and shows them to others again.
func listQueued(ctx context.Context, cmd *cobra.Command, letters queue.Letters) error {
	ctx, cancel := context.WithTimeout(ctx, eventsWait)
	defer cancel()
	list, err := letters.Take(ctx, "", eventsListed)
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	if err := letters.Release(ctx, list); err != nil {
		return fmt.Errorf("list: %w", err)
	}
	table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "ID\tTYPE\tCONSUMER\tSENT\tREASON") // Flush returns the error
	for _, l := range list {
		id, kind := l.EventID, l.Type
		if id == "" {
			id, kind = l.MessageID, "(no event)"
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", id, kind, l.Consumer, l.SentAt.UTC().Format(time.RFC3339), l.Reason)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// replayQueued records the operator's order, and then sends the letters to their consumers'
// queues again. It returns the number of letters.
func replayQueued(ctx context.Context, h *host.Host, letters queue.Letters, o replayOrder) (n int64, err error) {
	list, err := letters.Take(ctx, o.id, eventsListed)
	if err != nil {
		return 0, fmt.Errorf("replay: %w", err)
	}
	if len(list) == 0 {
		return 0, fmt.Errorf("replay: %w", errNoAside)
	}
	if err := recordReplay(ctx, h, o); err != nil {
		_ = letters.Release(ctx, list) // they are visible in two minutes in any case
		return 0, err
	}
	for i, l := range list {
		if err := letters.Replay(ctx, l); err != nil {
			_ = letters.Release(ctx, list[i:]) // as above
			return n, fmt.Errorf("replay, after %d: %w", n, err)
		}
		n++
	}
	return n, nil
}

// recordReplay leaves the access record of a replay outside the database.
func recordReplay(ctx context.Context, h *host.Host, o replayOrder) error {
	ctx, record, err := newRecord(ctx, replayFunction, "money", fmt.Sprintf("replayed by %s: %s", o.operator, o.reason))
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	var unit pg.Unit
	if err := events.Emit(ctx, &unit, replayFunction, uuid.Nil, record); err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	if err := h.DB.Commit(ctx, &unit); err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	return nil
}
