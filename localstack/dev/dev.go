// Package dev is the local bank's developer page. It shows the SMS inbox, events with
// their deliveries and dead letters, the functions with their declared policy, and
// the API reference. It also sets faults, and moves the bank's clock.
//
//	GET  /dev                     the page
//	GET  /dev/bank.json           {"channel_certificate", "channel_keys"}: certificates in base64 DER, for clients to pin
//	GET  /dev/sms?phone=          [{phone, text, at}], newest first
//	GET  /dev/events?subject=&dead=true   [{id, type, subject, data, deliveries}]
//	POST /dev/captcha?id=         {"answer"}: gives a graphic code an answer that a program can know
//	POST /dev/replay?consumer=&id=        make dead letters due again
//	POST /dev/customers           a new random customer with a funded account
//	POST /dev/faults              {"duplicate", "delay_ms", "sms": {…}}
//	GET, POST /dev/clock          {"now", "ahead"}; {"advance": "24h"} moves the bank's clock forward
//	GET  /dev/functions, /dev/api, /openapi.json
package dev

import (
	"context"
	"crypto/rand"
	_ "embed" // the page
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"

	"github.com/redis/go-redis/v9"

	"github.com/tidebank/tidebank/docs"
	"github.com/tidebank/tidebank/events/broker"
	"github.com/tidebank/tidebank/localstack/facesim"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/localstack/smssim"
	"github.com/tidebank/tidebank/shared/captcha"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/keys"
)

// Page serves the developer's views of one bank.
type Page struct {
	Host      *host.Host
	Functions []fn.Function
	Broker    *broker.Broker
	SMS       *smssim.Gateway
	Face      *facesim.Engine
	Seeder    seed.Seeder
	Clock     *Clock
	// Elsewhere says that another broker delivers: a delivery is then what its consumer has
	// recorded.
	Elsewhere bool
}

//go:embed page.html
var pageHTML []byte

//go:embed api.html
var apiHTML []byte

// Register adds the routes to the gateway's.
func (p Page) Register(mux *http.ServeMux) {
	html := func(body []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write(body) // an error means that the browser has left
		}
	}
	mux.Handle("GET /{$}", http.RedirectHandler("/dev", http.StatusFound))
	mux.HandleFunc("GET /dev", html(pageHTML))
	mux.HandleFunc("GET /dev/api", html(apiHTML))
	mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(docs.OpenAPI)
	})
	mux.HandleFunc("GET /dev/bank.json", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, p.bank(), nil)
	})
	mux.HandleFunc("GET /dev/sms", func(w http.ResponseWriter, r *http.Request) {
		reply(w, p.SMS.Inbox(r.FormValue("phone")), nil)
	})
	mux.HandleFunc("POST /dev/captcha", p.captcha)
	mux.HandleFunc("GET /dev/events", p.events)
	mux.HandleFunc("POST /dev/replay", func(w http.ResponseWriter, r *http.Request) {
		n, err := p.Broker.Replay(r.Context(), r.FormValue("consumer"), r.FormValue("id"))
		reply(w, map[string]int64{"replayed": n}, err)
	})
	mux.HandleFunc("GET /dev/functions", p.functions)
	mux.HandleFunc("GET /dev/customers", p.customers)
	mux.HandleFunc("POST /dev/customers", p.newCustomer)
	mux.HandleFunc("POST /dev/face/photo", p.photo)
	mux.HandleFunc("POST /dev/face/capture", p.capture)
	mux.HandleFunc("POST /dev/faults", p.faults)
	mux.HandleFunc("GET /dev/clock", p.Clock.show)
	mux.HandleFunc("POST /dev/clock", p.Clock.move)
}

// bank holds the bank's channel keys: the current one by itself, and all that the bank has.
func (p Page) bank() any {
	type key struct {
		State       keys.ChannelState `json:"state"`
		Certificate []byte            `json:"certificate"`
		Pin         []byte            `json:"pin"`
	}
	var all []key
	for _, k := range p.Host.Keys.ChannelKeys() {
		all = append(all, key{k.State, k.Certificate, k.KeyDigest})
	}
	return map[string]any{"channel_certificate": p.Host.Keys.Certificate(), "channel_keys": all}
}

// captcha gives a graphic code that waits for its answer the answer 604713. The id of a
// code of channel-captcha holds its answer, so this answer is told.
func (p Page) captcha(w http.ResponseWriter, r *http.Request) {
	if r.FormValue("id") == "" {
		http.Error(w, "send the id of a graphic code: /dev/captcha?id=…", http.StatusBadRequest)
		return
	}
	if answer, _, err := captcha.OpenForHello(p.Host.Keys, r.FormValue("id")); err == nil {
		reply(w, map[string]string{"answer": answer}, nil)
		return
	}
	const answer = "604713"
	key, value := captcha.Kept(p.Host.Keys, r.FormValue("id"), answer)
	err := p.Host.Redis.SetArgs(r.Context(), key, value, redis.SetArgs{Mode: "XX", KeepTTL: true}).Err()
	if errors.Is(err, redis.Nil) {
		http.Error(w, "no graphic code with this id waits for its answer", http.StatusNotFound)
		return
	}
	reply(w, map[string]string{"answer": answer}, err)
}

func (p Page) functions(w http.ResponseWriter, _ *http.Request) {
	type view struct {
		Name         string   `json:"name"`
		Summary      string   `json:"summary"`
		Audience     string   `json:"audience"`
		Channel      bool     `json:"channel"`
		Idempotent   bool     `json:"idempotent"`
		StepUp       bool     `json:"step_up"`
		Rate         string   `json:"rate"`
		Risk         string   `json:"risk"`
		Audit        string   `json:"audit"`
		Consumes     []string `json:"consumes"`
		Emits        []string `json:"emits"`
		Requirements []string `json:"requirements"`
	}
	list := []view{}
	for _, f := range p.Functions {
		s := f.Spec
		list = append(list, view{
			s.Name, s.Summary, s.Audience.String(), !s.NoChannel && len(s.Consumes) == 0, s.Idempotent, s.StepUp,
			string(s.Rate), string(s.Risk), string(s.Audit), s.Consumes, s.Emits, s.Requirements,
		})
	}
	reply(w, list, nil)
}

// person holds the data of a demo customer that a user of the local bank needs.
type person struct {
	Name         string `json:"name"`
	IDNo         string `json:"id_no"`
	CardNo       string `json:"card_no"`
	CardPassword string `json:"card_password"`
	Phone        string `json:"phone"`
}

func view(c seed.Person) person {
	return person{c.Name, c.IDNo, c.Accounts[0].No, c.CardPassword, c.Phone}
}

func (p Page) customers(w http.ResponseWriter, _ *http.Request) {
	list := []person{}
	for _, c := range seed.Demo() {
		list = append(list, view(c))
	}
	reply(w, list, nil)
}

func (p Page) newCustomer(w http.ResponseWriter, r *http.Request) {
	if n, _ := r.Body.Read(make([]byte, 1)); n > 0 {
		http.Error(w, "send no body: the bank makes the customer up", http.StatusBadRequest)
		return
	}
	c, err := p.Seeder.Add(r.Context(), seed.Visitor(number(1_000_000_000)))
	reply(w, view(c.Person), err)
}

func (p Page) faults(w http.ResponseWriter, r *http.Request) {
	var order struct {
		Duplicate bool           `json:"duplicate"`
		DelayMS   int64          `json:"delay_ms"`
		SMS       smssim.Faults  `json:"sms"`
		Face      facesim.Faults `json:"face"`
	}
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16))
	body.DisallowUnknownFields()
	if err := body.Decode(&order); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	sms := order.SMS
	delays := min(order.DelayMS, int64(order.Face.Delay), int64(sms.Delay))
	if min(delays, int64(sms.FailNext), int64(sms.SwallowAnswer), int64(sms.LoseNext)) < 0 {
		http.Error(w, "a time or a number of faults is negative", http.StatusBadRequest)
		return
	}
	p.Broker.Faults.Duplicate.Store(order.Duplicate)
	p.Broker.Faults.DelayMS.Store(order.DelayMS)
	p.SMS.SetFaults(order.SMS)
	p.Face.SetFaults(order.Face)
	reply(w, order, nil)
}

func reply(w http.ResponseWriter, value any, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(value) // an error means that the browser has left
}

// Seed writes the demo customers.
func Seed(ctx context.Context, s seed.Seeder) ([]seed.Customer, error) {
	var list []seed.Customer
	for _, p := range seed.Demo() {
		c, err := s.Add(ctx, p)
		if err != nil {
			return nil, fmt.Errorf("demo customers: %w", err)
		}
		list = append(list, c)
	}
	return list, nil
}

func number(below int64) int64 {
	n, err := rand.Int(rand.Reader, big.NewInt(below))
	if err != nil {
		return 0 // never (crypto/rand)
	}
	return n.Int64()
}
