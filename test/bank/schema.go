package bank

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/tidebank/tidebank/docs"
)

var published = sync.OnceValues(func() (*openapi3.T, error) {
	doc, err := openapi3.NewLoader().LoadFromData(docs.OpenAPI)
	if err != nil {
		return nil, fmt.Errorf("docs/openapi.json: %w", err)
	}
	return doc, doc.Validate(context.Background())
})

// CheckReply reports the differences between a function's reply and its published
// schema: an unknown field, a missing field, or another type. It accepts every reply
// of an unpublished function, such as a test's own.
func CheckReply(function string, body []byte) error {
	doc, err := published()
	if err != nil {
		return err
	}
	path := doc.Paths.Value("/function/" + function)
	if path == nil {
		return nil
	}
	var reply any
	if err := json.Unmarshal(body, &reply); err != nil {
		return fmt.Errorf("%s: %w", function, err)
	}
	schema := path.Post.Responses.Value("200").Value.Content.Get("application/json").Schema.Value
	if err := schema.VisitJSON(reply, openapi3.EnableFormatValidation()); err != nil {
		return fmt.Errorf("%s answered against its published schema: %w", function, err)
	}
	return nil
}
