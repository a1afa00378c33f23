package mask_test

import (
	"testing"

	"github.com/tidebank/tidebank/shared/mask"
)

func TestMask(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, got, want string }{
		{"name of three", mask.Name("王小明"), "**明"},
		{"name of two", mask.Name("李四"), "*四"},
		{"name of one", mask.Name("李"), "*"},
		{"phone", mask.Phone("13800005678"), "138****5678"},
		{"short phone", mask.Phone("1380000"), "*******"},
		{"card", mask.Account("6228480000000001234"), "622848*********1234"},
		{"identity number", mask.IDNo("110101199001011234"), "1****************4"},
		{"nothing", mask.Account(""), ""},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, tt.got, tt.want)
		}
	}
}
