package recording_test

import (
	"testing"

	"vncgate/layers/layertest"
)

func TestMain(m *testing.M) { layertest.Main(m) }
