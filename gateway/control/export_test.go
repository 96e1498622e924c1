package control

// Scan is what a scanner makes of pieces.
func Scan(pieces [][]byte) (values []string, errs []string) {
	var s scanner
	for _, piece := range pieces {
		s.scan(piece, func(value []byte, err error) {
			if err != nil {
				errs = append(errs, err.Error())
				value = []byte("!")
			}
			values = append(values, string(value))
		})
	}
	return values, errs
}

// What tests hold the server to.
const (
	MaxLine    = maxLine
	MaxRequest = maxRequest
	MaxDepth   = maxDepth
	MaxInBand  = maxInBand
	MaxEvents  = maxEvents

	MaxClients  = maxClients
	AdminPlaces = adminPlaces
)

// SessionKey sorts sessions.
var SessionKey = sessionKey
