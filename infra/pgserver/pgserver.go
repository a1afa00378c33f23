// Package pgserver finds PostgreSQL programs on the machine and runs a separate
// server with them, for the local bank, tests and benchmarks.
//
// It looks in PATH and in Debian's /usr/lib/postgresql, newest version first, for
// version 15 or newer. If it finds none, it downloads the programs. It never touches
// data that another major version has made. If the process is root, the server runs as
// the user postgres or nobody, because PostgreSQL refuses root. After a killed process,
// the next start recovers the data directory.
package pgserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Config is the configuration of a server.
type Config struct {
	Dir        string            // parent of the data directory; made if missing
	Settings   map[string]string // postgresql.conf settings, e.g. fsync=off for tests
	Log        io.Writer         // the server's output; discarded if nil
	Persistent bool              // keep the data when stopped
}

// Server is a running PostgreSQL.
type Server struct {
	dir  string
	port int
	bin  string
	proc *exec.Cmd
	done chan struct{} // closed when the process has ended
	keep bool
}

var errStopped = errors.New("pgserver: PostgreSQL stopped while starting")

const (
	startWithin = 60 * time.Second
	startTries  = 10
	startPause  = 300 * time.Millisecond
)

// Start runs a server and returns once it answers.
func Start(ctx context.Context, config Config) (*Server, error) {
	bin, err := programs(ctx, config)
	if err != nil {
		return nil, err
	}
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	s := &Server{dir: config.Dir, port: port, bin: bin, keep: config.Persistent}
	who, err := unprivileged()
	if err != nil {
		return nil, err
	}
	if err := s.prepare(ctx, who); err != nil {
		return nil, err
	}
	// A killed server's children may hold its memory a little longer. Then the new
	// server ends at once, and Start starts it again.
	for tries := 0; ; tries++ {
		if err := s.launch(config, who); err != nil {
			return nil, err
		}
		err := s.await(ctx)
		if err == nil {
			return s, nil
		}
		if !errors.Is(err, errStopped) || tries == startTries {
			return nil, errors.Join(withOutput(err, config.Log), s.Stop())
		}
		select {
		case <-ctx.Done():
		case <-time.After(startPause):
		}
	}
}

// withOutput adds to an error what the server has written last, if that is in a file.
func withOutput(err error, log io.Writer) error {
	file, ok := log.(*os.File)
	if !ok {
		return err
	}
	text, failed := os.ReadFile(file.Name())
	if failed != nil {
		return err
	}
	const most = 1500
	last := strings.TrimSpace(string(text[max(0, len(text)-most):]))
	return fmt.Errorf("%w; its last lines in %s:\n%s", err, file.Name(), last)
}

// URL is the address of one of the server's databases.
func (s *Server) URL(database string) string {
	// Data of the first releases asks for this password; later data asks for none.
	return fmt.Sprintf("postgres://postgres:postgres@127.0.0.1:%d/%s?sslmode=disable", s.port, database)
}

// Port is the server's port on 127.0.0.1.
func (s *Server) Port() int { return s.port }

// PID is the id of the server's main process.
func (s *Server) PID() int { return s.proc.Process.Pid }

// Stop ends the server. It removes the data unless the configuration says Persistent.
func (s *Server) Stop() error {
	err := s.end()
	if !s.keep {
		err = errors.Join(err, os.RemoveAll(s.data()))
	}
	return err
}

func (s *Server) end() error {
	if err := s.proc.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) { // fast shutdown
		return fmt.Errorf("stop PostgreSQL: %w", err)
	}
	select {
	case <-s.done:
		return nil
	case <-time.After(20 * time.Second):
		return s.proc.Process.Kill() //nolint:wrapcheck // the error names the step already
	}
}

func (s *Server) data() string { return dataOf(s.dir) }

func dataOf(dir string) string { return filepath.Join(dir, "pgdata") }

// unprivileged returns the user that runs the server; nil means the user of this
// process.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // nil means that the user does not change
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, errors.New("pgserver: running as root, and neither user postgres nor nobody exists to run PostgreSQL")
}

// prepare makes the data directory if it is missing. The user that runs the server
// owns it.
func (s *Server) prepare(ctx context.Context, who *syscall.Credential) error {
	if err := os.MkdirAll(s.data(), 0o700); err != nil {
		return fmt.Errorf("pgserver: %w", err)
	}
	if who != nil {
		if err := os.Chown(s.data(), int(who.Uid), int(who.Gid)); err != nil {
			return fmt.Errorf("pgserver: %w", err)
		}
		if err := reachable(s.data()); err != nil {
			return err
		}
	}
	if _, err := os.Stat(filepath.Join(s.data(), "PG_VERSION")); err == nil {
		return nil
	}
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "initdb"), "-D", s.data(), "-U", "postgres", //nolint:gosec // found above
		"-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pgserver: initdb: %w\n%s", err, out)
	}
	return nil
}

// reachable lets the unprivileged user enter, but not list, our own folders above the
// data directory.
func reachable(path string) error {
	for dir := filepath.Dir(path); dir != "/" && dir != "."; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return fmt.Errorf("pgserver: %w", err)
		}
		if info.Mode().Perm()&0o001 != 0 {
			continue
		}
		if err := os.Chmod(dir, info.Mode().Perm()|0o011); err != nil {
			return fmt.Errorf("pgserver: %w", err)
		}
	}
	return nil
}

func (s *Server) launch(config Config, who *syscall.Credential) error {
	args := []string{
		"-D", s.data(), "-p", strconv.Itoa(s.port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
	}
	for name, value := range config.Settings {
		args = append(args, "-c", name+"="+value)
	}
	s.proc = exec.Command(filepath.Join(s.bin, "postgres"), args...) //nolint:gosec,noctx // the server outlives ctx; Stop ends it
	s.proc.Dir = "/"
	s.proc.SysProcAttr = attributes(who)
	s.proc.Stdout, s.proc.Stderr = config.Log, config.Log
	if err := s.proc.Start(); err != nil {
		return fmt.Errorf("pgserver: %w", err)
	}
	proc, done := s.proc, make(chan struct{})
	s.done = done
	go func() {
		_ = proc.Wait() // the process state holds the result
		close(done)
	}()
	return nil
}

func (s *Server) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	for {
		if err := ping(ctx, s.URL("postgres")); err == nil {
			return nil
		}
		select {
		case <-s.done:
			return fmt.Errorf("%w: %v", errStopped, s.proc.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("pgserver: PostgreSQL did not start: %w", ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func freePort(ctx context.Context) (int, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("pgserver: %w", err)
	}
	defer l.Close() // only the port number is needed
	address, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return 0, errors.New("pgserver: no TCP port")
	}
	return address.Port, nil
}
