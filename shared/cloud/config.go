// Package cloud calls services of AWS with little code: it signs a request with the
// signer of aws-sdk-go-v2 and posts it. Functions use it for Secrets Manager and KMS,
// because the clients of the SDK would make each of their programs much larger.
// Programs that use the SDK's clients take their credentials from here too (SDK).
//
// A process has credentials of its own: EKS Pod Identity or a container's role
// (AWS_CONTAINER_CREDENTIALS_FULL_URI), a web identity (AWS_ROLE_ARN and
// AWS_WEB_IDENTITY_TOKEN_FILE), or keys in its environment. It never takes the role of
// its machine, which all processes on the machine share. The names of the keys are those
// of AWS.
//
// Errors hold the code of the service. They hold no credential, secret or key. A Client is
// safe for concurrent use.
package cloud

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/downstream"
)

// Config says where AWS is, and how to prove who calls.
type Config struct {
	Region string `envconfig:"AWS_REGION"`
	// Endpoint is the address of all services, of an emulator or a VPC endpoint; AWS'
	// own if it is empty.
	Endpoint string `envconfig:"AWS_ENDPOINT_URL" form:"http" secret:"true"`

	KeyID     string `envconfig:"AWS_ACCESS_KEY_ID"`
	SecretKey string `envconfig:"AWS_SECRET_ACCESS_KEY" secret:"true"`
	Token     string `envconfig:"AWS_SESSION_TOKEN" secret:"true"`

	RoleARN   string `envconfig:"AWS_ROLE_ARN"`
	TokenFile string `envconfig:"AWS_WEB_IDENTITY_TOKEN_FILE"`

	ContainerURI       string `envconfig:"AWS_CONTAINER_CREDENTIALS_FULL_URI"`
	ContainerTokenFile string `envconfig:"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"`
}

// ErrPlain refuses an address whose connection is not encrypted.
var ErrPlain = fmt.Errorf("AWS_ENDPOINT_URL must begin with https://: %w", downstream.ErrClear)

// Encrypted refuses an endpoint that sends data in clear.
func (c Config) Encrypted() error {
	if strings.HasPrefix(c.Endpoint, "http://") {
		return ErrPlain
	}
	return nil
}

// SDK is the configuration for clients of aws-sdk-go-v2.
func (c Config) SDK() (aws.Config, error) {
	if c.Region == "" {
		return aws.Config{}, ErrNoRegion
	}
	config := aws.Config{
		Region: c.Region, Credentials: aws.NewCredentialsCache(c.credentials()), RetryMaxAttempts: 2, HTTPClient: c.http(),
	}
	if c.Endpoint != "" {
		config.BaseEndpoint = aws.String(c.Endpoint)
	}
	return config, nil
}

// New returns a client for these settings.
func New(c Config) *Client {
	return &Client{
		config: c, http: c.http(), signer: v4.NewSigner(), now: clock.System{}.Now,
		credentials: aws.NewCredentialsCache(c.credentials(), func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = time.Minute }),
	}
}

// http is a client that follows no redirect, so that a signed request goes to its own
// address only. It takes a proxy from the environment, as other clients of the bank do.
func (c Config) http() *http.Client {
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 32, IdleConnTimeout: time.Minute, TLSHandshakeTimeout: 5 * time.Second,
		ForceAttemptHTTP2: true,
	}
	return &http.Client{CheckRedirect: stay, Transport: transport}
}

// china reports whether a region belongs to AWS' partition in China.
func china(region string) bool { return strings.HasPrefix(region, "cn-") }

// address is the address of a service in a region.
func (c Config) address(service, region string) (string, error) {
	if c.Endpoint != "" {
		return strings.TrimSuffix(c.Endpoint, "/") + "/", nil
	}
	if region == "" {
		return "", ErrNoRegion
	}
	host := service + "." + region + ".amazonaws.com"
	if china(region) {
		host += ".cn"
	}
	return "https://" + host + "/", nil
}

// ErrNoRegion reports that nothing says in which region the services are.
var ErrNoRegion = errors.New("cloud: AWS_REGION is empty")
