package host

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel"
)

// RouteLibraryLogs sends what libraries write by themselves to log, as warnings: the
// Redis client, OpenTelemetry, net/http and whatever else uses the packages log and
// slog. So each line of a process is JSON and is redacted. It is for a main: it
// changes the whole process.
func RouteLibraryLogs(log *slog.Logger) {
	slog.SetLogLoggerLevel(slog.LevelWarn)
	slog.SetDefault(log)
	redis.SetLogger(redisLog{log})
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("opentelemetry", slog.Any("cause", err)) }))
}

type redisLog struct{ log *slog.Logger }

// Printf is what the Redis client calls.
func (r redisLog) Printf(ctx context.Context, format string, args ...any) {
	r.log.WarnContext(ctx, "redis", slog.String("cause", fmt.Sprintf(format, args...)))
}
