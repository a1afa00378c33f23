package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tidebank/tidebank/infra/sealed"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/reseal"
)

var (
	errOldKeys = errors.New("stored texts still need older keys; run tide keys reencrypt")
	errDamaged = errors.New("some stored texts open with no key; compare these rows with a backup")
)

func reencryptCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "reencrypt", Short: "Move every stored text to the keys that write today", Args: cobra.NoArgs,
		Long: `Move every stored text of the purposes storage and credential to the key that writes today. It runs beside the bank.

The command takes 500 rows in each transaction, and never waits for a row that a customer's call has locked. It keeps its
place in the table reseal_progress: run it again after it was stopped, and it goes on there. Several runs share the work.
No clear text leaves its memory. It reads DATABASE_URL and KEYS_FILE. Then run tide keys verify.

It exits with 0 if each text was moved or other runs work on the rest, and with 1 if it was stopped.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := openHost(cmd.Context(), sealed.Purposes()...)
			if err != nil {
				return err
			}
			defer h.Close()
			m, moved := newMeter(cmd), map[string]int64{}
			job := reseal.Job{DB: h.DB, Ring: h.Keys, Columns: sealed.Columns(), Report: func(p reseal.Progress) {
				m.say("%s: read %d rows, moved %d", p.Column, p.Read, p.Resealed)
				moved[p.Column] = p.Resealed
			}}
			if err := job.Run(cmd.Context()); err != nil {
				return err
			}
			for _, column := range job.Columns {
				if err := printf(cmd, "%-26s moved %d\n", column.Name, moved[column.Name]); err != nil {
					return err
				}
			}
			return nil
		},
	}
	return c
}

func keysVerifyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "verify", Short: "Open every stored text, and count which key each needs", Args: cobra.NoArgs,
		Long: `Open every stored text, and count by column which key it needs. Count by which key each record has its MAC. It changes
nothing.

A text of an older key than the one that writes today is a fault, and so is a text that no key opens. Peppers and the MACs
of records stay under their keys; these lines show which old keys the bank still needs. It reads DATABASE_URL and
KEYS_FILE.` + exitHelp,
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := openHost(cmd.Context(), sealed.Purposes()...)
			if err != nil {
				return err
			}
			defer h.Close()
			all, err := allUses(cmd, h)
			if err != nil {
				return err
			}
			return judge(cmd, h.Keys, all)
		},
	}
}

// judge prints what needs which key, and returns the faults.
func judge(cmd *cobra.Command, ring *keys.Ring, all []reseal.Use) error {
	writes := map[string]bool{}
	for _, p := range sealed.Moved() {
		id, err := ring.WritesWith(p)
		if err != nil {
			return err
		}
		writes[id] = true
	}
	var old, damaged int64
	for _, u := range all {
		note := ""
		switch {
		case u.Damaged > 0:
			note = fmt.Sprintf("%d do not open", u.Damaged)
		case u.Key == "":
			note = "stored without a key by an earlier release"
		case sealed.Moves(u.Key) && !writes[u.Key]:
			note = "an older key"
			old += u.Rows
		}
		damaged += u.Damaged
		if err := printf(cmd, "%-26s %-14s %10d rows  %s\n", u.Column, u.Key, u.Rows, note); err != nil {
			return err
		}
	}
	switch {
	case damaged > 0:
		return fault(fmt.Errorf("%w: %d", errDamaged, damaged))
	case old > 0:
		return fault(fmt.Errorf("%w: %d rows", errOldKeys, old))
	}
	return printf(cmd, "Every stored text opens, and none needs an older key.\n")
}
