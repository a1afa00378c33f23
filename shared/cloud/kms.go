package cloud

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// The suites by which KMS wraps a data key with a symmetric key. A key's region decides:
// the regions in China use SM4.
const (
	SuiteSM4 = "kms-sm4-gcm"
	SuiteAES = "kms-aes-256-gcm"
)

// KeyARN is the name of a key in KMS, such as
// arn:aws-cn:kms:cn-north-1:123456789012:key/0f1e….
type KeyARN string

// ErrKeyARN refuses a text that is no name of a key.
var ErrKeyARN = errors.New("the name of a KMS key is arn:<partition>:kms:<region>:<account>:key/<id>")

// Region returns the region of the key.
func (k KeyARN) Region() (string, error) {
	parts := strings.Split(string(k), ":")
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "kms" || parts[3] == "" || !strings.HasPrefix(parts[5], "key/") {
		return "", ErrKeyARN
	}
	return parts[3], nil
}

// Suite returns the suite of the key.
func (k KeyARN) Suite() (string, error) {
	region, err := k.Region()
	switch {
	case err != nil:
		return "", err
	case china(region):
		return SuiteSM4, nil
	}
	return SuiteAES, nil
}

// NewDataKey makes a data key of the size, and returns it in clear and wrapped. KMS opens
// it only for the same encryption context.
func (c *Client) NewDataKey(ctx context.Context, key KeyARN, encryption map[string]string, size int) (clear, wrapped []byte, err error) {
	op, err := kms(key, "GenerateDataKey")
	if err != nil {
		return nil, nil, err
	}
	var answer struct{ Plaintext, CiphertextBlob []byte }
	in := map[string]any{"KeyId": key, "NumberOfBytes": size, "EncryptionContext": encryption}
	if err := c.call(ctx, op, in, &answer); err != nil {
		return nil, nil, fmt.Errorf("KMS: %w", err)
	}
	if len(answer.Plaintext) != size || len(answer.CiphertextBlob) == 0 {
		return nil, nil, fmt.Errorf("KMS: %w", ErrSecret)
	}
	return answer.Plaintext, answer.CiphertextBlob, nil
}

// OpenDataKey unwraps a data key.
func (c *Client) OpenDataKey(ctx context.Context, key KeyARN, encryption map[string]string, wrapped []byte) ([]byte, error) {
	op, err := kms(key, "Decrypt")
	if err != nil {
		return nil, err
	}
	var answer struct{ Plaintext []byte }
	in := map[string]any{"KeyId": key, "CiphertextBlob": wrapped, "EncryptionContext": encryption}
	if err := c.call(ctx, op, in, &answer); err != nil {
		return nil, fmt.Errorf("KMS: %w", err)
	}
	return answer.Plaintext, nil
}

func kms(key KeyARN, name string) (operation, error) {
	region, err := key.Region()
	return operation{service: "kms", region: region, target: "TrentService." + name}, err
}
