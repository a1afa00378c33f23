package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tidebank/tidebank/test/platform/record"
)

// outside is the outer process: it builds, starts the namespaces, runs the checks in
// them, and cleans up, whatever happens.
func outside(ctx context.Context, o options) error {
	folder, err := filepath.Abs(o.folder)
	if err != nil {
		return err
	}
	p := paths{folder}
	first, kept := p.kept()
	if o.down || !kept {
		if err := sweep(p); err != nil {
			return err
		}
	}
	if o.down {
		say("the cluster is down")
		return nil
	}
	if !kept {
		source, err := record.Source(ctx, p.repository())
		if err != nil {
			return err
		}
		if err := errors.Join(os.RemoveAll(p.run()), os.MkdirAll(p.logs(), 0o755)); err != nil {
			return err
		}
		if err := build(ctx, p); err != nil {
			return err
		}
		if err := os.WriteFile(p.built(), []byte(source), 0o644); err != nil {
			return err
		}
		if first, err = launch(ctx, p, o.keep); err != nil {
			return errors.Join(err, sweep(p))
		}
	}
	err = checksIn(ctx, p, first, o.only)
	if o.keep && ctx.Err() == nil {
		say("the cluster stays up; make test-knative ARGS=--down ends it")
		say("look at it:  nsenter -t %d -n -m -p env KUBECONFIG=%s %s/kube/kubectl get ksvc -A", first, p.kubeconfig(), p.bin())
		return err
	}
	return errors.Join(err, sweep(p))
}

// launch starts the node in namespaces of its own and waits until it is up.
func launch(ctx context.Context, p paths, keep bool) (pid int, err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	log, err := os.Create(filepath.Join(p.logs(), "node.log"))
	if err != nil {
		return 0, err
	}
	defer log.Close()                                   // the child has its own
	cmd := exec.Command(self, partInit, self, p.folder) // not of ctx: sweep ends it
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		Setsid:     true, // Ctrl-C comes to the outer process only
	}
	if !keep {
		runtime.LockOSThread() // the signal comes when the thread ends that has started the child
		cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	}
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("namespaces: %w", err)
	}
	pid = cmd.Process.Pid
	if err := os.WriteFile(p.pid(), []byte(strconv.Itoa(pid)), 0o644); err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	return pid, awaitUp(ctx, p, ended)
}

const upWithin = 10 * time.Minute

// awaitUp passes on what the node says, until it is up.
func awaitUp(ctx context.Context, p paths, ended <-chan error) error {
	ctx, cancel := context.WithTimeout(ctx, upWithin)
	defer cancel()
	shown := 0
	for {
		text, _ := os.ReadFile(filepath.Join(p.logs(), "node.log"))
		if end := strings.LastIndexByte(string(text), '\n') + 1; end > shown {
			for line := range strings.Lines(string(text[shown:end])) {
				say("  node: %s", strings.TrimSpace(line))
			}
			shown = end
		}
		if _, err := os.Stat(p.up()); err == nil {
			return nil
		}
		select {
		case err := <-ended:
			return fmt.Errorf("the node ended (logs in %s): %w", p.logs(), errors.Join(err, errNodeEnded))
		case <-ctx.Done():
			return fmt.Errorf("the node is not up (logs in %s): %w", p.logs(), ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

var errNodeEnded = errors.New("it stopped by itself")

// checksIn runs the checks in the namespaces of the process first.
func checksIn(ctx context.Context, p paths, first int, only []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args := append([]string{
		"-t", strconv.Itoa(first), "-n", "-m", "-p", "-u", "-i", self, partChecks, p.folder,
	}, only...)
	cmd := exec.CommandContext(ctx, "nsenter", args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && ctx.Err() == nil {
		return errChecksFailed // the lines are printed
	}
	return err
}

var errChecksFailed = errors.New("a check failed")

// paths are the places in build/cluster.
type paths struct{ folder string }

func (p paths) bin() string        { return filepath.Join(p.folder, "bin") }
func (p paths) debian() string     { return filepath.Join(p.folder, "debian") }
func (p paths) images() string     { return filepath.Join(p.folder, "images") }
func (p paths) next() string       { return filepath.Join(p.folder, "next") } // the source of the next release
func (p paths) nextImages() string { return filepath.Join(p.folder, "next-images") }
func (p paths) postgres() string   { return filepath.Join(p.folder, "postgres") }
func (p paths) run() string        { return filepath.Join(p.folder, "run") }
func (p paths) logs() string       { return filepath.Join(p.run(), "log") }
func (p paths) pid() string        { return filepath.Join(p.run(), "pid") }
func (p paths) up() string         { return filepath.Join(p.run(), "up") }
func (p paths) kubeconfig() string { return filepath.Join(p.run(), "kubeconfig") }
func (p paths) built() string      { return filepath.Join(p.run(), "source") }
func (p paths) keys() string       { return filepath.Join(p.run(), "keys.json") }
func (p paths) digests() string    { return filepath.Join(p.logs(), "registry.log") }
func (p paths) repository() string { return filepath.Dir(filepath.Dir(p.folder)) }
func (p paths) program(name string) string {
	return filepath.Join(p.bin(), name)
}

// kept is the first process of a cluster that is up.
func (p paths) kept() (pid int, ok bool) {
	text, err := os.ReadFile(p.pid())
	if err != nil {
		return 0, false
	}
	if pid, err = strconv.Atoi(string(text)); err != nil || !ours(pid) {
		return 0, false
	}
	_, err = os.Stat(p.up())
	return pid, err == nil
}

// ours reports whether a process is a cluster's first process.
func ours(pid int) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && strings.Contains(string(line), "\x00"+partInit+"\x00")
}
