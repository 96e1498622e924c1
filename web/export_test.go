package web

// MaxLookups is for the test of that bound.
const MaxLookups = maxLookups
