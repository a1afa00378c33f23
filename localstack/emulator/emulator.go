// Package emulator runs an emulator of AWS on this machine, without Docker: moto, in a
// Python environment of its own. It makes what the bank needs on AWS from the same list
// as Terraform (infra/aws). It is for tests and for the local bank.
//
// moto stores messages, secrets, keys and objects in memory, and checks no rights: any
// credentials will do. docs/aws.md tells what it proves.
package emulator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/tidebank/tidebank/shared/cloud"
)

// version is the emulator that the tests prove.
const version = "moto[server]==5.2.5"

// Region is where the emulated bank is.
const Region = "eu-central-1"

// Emulator is a running emulator.
type Emulator struct {
	Config cloud.Config
	cmd    *exec.Cmd
	ended  chan struct{}
}

// Install puts the emulator into the folder, if it is not there yet. It needs Python 3
// with venv, and a package index.
func Install(ctx context.Context, folder string, output io.Writer) (program string, err error) {
	folder, err = filepath.Abs(folder)
	if err != nil {
		return "", fmt.Errorf("emulator: %w", err)
	}
	program = filepath.Join(folder, "bin", "moto_server")
	mark := filepath.Join(folder, version) // written last: an installation that was stopped starts again
	if _, err := os.Stat(mark); err == nil {
		return program, nil
	}
	for _, step := range [][]string{
		{"python3", "-m", "venv", folder},
		{filepath.Join(folder, "bin", "pip"), "install", "--quiet", version},
	} {
		cmd := exec.CommandContext(ctx, step[0], step[1:]...) //nolint:gosec // the two steps above
		cmd.Stdout, cmd.Stderr = output, output
		if err := cmd.Run(); err != nil {
			return "", fmt.Errorf("install the emulator (%v; on Debian: apt-get install python3-venv): %w", step, err)
		}
	}
	if err := os.WriteFile(mark, nil, 0o600); err != nil {
		return "", fmt.Errorf("emulator: %w", err)
	}
	return program, nil
}

// Start runs the emulator at a free port of this machine, and returns when it answers.
func Start(ctx context.Context, program string, output io.Writer) (*Emulator, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("emulator: %w", err)
	}
	address := listener.Addr().String()
	_ = listener.Close() // the emulator takes the port
	_, port, _ := net.SplitHostPort(address)
	e := &Emulator{ended: make(chan struct{}), Config: cloud.Config{
		Region: Region, Endpoint: "http://" + address, KeyID: "emulator", SecretKey: "emulator",
	}}
	e.cmd = exec.Command(program, "--host", "127.0.0.1", "--port", port) //nolint:gosec,noctx // our own program; Stop ends it
	e.cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	e.cmd.Stdout, e.cmd.Stderr = output, output
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the bank, which stops the emulator last
	if err := e.cmd.Start(); err != nil {
		return nil, fmt.Errorf("emulator: %w", err)
	}
	go func() {
		_ = e.cmd.Wait() // its log says why it ended
		close(e.ended)
	}()
	if err := e.await(ctx); err != nil {
		e.Stop()
		return nil, err
	}
	return e, nil
}

var errSilent = errors.New("the emulator of AWS does not answer")

func (e *Emulator) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.Config.Endpoint+"/moto-api/data.json", nil)
		if err != nil {
			return fmt.Errorf("emulator: %w", err)
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close() // only the status counts
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-e.ended:
			return fmt.Errorf("%w: it ended", errSilent)
		case <-ctx.Done():
			return errSilent
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Stop ends the emulator.
func (e *Emulator) Stop() {
	_ = e.cmd.Process.Kill() // it keeps nothing
	<-e.ended
}
