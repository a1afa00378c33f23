// Package archive keeps objects in an S3 bucket with object lock, in compliance mode:
// until its time is over, nobody can change or delete an object, not even the owner of
// the account.
package archive

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/tidebank/tidebank/shared/sm"
)

// Bucket is a bucket with object lock.
type Bucket struct {
	Name string
	S3   *s3.Client
	Days int // for which each object stays
	Now  func() time.Time
}

// ErrTaken reports that an object of this name exists.
var ErrTaken = errors.New("the archive has an object of this name")

// ErrDamaged reports that an object is not as it was stored.
var ErrDamaged = errors.New("the object is not as it was stored")

// digest is the key of an object's metadata for the SM3 of its content.
const digest = "sm3"

// New returns a bucket. The address of an emulator has the bucket in its path.
func New(config aws.Config, name string, days int, now func() time.Time) Bucket {
	client := s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = config.BaseEndpoint != nil })
	return Bucket{Name: name, S3: client, Days: days, Now: now}
}

// Last returns the greatest name that begins with the prefix; empty if there is none.
func (b Bucket) Last(ctx context.Context, prefix string) (name string, err error) {
	pages := s3.NewListObjectsV2Paginator(b.S3, &s3.ListObjectsV2Input{Bucket: &b.Name, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return "", fmt.Errorf("list %s: %w", b.Name, err)
		}
		for _, o := range page.Contents {
			name = max(name, aws.ToString(o.Key))
		}
	}
	return name, nil
}

// Get returns an object's content, after it has compared the digest.
func (b Bucket) Get(ctx context.Context, name string) ([]byte, error) {
	got, err := b.S3.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.Name, Key: &name})
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", name, err)
	}
	defer got.Body.Close() // the object has been read
	content, err := io.ReadAll(got.Body)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", name, err)
	}
	if got.Metadata[digest] != hex.EncodeToString(sm.Digest(content)) {
		return nil, fmt.Errorf("get %s: %w", name, ErrDamaged)
	}
	return content, nil
}

// Put stores a new object, which stays for the bucket's days.
func (b Bucket) Put(ctx context.Context, name string, content []byte) error {
	_, err := b.S3.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &b.Name, Key: &name, Body: bytes.NewReader(content), ContentType: aws.String("application/jsonl"),
		IfNoneMatch: aws.String("*"), ChecksumAlgorithm: types.ChecksumAlgorithmSha256,
		ObjectLockMode: types.ObjectLockModeCompliance, ObjectLockRetainUntilDate: aws.Time(b.Now().AddDate(0, 0, b.Days)),
		Metadata: map[string]string{digest: hex.EncodeToString(sm.Digest(content))},
	})
	var refused *smithyhttp.ResponseError
	if errors.As(err, &refused) && refused.HTTPStatusCode() == http.StatusPreconditionFailed {
		return fmt.Errorf("put %s: %w", name, ErrTaken)
	}
	if err != nil {
		return fmt.Errorf("put %s: %w", name, err)
	}
	return nil
}
