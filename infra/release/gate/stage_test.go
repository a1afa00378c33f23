package gate_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tidebank/tidebank/infra/release/gate"
	"github.com/tidebank/tidebank/test/check"
)

// The end of a run ends the programs that its stage has started, and is no fault of the
// stage. The program holds a connection to the test, which ends with it.
func TestAnEndedRunLeavesNoProgram(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check.Must(t, err)
	defer listener.Close() // only the test waits for it
	_, port, err := net.SplitHostPort(listener.Addr().String())
	check.Must(t, err)
	w.plan.Stages[0].Run = fmt.Sprintf("sleep 30 3<>/dev/tcp/127.0.0.1/%s & wait", port)
	w.again(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	made := make(chan error, 1)
	var m gate.Manifest
	go func() {
		var err error
		m, err = gate.Make(ctx, w.order("v1.0.0"))
		made <- err
	}()
	check.Must(t, listener.(*net.TCPListener).SetDeadline(time.Now().Add(20*time.Second)))
	program, err := listener.Accept()
	check.Must(t, err)
	cancel()
	check.Must(t, program.SetReadDeadline(time.Now().Add(10*time.Second)))
	if _, err := program.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the program of the stage still runs: %v", err)
	}
	if err := <-made; !errors.Is(err, context.Canceled) {
		t.Errorf("the run ended with %v", err)
	}
	if len(m.Stages) > 0 {
		t.Errorf("the stage has a result: %v", m.Stages)
	}
}
