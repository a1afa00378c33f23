package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cgroup is the cluster's folder in each hierarchy of cgroups. One cluster runs on a
// machine at a time for each folder build/cluster.
func (p paths) cgroup() string {
	return "tidebank-knative-" + strings.Trim(strings.ReplaceAll(p.folder, "/", "-"), "-")
}

// hierarchies lists the mounted hierarchies: one of cgroup v2, or several of v1.
func hierarchies() []string {
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		return []string{"/sys/fs/cgroup"}
	}
	list, _ := filepath.Glob("/sys/fs/cgroup/*/cgroup.procs") // the pattern is well-formed
	var folders []string
	for _, file := range list {
		folders = append(folders, filepath.Dir(file))
	}
	return folders
}

// makeCgroups makes the cluster's own cgroups, below which the kubelet works.
func (p paths) makeCgroups() error {
	for _, h := range hierarchies() {
		dir := filepath.Join(h, p.cgroup())
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("cgroup: %w", err)
		}
		for _, name := range []string{"cpuset.cpus", "cpuset.mems"} { // v1: empty in a new folder
			if text, err := os.ReadFile(filepath.Join(h, name)); err == nil {
				_ = os.WriteFile(filepath.Join(dir, name), text, 0o644) // the kubelet says so if it needs it
			}
		}
		if controllers, err := os.ReadFile(filepath.Join(h, "cgroup.controllers")); err == nil {
			all := "+" + strings.Join(strings.Fields(string(controllers)), " +")
			for _, at := range []string{h, dir} {
				_ = os.WriteFile(filepath.Join(at, "cgroup.subtree_control"), []byte(all), 0o644) // as above
			}
		}
	}
	return nil
}

// sweep ends a cluster and removes all that it has left: its processes, and with them
// its mounts and network links; its cgroups; its data. The logs stay.
func sweep(p paths) error {
	if text, err := os.ReadFile(p.pid()); err == nil {
		if pid, err := strconv.Atoi(string(text)); err == nil && ours(pid) {
			_ = syscall.Kill(pid, syscall.SIGKILL) // the kernel ends all processes of its namespace
			for range 300 {
				if !ours(pid) {
					break
				}
				time.Sleep(100 * time.Millisecond)
			}
		}
	}
	var errs []error
	for _, h := range hierarchies() {
		errs = append(errs, removeCgroups(filepath.Join(h, p.cgroup())))
	}
	for _, left := range []string{p.pid(), p.up(), filepath.Join(p.run(), "containerd"), filepath.Join(p.run(), "registry"), filepath.Join(p.postgres(), "pgdata")} {
		errs = append(errs, os.RemoveAll(left))
	}
	return errors.Join(errs...)
}

// removeCgroups removes a folder of cgroups, the deepest first. The kernel needs a
// moment for the last processes.
func removeCgroups(top string) error {
	var err error
	for range 100 {
		var dirs []string
		_ = filepath.WalkDir(top, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		if len(dirs) == 0 {
			return nil
		}
		for i := len(dirs) - 1; i >= 0; i-- {
			err = syscall.Rmdir(dirs[i])
		}
		if err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("cgroup %s: %w", top, err)
}
