// Package monitoring judges infra/monitoring by Prometheus' own promtool and by a running
// Alertmanager. It has a module of its own, because these programs take long to build: the
// test builds them once into build/bin (infra/tools/monitoring pins them).
package monitoring
