package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/password"
)

// refusalsOf lists the codes that an HTTP function may answer, in order: the
// runtime's own and those of its operation.
func refusalsOf(s fn.Spec) []*bankerr.Error {
	byCode := map[string]*bankerr.Error{}
	for _, e := range append(fn.StageRefusals(s), s.Refusals...) {
		byCode[e.Code()] = e
	}
	list := make([]*bankerr.Error, 0, len(byCode))
	for _, code := range slices.Sorted(maps.Keys(byCode)) {
		list = append(list, byCode[code])
	}
	return list
}

// allRefusals lists the refusals of all HTTP functions by code, that of a path that no
// function has, and the outcome of a call whose caller has left.
func allRefusals(all []fn.Function) map[string]*bankerr.Error {
	byCode := map[string]*bankerr.Error{host.ErrUnknown.Code(): host.ErrUnknown, bankerr.ErrLeft.Code(): bankerr.ErrLeft}
	for _, f := range all {
		if f.Trigger != fn.TriggerHTTP {
			continue
		}
		for _, e := range refusalsOf(f.Spec) {
			byCode[e.Code()] = e
		}
	}
	return byCode
}

// errorList is docs/errors.md: each code with its texts, and each function with all
// the codes that it may answer.
func errorList(all []fn.Function) []byte {
	var b bytes.Buffer
	b.WriteString(notice)
	b.WriteString("# Errors\n\nEvery refusal is RFC 9457 problem JSON, sealed in the channel if the call has one. Programs must use " +
		"`code`; `title` and `detail` are for customers; `trace` is for the service desk; `field` names the field that was " +
		"wrong. `FUNCTION_UNKNOWN` answers every path that no function has. `CALLER_LEFT` is in logs, metrics and access " +
		"records only: the caller closed the connection before its answer, and nothing was committed. The bank sends the " +
		"Chinese texts. An app in English shows the English texts by `code`; " +
		"`x-tidebank-errors` in [openapi.json](openapi.json) holds all texts for programs.\n\n" +
		"| code | status | title | advice | in English |\n|---|---|---|---|---|\n")
	refusals := allRefusals(all)
	for _, code := range slices.Sorted(maps.Keys(refusals)) {
		text, _ := bankerr.Lookup(code)
		english, _ := bankerr.English(code)
		fmt.Fprintf(&b, "| `%s` | %d | %s | %s | %s. %s. |\n", code, refusals[code].Kind().Status(), text.Title, text.Advice,
			english.Title, english.Advice)
	}
	b.WriteString("\n## What each function may answer\n\nThe first list are the codes of the function's own operation, the " +
		"second list the codes of the runtime.\n\n| function | its own | of the runtime |\n|---|---|---|\n")
	for _, f := range all {
		if f.Trigger == fn.TriggerHTTP {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.Spec.Name, codes(f.Spec.Refusals), codes(fn.StageRefusals(f.Spec)))
		}
	}
	b.WriteString("\n## Rules for new passwords\n\n`PASSWORD_WEAK` names the `field` and, in `rules`, all rules that the field's " +
		"password breaks; `detail` holds their Chinese texts. If both passwords break rules, it names the login password. " +
		"`personal_data` compares only with numbers of the same request. [limits.md](limits.md) lists the figures.\n\n" +
		"| field | rule | in Chinese | in English |\n|---|---|---|---|\n")
	for _, r := range password.Rules() {
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s. |\n", r.Field, r.Name, r.Chinese, r.English)
	}
	return b.Bytes()
}

// ruleNames lists the names of all rules for new passwords, each once.
func ruleNames() []any {
	names := map[string]bool{}
	for _, r := range password.Rules() {
		names[r.Name] = true
	}
	var list []any
	for _, name := range slices.Sorted(maps.Keys(names)) {
		list = append(list, name)
	}
	return list
}

// ruleTexts are the rules for new passwords by field and name, for programs.
func ruleTexts() map[string]map[string]any {
	texts := map[string]map[string]any{}
	for _, r := range password.Rules() {
		if texts[r.Field] == nil {
			texts[r.Field] = map[string]any{}
		}
		texts[r.Field][r.Name] = map[string]string{"zh-CN": r.Chinese, "en": r.English}
	}
	return texts
}

func codes(refusals []*bankerr.Error) string {
	list := make([]string, len(refusals))
	for i, e := range refusals {
		list[i] = "`" + e.Code() + "`"
	}
	slices.Sort(list)
	return strings.Join(slices.Compact(list), " ")
}

// errorTexts are the texts of each code for programs, in openapi.json.
func errorTexts(all []fn.Function) map[string]any {
	type text struct {
		Title  string `json:"title"`
		Detail string `json:"detail"`
	}
	texts := map[string]any{}
	for code, e := range allRefusals(all) {
		chinese, _ := bankerr.Lookup(code)
		english, _ := bankerr.English(code)
		texts[code] = map[string]any{
			"status": e.Kind().Status(),
			"zh-CN":  text{Title: chinese.Title, Detail: chinese.Advice},
			"en":     text{Title: english.Title, Detail: english.Advice},
		}
	}
	return texts
}
