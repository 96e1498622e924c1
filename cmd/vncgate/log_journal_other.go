//go:build !unix

package main

import "io/fs"

// streamOf is what there is no journal for.
func streamOf(fs.FileInfo) (at string, ok bool) { return "", false }
