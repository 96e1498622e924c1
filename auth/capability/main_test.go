package capability

import (
	"os"
	"testing"

	"vncgate/auth/tickets"
	"vncgate/layers/layertest"
)

func TestMain(m *testing.M) {
	if child := os.Getenv(childEnv); child != "" {
		os.Exit(runChild(child))
	}
	tickets.QuietRedis()
	layertest.Main(m)
}
