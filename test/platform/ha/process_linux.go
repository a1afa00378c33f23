package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is how a part is started. It runs in a folder of its own. So the processes
// that it starts itself are found by their folder, also when it has ended.
type process struct {
	dir  string // below it: the log
	args []string
	env  []string
	who  *syscall.Credential // nil: the same user
}

// start starts a process, which ends with this program.
func (p process) start() error {
	if err := p.folder(p.dir); err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(p.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("log: %w", err)
	}
	defer log.Close() // the process has its own copy
	cmd := exec.Command(p.args[0], p.args[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.dir, log, log
	cmd.Env = append(os.Environ(), p.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.who, Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", p.args[0], err)
	}
	go cmd.Wait() //nolint:errcheck // the drills end processes
	return nil
}

// folder makes a folder that belongs to the process's user.
func (p process) folder(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return fmt.Errorf("folder: %w", err)
	}
	if p.who == nil {
		return nil
	}
	if err := os.Chown(path, int(p.who.Uid), int(p.who.Gid)); err != nil {
		return fmt.Errorf("folder: %w", err)
	}
	return nil
}

// below lists the processes whose folder is dir or below it.
func below(dir string) (pids []int) {
	links, _ := filepath.Glob("/proc/[0-9]*/cwd") // the pattern is good
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil || target != dir && !strings.HasPrefix(target, dir+"/") {
			continue
		}
		if pid, err := strconv.Atoi(strings.Split(link, "/")[2]); err == nil && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids
}

// strike sends a signal to every process below a folder.
func strike(dir string, signal syscall.Signal) {
	for _, pid := range below(dir) {
		_ = syscall.Kill(pid, signal) // it may have ended
	}
}

// kill ends every process below a folder at once, and waits until they are gone.
func kill(dir string) {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if len(below(dir)) == 0 {
			return
		}
		strike(dir, syscall.SIGKILL)
		time.Sleep(10 * time.Millisecond)
	}
}
