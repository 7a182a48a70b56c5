package cli

import (
	"time"

	"albatross/internal/vm"
)

// jsonCertificates is what ca list and ca show print.
type jsonCertificates struct {
	Certificates []jsonCertificate `json:"certificates"`
}

// jsonCertificate describes a certificate. Of what was not kept there are subject
// and serial only.
type jsonCertificate struct {
	Subject     string             `json:"subject"`
	Serial      string             `json:"serial"`                // hexadecimal
	Kind        string             `json:"kind,omitempty"`        // root CA, delegation, CA, command, server or other
	Issuer      string             `json:"issuer,omitempty"`      // the subject of the CA
	Fingerprint string             `json:"fingerprint,omitempty"` // SHA-256
	KeyType     string             `json:"key_type,omitempty"`
	From        time.Time          `json:"from,omitzero"`
	Until       time.Time          `json:"until,omitzero"`
	Revoked     time.Time          `json:"revoked,omitzero"`  // by ca list only
	Policy      *jsonSignedPolicy  `json:"policy,omitempty"`  // of a delegation
	Command     string             `json:"command,omitempty"` // in words
	Content     *jsonSignedContent `json:"content,omitempty"` // that a command to create or to set a block device is for
	Once        bool               `json:"once,omitempty"`    // a host obeys the command once
	Hosts       []string           `json:"hosts,omitempty"`   // of a server
	Problem     string             `json:"problem,omitempty"` // why no host accepts it
}

// jsonSignedContent is what is signed of what follows a command.
type jsonSignedContent struct {
	SHA256 string `json:"sha256"` // unpacked
	Bytes  int64  `json:"bytes"`
}

// jsonSignedPolicy is what a delegate may use.
type jsonSignedPolicy struct {
	Unikernels int            `json:"unikernels"`
	CPUs       vm.Set[int]    `json:"cpus"`
	Memory     int            `json:"memory_mb"`
	Block      *int           `json:"block_mb,omitempty"` // none: no block devices at all
	Bridges    vm.Set[string] `json:"bridges"`
}

// jsonRequest is what ca show prints of a signing request.
type jsonRequest struct {
	Subject string `json:"subject"`
	Asks    string `json:"asks"` // in words
	KeyType string `json:"key_type"`
}

// jsonCRL is what ca crl prints.
type jsonCRL struct {
	Number  string        `json:"number,omitempty"` // decimal; none: nothing was revoked yet
	Issuer  string        `json:"issuer,omitempty"`
	Made    time.Time     `json:"made,omitzero"`
	Due     time.Time     `json:"due,omitzero"` // the next one
	Revoked []jsonRevoked `json:"revoked"`
}

// jsonRevoked is a certificate that is revoked.
type jsonRevoked struct {
	Serial  string    `json:"serial"`
	Subject string    `json:"subject,omitempty"`
	At      time.Time `json:"at"`
	Reason  string    `json:"reason"`
}
