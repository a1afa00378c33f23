package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidebank/tidebank/shared/clock"
)

// The exit codes of every command. A command that could do its work, or found nothing
// wrong, exits with 0.
const (
	exitFailed = 1 // the command was refused, or could not do its work
	exitFault  = 2 // a check was carried out and found a fault
)

// exitHelp tells the exit codes in the help of a check.
const exitHelp = `

It exits with 0 if nothing is wrong, with 2 if something is wrong, and with 1 if it could not check.`

// faultError is what a check has found.
type faultError struct{ found error }

func (e *faultError) Error() string { return e.found.Error() }

func (e *faultError) Unwrap() error { return e.found }

// fault marks an error as a check's result.
func fault(found error) error {
	if found == nil {
		return nil
	}
	return &faultError{found}
}

// exitCode is the code for the error of a command; nil is success.
func exitCode(err error) int {
	var found *faultError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &found):
		return exitFault
	}
	return exitFailed
}

// meter prints the progress of long work to standard error, at most every two seconds.
type meter struct {
	out  io.Writer
	last time.Time
}

func newMeter(cmd *cobra.Command) *meter {
	return &meter{out: cmd.ErrOrStderr(), last: clock.System{}.Now()}
}

// say prints a line if the last one is old enough.
func (m *meter) say(format string, args ...any) {
	now := clock.System{}.Now()
	if now.Sub(m.last) < 2*time.Second {
		return
	}
	m.last = now
	_, _ = fmt.Fprintf(m.out, format+"\n", args...) // progress is only a help
}

// printf prints a command's result.
func printf(cmd *cobra.Command, format string, args ...any) error {
	if _, err := fmt.Fprintf(cmd.OutOrStdout(), format, args...); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}
