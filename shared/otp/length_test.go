package otp_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// The length of a code is no setting. The constants of otp.go do not compile with a
// length below six.
func TestAShorterCodeDoesNotCompile(t *testing.T) {
	t.Parallel()
	req.Covers(t, "OTP-003.3")
	source, err := os.ReadFile("otp.go")
	check.Must(t, err)
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "otp.go", source, parser.SkipObjectResolution)
	check.Must(t, err)
	constants := "package otp\n"
	for _, declared := range file.Decls {
		if group, ok := declared.(*ast.GenDecl); ok && group.Tok == token.CONST {
			constants += string(source[set.Position(group.Pos()).Offset:set.Position(group.End()).Offset]) + "\n"
		}
	}
	const now = "const Digits = 6\n"
	if !strings.Contains(constants, now) {
		t.Fatalf("the constants do not hold %q:\n%s", now, constants)
	}
	for length := range 9 {
		text := strings.Replace(constants, now, fmt.Sprintf("const Digits = %d\n", length), 1)
		changed, err := parser.ParseFile(set, "changed.go", text, 0)
		check.Must(t, err)
		_, err = new(types.Config).Check("otp", set, []*ast.File{changed}, nil)
		if (err == nil) != (length >= 6) {
			t.Errorf("with %d digits: %v", length, err)
		}
	}
}
