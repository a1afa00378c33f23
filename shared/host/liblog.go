package host

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel"
)

// RouteLibraryLogs sends the libraries' own log lines to log, as warnings: those of
// the Redis client, OpenTelemetry, net/http and every other user of the packages log
// and slog. So each line of a process is JSON and is redacted. Only a main may call
// it, because it changes the whole process.
func RouteLibraryLogs(log *slog.Logger) {
	slog.SetLogLoggerLevel(slog.LevelWarn)
	slog.SetDefault(log)
	redis.SetLogger(redisLog{log})
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("opentelemetry", slog.Any("cause", err)) }))
}

type redisLog struct{ log *slog.Logger }

// Printf writes a line of the Redis client.
func (r redisLog) Printf(ctx context.Context, format string, args ...any) {
	r.log.WarnContext(ctx, "redis", slog.String("cause", fmt.Sprintf(format, args...)))
}
