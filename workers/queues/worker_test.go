package queues_test

import (
	"errors"
	"testing"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/cloud"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/workers/queues"
)

// The worker does not start with a configuration by which it can't work. test/platform/aws
// runs it against an emulator.
func TestSettingsThatAreRefused(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	aws := cloud.Config{Region: "eu-central-1"}
	for name, tt := range map[string]struct {
		config queues.Config
		want   error
	}{
		"no functions":     {queues.Config{AWS: aws}, queues.ErrFunctions},
		"not HTTP":         {queues.Config{AWS: aws, FunctionsURL: "gateway"}, host.ErrSetting},
		"no region":        {queues.Config{FunctionsURL: "http://f"}, cloud.ErrNoRegion},
		"no such consumer": {queues.Config{AWS: aws, FunctionsURL: "http://f", Consumers: "audit-on-evnt"}, events.ErrConsumer},
	} {
		if _, err := queues.Worker.Start(t.Context(), b.Host, host.Values(tt.config)); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	if needs := queues.Worker.Needs(); needs.DB || needs.Redis || len(needs.Purposes) > 0 {
		t.Errorf("it needs %+v", needs)
	}
}
