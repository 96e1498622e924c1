//go:build !unix

package main

// noSpace cannot tell a full disk from another fault here.
func noSpace(error) bool { return false }
