// Package monitoring pins promtool and Alertmanager, by which the tests judge
// infra/monitoring. It has a module of its own, so that the bank's module needs none of
// their dependencies.
package monitoring
