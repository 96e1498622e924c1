package rfb

// Strengths of security types, weakest first. Each class holds what the one
// before it does, seen by somebody who wants the password or the session.
const (
	strengthNothing = iota // nobody has to prove anything
	strengthClear          // who listens has the password
	strengthSearch         // who listens can search for the password
	strengthListen         // who listens learns nothing of the password, who stands in between does
	strengthSecret         // the password is safe, if the display was verified
	strengthSession        // so is the session
)

// Strength orders security types for a choice of the strongest and for a
// minimum: greater is stronger. What TLS with a verified certificate or RSA-AES
// with a verified key protects whole comes first, then what protects the
// password alone, and so down to None with 0. Within a class, the type that
// asks for a user is above the one that asks for a password, that above the one
// that asks for nothing, and 256 bits above 128.
//
// A type without TLS is ranked for a bare connection; inside wss it is as good
// as its X509 kind. VeNCrypt, Tight and numbers that are unknown have 0: an
// envelope is as strong as what is chosen inside. SASL is ranked as a
// mechanism that sends no password, such as SCRAM, without a security layer.
func Strength(t SecurityType) int {
	class, rank := strengthNothing, 0
	switch t {
	case TypeIdent:
		rank = 1
	case TypePlain:
		class, rank = strengthClear, 1
	case TypeMSLogonII: // 64-bit Diffie-Hellman, broken at once
		class, rank = strengthClear, 2
	case TypeVncAuth:
		class = strengthSearch
	case TypeARD:
		class = strengthListen
	case TypeSASL:
		class, rank = strengthListen, 1
	case TypeRA2ne:
		class = strengthSecret
	case TypeRAne256:
		class, rank = strengthSecret, 1
	case TypeX509None:
		class = strengthSession
	case TypeX509Ident:
		class, rank = strengthSession, 1
	case TypeX509Vnc:
		class, rank = strengthSession, 2
	case TypeRA2:
		class, rank = strengthSession, 3
	case TypeRA256:
		class, rank = strengthSession, 4
	case TypeX509Plain:
		class, rank = strengthSession, 5
	case TypeX509SASL:
		class, rank = strengthSession, 6
	}
	return 10*class + rank
}
