package capability

import (
	"os"

	"vncgate/auth/folder"
)

// The store's files are read and changed as package folder says.

const tempPrefix = folder.TempPrefix

func lock(path string) (unlock func(), err error) { return folder.Lock(path) }

func tryLock(f *os.File) (release func(), err error) { return folder.TryLock(f) }

func writeFile(path string, text []byte) error { return folder.WriteFile(path, text) }

func makeDir(path string) error { return folder.MakeDir(path) }

func readFile(path string, limit int64) ([]byte, error) { return folder.ReadFile(path, limit) }

func exists(path string) bool { return folder.Exists(path) }
