// Package docs carries the generated API description for the local bank to serve.
package docs

import _ "embed" // openapi.json

// OpenAPI is the description of every HTTP function.
//
//go:embed openapi.json
var OpenAPI []byte
