package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
)

// kubectl runs kubectl with a text as its input, and returns what it prints.
func (p paths) kubectl(ctx context.Context, input string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, p.program("kube/kubectl"), args...)
	cmd.Env, cmd.Stdin = p.environment(), strings.NewReader(input)
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(problem.String()))
	}
	return out.String(), nil
}

// apply applies documents by the server's own merge.
func (p paths) apply(ctx context.Context, documents string) error {
	_, err := p.kubectl(ctx, documents, "apply", "--server-side", "--force-conflicts", "-f", "-")
	return err
}

// get reads objects as JSON into a value.
func (p paths) get(ctx context.Context, into any, args ...string) error {
	text, err := p.kubectl(ctx, "", append([]string{"get", "-o", "json"}, args...)...)
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(text), into)
}
