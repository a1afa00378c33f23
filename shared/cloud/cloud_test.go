package cloud_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidebank/tidebank/shared/cloud"
	"github.com/tidebank/tidebank/test/check"
)

// service answers as a service of AWS does.
func service(t *testing.T, answer http.HandlerFunc) cloud.Config {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return cloud.Config{Region: "eu-central-1", Endpoint: server.URL, KeyID: "AKIDEXAMPLE", SecretKey: "hunter2"}
}

// secretText answers with a secret's text.
func secretText(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{"SecretString": text})
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		reference, stored, want string
		refused                 error
	}{
		{"secret://tidebank-redis-url", "rediss://x", "rediss://x", nil},
		{"secret://bank/prod/sms", "a#b\n", "a#b\n", nil},
		{"secret://db#url", `{"url":"postgres://u:hunter2@h/d","port":5432}`, "postgres://u:hunter2@h/d", nil},
		{"secret://db#port", `{"url":"hunter2","port":5432}`, "", cloud.ErrSecret},
		{"secret://db#none", `{"url":"hunter2"}`, "", cloud.ErrSecret},
		{"secret://db#url", "hunter2", "", cloud.ErrSecret},
		{"secret://db#", "hunter2", "", cloud.ErrReference},
		{"secret://", "hunter2", "", cloud.ErrReference},
		{"secret:db", "hunter2", "", cloud.ErrReference},
		{"secret://a b", "hunter2", "", cloud.ErrReference},
	} {
		got, err := cloud.New(service(t, secretText(tt.stored))).Secret(t.Context(), tt.reference)
		if got != tt.want || !errors.Is(err, tt.refused) {
			t.Errorf("%s: %q, %v; want %q, %v", tt.reference, got, err, tt.want, tt.refused)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error shows the secret: %v", tt.reference, err)
		}
	}
	binary := service(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"SecretBinary":"aHVudGVyMg=="}`))
	})
	if _, err := cloud.New(binary).Secret(t.Context(), "secret://x"); !errors.Is(err, cloud.ErrSecret) {
		t.Errorf("a binary secret: %v", err)
	}
}

// A request is signed for its service and region, and says what it asks.
func TestRequestsAreSigned(t *testing.T) {
	t.Parallel()
	config := service(t, func(w http.ResponseWriter, r *http.Request) {
		proof := r.Header.Get("Authorization")
		if !strings.HasPrefix(proof, "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") ||
			!strings.Contains(proof, "/eu-central-1/secretsmanager/aws4_request") ||
			!strings.Contains(proof, "x-amz-target") || r.Header.Get("X-Amz-Security-Token") != "token" ||
			r.Header.Get("X-Amz-Target") != "secretsmanager.GetSecretValue" || r.Method != http.MethodPost {
			t.Errorf("%s with %v", r.Method, r.Header)
		}
		secretText("x")(w, r)
	})
	config.Token = "token"
	_, err := cloud.New(config).Secret(t.Context(), "secret://x")
	check.Must(t, err)
}

// A call is tried again if that may help, and otherwise tells the code.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status int
		body   string
		calls  int64
		says   string
	}{
		{400, `{"__type":"com.amazonaws.secretsmanager#ResourceNotFoundException","Message":"hunter2"}`, 1, "ResourceNotFoundException"},
		{400, `{"__type":"AccessDeniedException"}`, 1, "AccessDeniedException"},
		{400, `{"__type":"ThrottlingException"}`, 3, "ThrottlingException"},
		{500, `{"__type":"InternalServiceError"}`, 3, "InternalServiceError"},
		{503, "<html>", 3, "answered 503"},
		{403, "", 1, "answered 403"},
		{302, "", 1, "answered 302"},
		{200, "<html>", 3, "no JSON"},
	} {
		var calls atomic.Int64
		config := service(t, func(w http.ResponseWriter, _ *http.Request) {
			calls.Add(1)
			w.Header().Set("Location", "http://127.0.0.1:1/")
			w.WriteHeader(tt.status)
			_, _ = w.Write([]byte(tt.body))
		})
		_, err := cloud.New(config).Secret(t.Context(), "secret://some-name")
		if err == nil || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), "some-name") ||
			calls.Load() != tt.calls {
			t.Errorf("%d %s: %v after %d calls", tt.status, tt.body, err, calls.Load())
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error shows the answer: %v", err)
		}
	}
}

// A service that does not answer ends with the caller's time.
func TestAServiceThatHangs(t *testing.T) {
	t.Parallel()
	free := make(chan struct{})
	config := service(t, func(http.ResponseWriter, *http.Request) { <-free })
	t.Cleanup(func() { close(free) })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := cloud.New(config).Secret(ctx, "secret://x"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

// A process takes the credentials that its platform gives it, and no others.
func TestCredentials(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	check.Must(t, os.WriteFile(file, []byte("a-token\n"), 0o600))
	expires := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	config := service(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/agent" && r.Header.Get("Authorization") == "a-token":
			_, _ = fmt.Fprintf(w, `{"AccessKeyId":"AGENT","SecretAccessKey":"s","Token":"t","Expiration":%q}`, expires)
		case r.FormValue("Action") == "AssumeRoleWithWebIdentity" && r.FormValue("WebIdentityToken") == "a-token" &&
			r.FormValue("RoleArn") == "arn:role":
			_, _ = fmt.Fprintf(w, `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult>
<Credentials><AccessKeyId>WEB</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>%s</Expiration>
</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`, expires)
		case r.FormValue("Action") != "":
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>`))
		default: // the secret's text is the caller
			proof := r.Header.Get("Authorization")
			_, proof, _ = strings.Cut(proof, "Credential=")
			who, _, _ := strings.Cut(proof, "/")
			secretText(who+" "+r.Header.Get("X-Amz-Security-Token"))(w, r)
		}
	})
	base := cloud.Config{Region: config.Region, Endpoint: config.Endpoint}
	with := func(change func(*cloud.Config)) cloud.Config {
		c := base
		change(&c)
		return c
	}
	for name, tt := range map[string]struct {
		config cloud.Config
		want   string // or part of the error
	}{
		"keys":         {with(func(c *cloud.Config) { c.KeyID, c.SecretKey = "KEY", "s" }), "KEY "},
		"web identity": {with(func(c *cloud.Config) { c.RoleARN, c.TokenFile = "arn:role", file }), "WEB t"},
		"container": {with(func(c *cloud.Config) {
			c.ContainerURI, c.ContainerTokenFile = base.Endpoint+"/agent", file
		}), "AGENT t"},
		"another role": {with(func(c *cloud.Config) {
			c.RoleARN, c.TokenFile = "arn:other", file
		}), "arn:other: cloud: AccessDenied"},
		"no token":           {with(func(c *cloud.Config) { c.RoleARN, c.TokenFile = "arn:role", file+"x" }), "no such file"},
		"an agent elsewhere": {with(func(c *cloud.Config) { c.ContainerURI = "http://192.0.2.1/x" }), "address of this machine"},
		"no agent's token":   {with(func(c *cloud.Config) { c.ContainerURI = base.Endpoint + "/agent" }), "credentials of the container"},
		"none":               {base, "no credentials of AWS"},
	} {
		got, err := cloud.New(tt.config).Secret(t.Context(), "secret://x")
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// Without an endpoint, the address is that of the region, also in China.
func TestNoRegion(t *testing.T) {
	t.Parallel()
	_, err := cloud.New(cloud.Config{KeyID: "k", SecretKey: "s"}).Secret(t.Context(), "secret://x")
	if err == nil || !strings.Contains(err.Error(), "AWS_REGION") {
		t.Errorf("%v", err)
	}
	for region, host := range map[string]string{
		"eu-central-1": "kms.eu-central-1.amazonaws.com", "cn-north-1": "kms.cn-north-1.amazonaws.com.cn",
	} {
		got, err := cloud.Address(cloud.Config{}, "kms", region)
		if err != nil || got != "https://"+host+"/" {
			t.Errorf("%s: %s, %v", region, got, err)
		}
	}
	for endpoint, want := range map[string]error{"http://x": cloud.ErrPlain, "https://x": nil, "": nil} {
		if err := (cloud.Config{Endpoint: endpoint}).Encrypted(); !errors.Is(err, want) {
			t.Errorf("%q: %v", endpoint, err)
		}
	}
}

func TestSuiteOfAKey(t *testing.T) {
	t.Parallel()
	for arn, want := range map[cloud.KeyARN]string{
		"arn:aws:kms:eu-central-1:123456789012:key/0f1e":  cloud.SuiteAES,
		"arn:aws-cn:kms:cn-north-1:123456789012:key/0f1e": cloud.SuiteSM4,
		"arn:aws:kms:eu-central-1:123456789012:alias/x":   "",
		"arn:aws:s3:::bucket":                             "",
		"0f1e":                                            "",
	} {
		got, err := arn.Suite()
		if got != want || (want == "") != errors.Is(err, cloud.ErrKeyARN) {
			t.Errorf("%s: %q, %v", arn, got, err)
		}
	}
}
