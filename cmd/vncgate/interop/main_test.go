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
	// Who only wants to know what failed is not to look for it above the table.
	if table := results.String(); table != "" && testing.Verbose() {
		fmt.Print(table)
	}
	os.Exit(code)
}
