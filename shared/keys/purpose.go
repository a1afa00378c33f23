package keys

// Purpose is the use of a key.
type Purpose string

// The purposes. Channel signs handshakes and Password opens sealed passwords; these
// two are SM2 key pairs. The MAC keys of Pepper stay with the provider. All other
// purposes have symmetric keys.
const (
	Channel    Purpose = "channel"
	Password   Purpose = "password"
	Storage    Purpose = "storage"
	BlindIndex Purpose = "blind-index"
	OTP        Purpose = "otp"
	Session    Purpose = "session"
	Audit      Purpose = "audit"
	Ledger     Purpose = "ledger"
	Event      Purpose = "event"
	Partner    Purpose = "partner"
	Pepper     Purpose = "pepper"     // a MAC over each password before it is hashed
	Credential Purpose = "credential" // seals hashed passwords
)

// All returns every purpose, for a process that runs all functions.
func All() []Purpose {
	return []Purpose{
		Channel, Password, Storage, BlindIndex, OTP, Session, Audit, Ledger, Event, Partner, Pepper, Credential,
	}
}

// later returns the purposes that key files of earlier releases lack. AddMissing adds
// keys for these purposes only: a file without keys of another purpose is damaged.
func later() []Purpose { return []Purpose{Pepper, Credential} }

// kind is the set of operations that the keys of a purpose allow.
type kind int

const (
	unknown    kind = iota
	symmetric       // seals and makes MACs
	summing         // MAC keys that stay with the provider
	signing         // a key pair that only signs
	decrypting      // a key pair that only decrypts
)

func (p Purpose) kind() kind {
	switch p {
	case Channel:
		return signing
	case Password:
		return decrypting
	case Pepper:
		return summing
	case Storage, BlindIndex, OTP, Session, Audit, Ledger, Event, Partner, Credential:
		return symmetric
	default:
		return unknown
	}
}
