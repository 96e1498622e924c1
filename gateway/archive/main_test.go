package archive

import (
	"testing"

	"vncgate/layers/layertest"
)

func TestMain(m *testing.M) { layertest.Main(m) }
