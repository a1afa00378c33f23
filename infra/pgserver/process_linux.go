package pgserver

import "syscall"

// attributes of the server's process. It has its own process group: Ctrl-C reaches this
// process first, and this process stops the server last. If this process is killed, the
// server gets SIGINT.
func attributes(who *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: who, Setpgid: true, Pdeathsig: syscall.SIGINT}
}
