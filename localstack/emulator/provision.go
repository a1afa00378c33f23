package emulator

import (
	"context"
	"encoding/json"
	"fmt"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tidebank/tidebank/infra/aws"
	"github.com/tidebank/tidebank/shared/cloud"
)

// Made are the names of what Provision has made.
type Made struct {
	Topic string // ARN
	Key   cloud.KeyARN
}

// Provision makes the topic, queues, subscriptions, buckets, secrets and the key of the
// list. values are the secrets' texts; a secret without a value is not made.
func Provision(ctx context.Context, config sdk.Config, list aws.Inventory, values map[string]string) (made Made, err error) {
	topic, err := sns.NewFromConfig(config).CreateTopic(ctx, &sns.CreateTopicInput{Name: &list.Topic})
	if err != nil {
		return made, fmt.Errorf("topic: %w", err)
	}
	made.Topic = sdk.ToString(topic.TopicArn)
	for _, c := range list.Consumers {
		if err := consumer(ctx, config, made.Topic, c); err != nil {
			return made, fmt.Errorf("%s: %w", c.Name, err)
		}
	}
	for _, b := range list.Buckets {
		if err := bucket(ctx, config, b); err != nil {
			return made, fmt.Errorf("%s: %w", b.Name, err)
		}
	}
	secrets := secretsmanager.NewFromConfig(config)
	for _, name := range list.Secrets {
		if value, ok := values[name]; ok {
			if _, err := secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: &name, SecretString: &value}); err != nil {
				return made, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	key, err := kms.NewFromConfig(config).CreateKey(ctx, &kms.CreateKeyInput{})
	if err != nil {
		return made, fmt.Errorf("key: %w", err)
	}
	made.Key = cloud.KeyARN(sdk.ToString(key.KeyMetadata.Arn))
	return made, nil
}

// consumer makes a queue with its dead letters, and subscribes it to the types that its
// function hears.
func consumer(ctx context.Context, config sdk.Config, topic string, c aws.Consumer) error {
	client := sqs.NewFromConfig(config)
	_, dead, err := queue(ctx, client, c.DeadLetterQueue, nil)
	if err != nil {
		return err
	}
	redrive, err := json.Marshal(map[string]any{"deadLetterTargetArn": dead, "maxReceiveCount": c.MaxReceives})
	if err != nil {
		return fmt.Errorf("redrive: %w", err)
	}
	url, arn, err := queue(ctx, client, c.Queue, map[string]string{
		"VisibilityTimeout": fmt.Sprint(c.VisibilityTimeout), "RedrivePolicy": string(redrive),
	})
	if err != nil {
		return err
	}
	policy, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
		"Effect": "Allow", "Principal": map[string]string{"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
		"Resource": arn, "Condition": map[string]any{"ArnEquals": map[string]string{"aws:SourceArn": topic}},
	}}})
	if err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	if _, err := client.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{
		QueueUrl: &url, Attributes: map[string]string{"Policy": string(policy)},
	}); err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	filter, err := json.Marshal(map[string][]string{"type": c.Types})
	if err != nil {
		return fmt.Errorf("filter: %w", err)
	}
	if _, err := sns.NewFromConfig(config).Subscribe(ctx, &sns.SubscribeInput{
		TopicArn: &topic, Protocol: sdk.String("sqs"), Endpoint: &arn,
		Attributes: map[string]string{"RawMessageDelivery": "true", "FilterPolicy": string(filter)},
	}); err != nil {
		return fmt.Errorf("subscription: %w", err)
	}
	return nil
}

// queue makes a queue, and returns its address and its ARN.
func queue(ctx context.Context, client *sqs.Client, name string, attributes map[string]string) (url, arn string, err error) {
	made, err := client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	if err != nil {
		return "", "", fmt.Errorf("queue: %w", err)
	}
	got, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: made.QueueUrl, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameQueueArn},
	})
	if err != nil {
		return "", "", fmt.Errorf("queue: %w", err)
	}
	return sdk.ToString(made.QueueUrl), got.Attributes[string(sqstypes.QueueAttributeNameQueueArn)], nil
}

// bucket makes a bucket in which nobody can delete an object before its time.
func bucket(ctx context.Context, config sdk.Config, b aws.Bucket) error {
	client := s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = true })
	in := &s3.CreateBucketInput{Bucket: &b.Name, ObjectLockEnabledForBucket: sdk.Bool(true)}
	in.CreateBucketConfiguration = &s3types.CreateBucketConfiguration{LocationConstraint: s3types.BucketLocationConstraint(config.Region)}
	if _, err := client.CreateBucket(ctx, in); err != nil {
		return fmt.Errorf("bucket: %w", err)
	}
	_, err := client.PutObjectLockConfiguration(ctx, &s3.PutObjectLockConfigurationInput{
		Bucket: &b.Name, ObjectLockConfiguration: &s3types.ObjectLockConfiguration{
			ObjectLockEnabled: s3types.ObjectLockEnabledEnabled,
			Rule: &s3types.ObjectLockRule{DefaultRetention: &s3types.DefaultRetention{
				Mode: s3types.ObjectLockRetentionModeCompliance, Days: sdk.Int32(int32(b.ObjectLockDays)),
			}},
		},
	})
	if err != nil {
		return fmt.Errorf("object lock: %w", err)
	}
	return nil
}
