package interop

import (
	"fmt"
	"os"
	"testing"
)

// suite owns what the tests share.
var suite scope

func TestMain(m *testing.M) {
	code := m.Run()
	suite.close()
	if table := results.String(); table != "" {
		fmt.Print(table)
	}
	os.Exit(code)
}
