package keys

import "time"

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
	Token      Purpose = "token"      // seals the seeds of dynamic tokens
	Evidence   Purpose = "evidence"   // a MAC over what customers have signed
)

// All returns every purpose, for a process that runs all functions.
func All() []Purpose {
	return []Purpose{
		Channel, Password, Storage, BlindIndex, OTP, Session, Audit, Ledger, Event, Partner, Pepper, Credential, Token,
		Evidence,
	}
}

// later returns the purposes that key files of earlier releases lack. AddMissing adds
// keys for these purposes only: a file without keys of another purpose is damaged.
func later() []Purpose { return []Purpose{Pepper, Credential, Token, Evidence} }

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
	case Storage, BlindIndex, OTP, Session, Audit, Ledger, Event, Partner, Credential, Token, Evidence:
		return symmetric
	default:
		return unknown
	}
}

// Life is how long the newest key of a purpose may serve before it needs a successor
// (KEY-007). Keys that meet the most texts, and keys from which passwords hang, live
// shortest. The calendar stands in docs/keys.md.
func (p Purpose) Life() time.Duration {
	const day = 24 * time.Hour
	switch p {
	case Session, OTP, Event, Partner:
		return 180 * day
	case Channel:
		return 2 * 365 * day
	default:
		return 365 * day
	}
}

// lingers is how long texts of an older key are under way outside of the database: in a
// channel, in Redis or in an event.
func (p Purpose) lingers() time.Duration {
	const day = 24 * time.Hour
	switch p {
	case Session, Password:
		return day // a channel lives 12 hours
	case OTP:
		return time.Hour // a code lives minutes
	case Event, Partner:
		return 40 * day // an event that was set aside may be published again
	default:
		return time.Hour // a process that has read the key file late
	}
}
