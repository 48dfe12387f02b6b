package telegram

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ParseUpload returns the certificates of a file that is to be uploaded, and what Telegram
// then trusts in place of its own store: those that sign themselves. One broken block
// spoils the file.
func ParseUpload(content []byte) (uploaded []*x509.Certificate, store *x509.CertPool, err error) {
	if len(content) > MaxCertificate {
		return nil, nil, fmt.Errorf("has %d bytes; Telegram takes up to %d", len(content), MaxCertificate)
	}
	store = x509.NewCertPool()
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return nil, nil, fmt.Errorf("holds a %s besides certificates; only the public part may leave this machine", block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, nil, fmt.Errorf("cannot be read: %w", err)
		}
		if c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil {
			store.AddCert(c)
		}
		uploaded = append(uploaded, c)
	}
	// pem.Decode skips what it cannot read.
	if len(uploaded) == 0 || bytes.Count(content, []byte("-----BEGIN ")) > len(uploaded) {
		return nil, nil, errors.New("is empty, not in PEM form, or has a broken block")
	}
	return uploaded, store, nil
}

// VerifyChain checks what a host serves, its leaf first, as Telegram does: against a trust
// store, which is the system's if it is nil. The host is compared as after an upload,
// unless it is empty.
func VerifyChain(store *x509.CertPool, chain []*x509.Certificate, host string) error {
	opts := x509.VerifyOptions{Roots: store, Intermediates: x509.NewCertPool()}
	for _, c := range chain[1:] {
		opts.Intermediates.AddCert(c)
	}
	paths, err := chain[0].Verify(opts)
	switch {
	case err != nil:
		return err
	case !slices.ContainsFunc(paths, hasStrongKeys):
		return errors.New("an RSA key has less than 2048 bits")
	case host != "" && !MatchesHost(chain[0], host):
		return fmt.Errorf("%s has to be one of its DNS names, or the common name if there are none, as -subj /CN=%[1]s makes it", host)
	}
	return nil
}

// OpenSSL's security level 2 asks for 112 bits.
func hasStrongKeys(chain []*x509.Certificate) bool {
	return !slices.ContainsFunc(chain, func(c *x509.Certificate) bool {
		key, ok := c.PublicKey.(*rsa.PublicKey)
		return ok && key.N.BitLen() < 2048
	})
}

// CheckUpload reports why Telegram would not connect to a host with an upload: none of
// the chains that may be served passes. If none is known, an uploaded certificate has to
// pass by itself; that of a CA need not have the host's name.
func CheckUpload(content []byte, served [][]*x509.Certificate, host string) error {
	uploaded, store, err := ParseUpload(content)
	if err != nil {
		return err
	}
	for _, chain := range served {
		if err = VerifyChain(store, slices.Concat(chain, uploaded), host); err == nil {
			return nil
		}
	}
	for _, c := range uploaded {
		if len(served) > 0 {
			break
		}
		name := host
		if c.IsCA {
			name = ""
		}
		if err = VerifyChain(store, []*x509.Certificate{c}, name); err == nil {
			return nil
		}
	}
	return fmt.Errorf("Telegram would not connect: %w; upload the valid self-signed certificate that the site serves, or the root that signs it, "+
		"and both in one file while the old and the new one differ", err)
}

// MatchesHost reports whether a certificate is for a host where one was uploaded. OpenSSL
// compares names then: an IP address is one too, the common name counts if there are no
// others, and a wildcard may be a part of the first label.
func MatchesHost(leaf *x509.Certificate, host string) bool {
	names := leaf.DNSNames
	if len(names) == 0 {
		names = []string{leaf.Subject.CommonName}
	}
	label, domain, _ := strings.Cut(strings.ToLower(host), ".")
	return slices.ContainsFunc(names, func(name string) bool {
		first, rest, _ := strings.Cut(strings.ToLower(name), ".")
		before, after, wildcard := strings.Cut(first, "*")
		matches := first == label
		if wildcard && (before == "" || after == "") && strings.Contains(rest, ".") {
			matches = len(label) >= max(1, len(before)+len(after)) && strings.HasPrefix(label, before) && strings.HasSuffix(label, after)
		}
		return matches && rest == domain
	})
}
