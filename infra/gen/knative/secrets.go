package knative

import (
	"bytes"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"text/template"

	"github.com/tidebank/tidebank/infra/gen/process"
)

// SecretsPage lists the Secrets of the cluster for operators.
const SecretsPage = "docs/secrets.md"

//go:embed templates/secrets.md.tmpl
var secretsPage string

// held is a key of a Secret that several processes may share.
type held struct {
	Secret, Key string
	Variable    string   // the environment variable that takes it
	Store       string   // its name in AWS Secrets Manager
	Readers     []string // processes
	Later       bool     // the processes start without it
}

// reference is a Secret whose values name secrets of AWS Secrets Manager.
type reference struct {
	Secret string
	Keys   []held
}

// shared lists the keys that processes share, each with its readers.
func shared(list []deployed) (keys []held) {
	add := func(k held, reader string) {
		i := slices.IndexFunc(keys, func(had held) bool { return had.Secret == k.Secret && had.Key == k.Key })
		if i < 0 {
			i, keys = len(keys), append(keys, k)
		}
		keys[i].Readers = append(keys[i].Readers, reader)
	}
	for _, p := range list {
		if p.Redis {
			add(held{Secret: "tidebank-redis", Key: "url", Variable: "REDIS_URL", Store: process.SecretName("REDIS_URL")}, p.Name)
		}
		for _, s := range p.Secrets {
			add(held{Secret: s.From.Secret, Key: s.From.Key, Variable: s.Name, Store: process.SecretName(s.Name), Later: s.Later}, p.Name)
		}
	}
	slices.SortFunc(keys, func(a, b held) int { return strings.Compare(a.Secret+"/"+a.Key, b.Secret+"/"+b.Key) })
	return keys
}

// grouped puts the keys of one Secret together.
func grouped(keys []held) (list []reference) {
	for _, k := range keys {
		if n := len(list); n == 0 || list[n-1].Secret != k.Secret {
			list = append(list, reference{Secret: k.Secret})
		}
		last := &list[len(list)-1]
		last.Keys = append(last.Keys, k)
	}
	return list
}

// references lists the Secrets on AWS. What a process may lack at first is left out: a
// process does not start with the name of a secret that has no value.
func references(list []deployed) []reference {
	list = slices.DeleteFunc(slices.Clone(list), func(p deployed) bool { return p.DeadLetters }) // docs/aws.md
	keys := slices.DeleteFunc(shared(list), func(k held) bool { return k.Later })
	own := reference{Secret: "tidebank-database"}
	for _, p := range list {
		if p.DB {
			own.Keys = append(own.Keys, held{Key: p.Name, Store: p.DatabaseSecret()})
		}
	}
	return append([]reference{own}, grouped(keys)...)
}

// page writes the list of the Secrets.
func page(list []deployed) ([]byte, error) {
	about := struct {
		Database, Keys []string // processes
		Shared         []held
		Now, Later     []reference
	}{Shared: shared(list)}
	for _, p := range list {
		if p.DB {
			about.Database = append(about.Database, p.Name)
		}
		if len(p.Keys) > 0 {
			about.Keys = append(about.Keys, p.Name)
		}
	}
	about.Now = grouped(slices.DeleteFunc(slices.Clone(about.Shared), func(k held) bool { return k.Later }))
	about.Later = grouped(slices.DeleteFunc(slices.Clone(about.Shared), func(k held) bool { return !k.Later }))
	names := func(list []string) string { return "`" + strings.Join(list, "`, `") + "`" }
	parsed, err := template.New("").Funcs(template.FuncMap{"names": names}).Parse(secretsPage)
	if err != nil {
		return nil, fmt.Errorf("knative: %w", err)
	}
	var text bytes.Buffer
	if err := parsed.Execute(&text, about); err != nil {
		return nil, fmt.Errorf("knative: %w", err)
	}
	return text.Bytes(), nil
}
