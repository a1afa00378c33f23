package cloud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

var errCredentials = errors.New("no credentials of AWS: set AWS_ROLE_ARN with AWS_WEB_IDENTITY_TOKEN_FILE, " +
	"AWS_CONTAINER_CREDENTIALS_FULL_URI, or AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY")

// credentials finds who calls. The order is that of AWS' own SDKs.
func (c Config) credentials() aws.CredentialsProvider {
	switch {
	case c.KeyID != "" && c.SecretKey != "":
		return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: c.KeyID, SecretAccessKey: c.SecretKey, SessionToken: c.Token, Source: "environment"}, nil
		})
	case c.RoleARN != "" && c.TokenFile != "":
		return aws.CredentialsProviderFunc(c.webIdentity)
	case c.ContainerURI != "":
		return aws.CredentialsProviderFunc(c.container)
	}
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, errCredentials })
}

// readToken reads a token anew each time, because the platform replaces it.
func readToken(path string) (string, error) {
	raw, err := os.ReadFile(path) //nolint:gosec // the platform's own path
	if err != nil {
		return "", fmt.Errorf("cloud: %w", err)
	}
	return strings.TrimSpace(string(raw)), nil
}

// element returns the content of the first element of the name in an answer of STS, which
// holds no references to entities. The bank has no reader of XML: it would also follow
// those.
func element(answer []byte, name string) string {
	_, rest, _ := strings.Cut(string(answer), "<"+name+">")
	content, _, found := strings.Cut(rest, "</"+name+">")
	if !found || strings.ContainsAny(content, "<&") {
		return ""
	}
	return content
}

// webIdentity exchanges the token of the process's service account for the credentials of
// its role (IRSA).
func (c Config) webIdentity(ctx context.Context) (aws.Credentials, error) {
	token, err := readToken(c.TokenFile)
	if err != nil {
		return aws.Credentials{}, err
	}
	address, err := c.address("sts", c.Region)
	if err != nil {
		return aws.Credentials{}, err
	}
	form := url.Values{
		"Action": {"AssumeRoleWithWebIdentity"}, "Version": {"2011-06-15"},
		"RoleArn": {c.RoleARN}, "RoleSessionName": {"tidebank"}, "WebIdentityToken": {token},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return aws.Credentials{}, errors.New("cloud: AWS_ENDPOINT_URL is no address") //nolint:err113 // it must not show the address
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	status, raw, err := fetch(c.http(), req)
	if err != nil {
		return aws.Credentials{}, err
	}
	id := element(raw, "AccessKeyId")
	expires, err := time.Parse(time.RFC3339, element(raw, "Expiration"))
	if status != http.StatusOK || err != nil || id == "" {
		return aws.Credentials{}, fmt.Errorf("%s: %w", c.RoleARN, &Error{Status: status, Code: element(raw, "Code")})
	}
	return aws.Credentials{
		AccessKeyID: id, SecretAccessKey: element(raw, "SecretAccessKey"),
		SessionToken: element(raw, "SessionToken"), Source: "web identity", CanExpire: true, Expires: expires,
	}, nil
}

var errContainer = errors.New("AWS_CONTAINER_CREDENTIALS_FULL_URI must be https://, or an address of this machine")

// container asks the agent beside the process (EKS Pod Identity, ECS).
func (c Config) container(ctx context.Context) (aws.Credentials, error) {
	u, err := url.Parse(c.ContainerURI)
	if err != nil || u.Scheme != "https" && (u.Scheme != "http" || !onThisMachine(u.Hostname())) {
		return aws.Credentials{}, fmt.Errorf("%w: %w", errCredentials, errContainer)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return aws.Credentials{}, fmt.Errorf("%w: %w", errCredentials, errContainer)
	}
	if c.ContainerTokenFile != "" {
		token, err := readToken(c.ContainerTokenFile)
		if err != nil {
			return aws.Credentials{}, err
		}
		req.Header.Set("Authorization", token)
	}
	direct := c.http()
	direct.Transport = &http.Transport{} // the agent is on this machine: no proxy
	status, raw, err := fetch(direct, req)
	if err != nil {
		return aws.Credentials{}, err
	}
	var answer struct {
		AccessKeyID     string    `json:"AccessKeyId"`
		SecretAccessKey string    `json:"SecretAccessKey"`
		Token           string    `json:"Token"`
		Expiration      time.Time `json:"Expiration"`
	}
	if err := json.Unmarshal(raw, &answer); status != http.StatusOK || err != nil || answer.AccessKeyID == "" {
		return aws.Credentials{}, fmt.Errorf("credentials of the container: %w", &Error{Status: status})
	}
	return aws.Credentials{
		AccessKeyID: answer.AccessKeyID, SecretAccessKey: answer.SecretAccessKey, SessionToken: answer.Token,
		Source: "container", CanExpire: true, Expires: answer.Expiration,
	}, nil
}

// onThisMachine reports whether a host is this machine, or one of the addresses at which
// EKS and ECS answer a container.
func onThisMachine(host string) bool {
	agents := []string{"169.254.170.2", "169.254.170.23", "fd00:ec2::23"}
	address, err := netip.ParseAddr(host)
	if err != nil {
		return host == "localhost"
	}
	for _, agent := range agents {
		if address == netip.MustParseAddr(agent) {
			return true
		}
	}
	return address.IsLoopback()
}
