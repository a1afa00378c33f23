package manifests

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// wanted lists the keys of Secrets that the processes of an overlay need, with their readers:
// "tidebank-redis/url" → transfer-confirm, …. A mounted Secret is wanted by its key file.
func wanted(objects []runtime.Object) (keys map[string][]string, optional map[string]bool) {
	keys, optional = map[string][]string{}, map[string]bool{}
	for name, pod := range podSpecs(objects) {
		for _, e := range pod.Containers[0].Env {
			if e.ValueFrom == nil || e.ValueFrom.SecretKeyRef == nil {
				continue
			}
			ref := e.ValueFrom.SecretKeyRef
			at := ref.Name + "/" + ref.Key
			keys[at] = append(keys[at], name)
			if ref.Optional != nil && *ref.Optional {
				optional[at] = true
			}
		}
		for _, v := range pod.Volumes {
			if v.Secret != nil {
				keys[v.Secret.SecretName+"/keys.json"] = append(keys[v.Secret.SecretName+"/keys.json"], name)
			}
		}
	}
	return keys, optional
}

// The page names each key of each Secret with its readers, and no other.
func TestThePageListsTheSecrets(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(root, "docs/secrets.md"))
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]string{} // readers by key
	for line := range strings.Lines(string(page)) {
		if cells := strings.Split(line, "|"); len(cells) == 6 {
			listed[strings.TrimSpace(cells[1])+"/"+strings.TrimSpace(cells[2])] = cells[4]
		}
	}
	keys, optional := wanted(rendered(t, "overlays/prod"))
	rows := map[string]bool{}
	for at, readers := range keys {
		secret, key, _ := strings.Cut(at, "/")
		row := "`" + secret + "`/`" + key + "`"
		switch {
		case optional[at]:
			row = "`" + secret + "` (optional)/`" + key + "`"
		case secret == "tidebank-database" && key != "migrate":
			row = "`tidebank-database`/the name of the process"
		case strings.HasPrefix(secret, "tidebank-keys-"):
			row = "`tidebank-keys-` and the name of the process/`keys.json`, and `receiver.key` for an exported file"
		}
		rows[row] = true
		for _, reader := range readers {
			if !strings.Contains(listed[row], "`"+reader+"`") {
				t.Errorf("the row %s does not name %s", row, reader)
			}
		}
	}
	if want := len(rows) + 2; len(listed) != want { // the head and the line below it
		t.Errorf("the table has %d rows, want %d: %v", len(listed), want, listed)
	}
}

// stub notes what it is asked, and writes the file that it is asked for.
const stub = `#!/usr/bin/env bash
echo "${0##*/} $*" >>"$NOTES"
case "${0##*/} $*" in
openssl*) echo 0123456789abcdef ;;
"go run ./infra/tide keys seal"*) echo '{}' >"${@: -1}" ;;
"go run ./infra/tide keys export"*)
  mkdir -p key-files
  for p in $(sed -n 's/.*secretName: tidebank-keys-\([a-z-]*\),.*/\1/p' infra/knative/base/*.yaml); do echo '{}' >"key-files/$p.json"; done ;;
kubectl*--dry-run*) for a; do [[ $a != --from-file=*=* ]] || [[ -s ${a##*=} ]] || { echo "no ${a##*=}" >&2; exit 1; }; done ;;
"aws secretsmanager"*) file=${@: -1}; [[ -s ${file#file://} ]] || { echo "no $file" >&2; exit 1; } ;;
esac
`

// commands runs the first lines of docs/secrets.md and those of one part, with stubs in the
// place of the programs. It returns what these were asked.
func commands(t *testing.T, part string) []string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(root, "docs/secrets.md"))
	if err != nil {
		t.Fatal(err)
	}
	block := func(head string) string {
		_, text, _ := strings.Cut(string(page), "\n## "+head+"\n")
		_, text, _ = strings.Cut(text, "\n```sh\n")
		text, _, found := strings.Cut(text, "\n```\n")
		if !found {
			t.Fatalf("%s has no commands", head)
		}
		return text
	}
	dir := t.TempDir()
	base, err := filepath.Abs(filepath.Join(root, "infra"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(base, filepath.Join(dir, "infra")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"kubectl", "aws", "go", "psql", "openssl"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(stub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	rest := `for name in redis-url sms-url sms-secret face-url face-secret; do echo x >"values/tidebank-$name"; done`
	script := strings.Join([]string{block("Make the values"), rest, "touch receiver.key", block(part)}, "\n")
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "NOTES=" + filepath.Join(dir, "notes"), "pin=1234", "KMS_KEY=arn"}
	cmd.Stdin = strings.NewReader("OwnersWord\n")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	roles, err := os.ReadFile(filepath.Join(dir, "values/roles.sql"))
	if err != nil || !strings.Contains(string(roles), "ALTER ROLE tidebank_transfer_confirm PASSWORD '0123456789abcdef';") ||
		strings.Contains(string(roles), "tidebank_migrate") {
		t.Errorf("%v: %s", err, roles)
	}
	url, err := os.ReadFile(filepath.Join(dir, "values/tidebank-transfer-confirm-database-url"))
	if want := "postgres://tidebank_transfer_confirm:0123456789abcdef@db.bank.example/tidebank?sslmode=verify-full&sslrootcert=/ca/ca.pem"; err != nil ||
		string(url) != want {
		t.Errorf("%v: %s", err, url)
	}
	notes, err := os.ReadFile(filepath.Join(dir, "notes"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(notes), "OwnersWord") {
		t.Error("a program gets the owner's password as an argument")
	}
	return strings.Split(strings.TrimSpace(string(notes)), "\n")
}

// made lists the keys of Secrets that the commands make.
func made(notes []string) map[string]bool {
	keys := map[string]bool{}
	for _, line := range notes {
		words := strings.Fields(line)
		if words[0] != "kubectl" || !slices.Contains(words, "--dry-run=client") {
			continue
		}
		for _, word := range words {
			if of, found := strings.CutPrefix(word, "--from-file="); found {
				key, _, _ := strings.Cut(of, "=")
				keys[words[slices.Index(words, "generic")+1]+"/"+key] = true
			}
		}
	}
	return keys
}

// The commands of the page make each key that the processes need.
func TestTheCommandsMakeTheSecrets(t *testing.T) {
	t.Parallel()
	keys := made(commands(t, "Elsewhere"))
	need, optional := wanted(rendered(t, "overlays/prod"))
	for at := range need {
		if !keys[at] && !optional[at] {
			t.Errorf("the commands do not make %s", at)
		}
	}
	if !keys["tidebank-keys-transfer-confirm/receiver.key"] {
		t.Error("the commands give no receiver's key")
	}
}

// On AWS, each key is in a Secret of the overlay or made by the commands. A reference
// names a secret that the process may read, and to which the commands give a value.
func TestTheCommandsMakeTheSecretsOnAWS(t *testing.T) {
	t.Parallel()
	notes := commands(t, "On AWS")
	objects := rendered(t, onAWS)
	keys, references := made(notes), map[string]string{}
	for _, o := range objects {
		if s, ok := o.(*corev1.Secret); ok {
			for key, value := range s.Data {
				references[s.Name+"/"+key] = string(value)
			}
		}
	}
	raw, err := os.ReadFile(filepath.Join(root, "infra/aws/inventory.json"))
	if err != nil {
		t.Fatal(err)
	}
	var inventory struct {
		Functions []struct {
			Name    string
			Secrets []string
		}
	}
	if err := json.Unmarshal(raw, &inventory); err != nil {
		t.Fatal(err)
	}
	may := map[string][]string{}
	for _, f := range inventory.Functions {
		may[f.Name] = f.Secrets
	}
	need, optional := wanted(objects)
	for at, readers := range need {
		name, refers := strings.CutPrefix(references[at], "secret://")
		if !refers && !keys[at] && !optional[at] {
			t.Errorf("nobody makes %s", at)
		}
		for _, reader := range readers {
			if refers && !slices.Contains(may[reader], name) {
				t.Errorf("%s may not read %s", reader, name)
			}
		}
		if put := "aws secretsmanager put-secret-value --secret-id " + name + " "; refers &&
			!slices.ContainsFunc(notes, func(line string) bool { return strings.HasPrefix(line, put) }) {
			t.Errorf("%s gets no value", name)
		}
	}
	if references["tidebank-database/migrate"] != "" || !keys["tidebank-database/migrate"] {
		t.Error("the migrations have no role on AWS: their address must be in the cluster")
	}
}
