package capability

import (
	"os"

	"vncgate/auth/kept"
)

// The store's files are read and changed as package kept says.

const tempPrefix = kept.TempPrefix

func lock(path string) (unlock func(), err error) { return kept.Lock(path) }

func tryLock(f *os.File) (release func(), err error) { return kept.TryLock(f) }

func writeFile(path string, text []byte) error { return kept.WriteFile(path, text) }

func makeDir(path string) error { return kept.MakeDir(path) }

func readFile(path string, limit int64) ([]byte, error) { return kept.ReadFile(path, limit) }

func exists(path string) bool { return kept.Exists(path) }
