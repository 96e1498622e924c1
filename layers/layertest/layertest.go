// Package layertest checks connections: a buffered in-memory pair with faults
// to order, throwaway certificates, a check for leaked goroutines, and the one
// suite that every layer and every stack of layers passes.
package layertest
