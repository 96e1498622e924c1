package tickets_test

import (
	"testing"

	"vncgate/auth/tickets"
	"vncgate/layers/layertest"
)

func TestMain(m *testing.M) {
	tickets.QuietRedis()
	layertest.Main(m)
}
