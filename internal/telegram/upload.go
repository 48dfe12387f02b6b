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

// ParseUpload returns the certificates of a file that is to be uploaded. As for Telegram,
// one broken block spoils the file.
func ParseUpload(content []byte) (uploaded []*x509.Certificate, err error) {
	if len(content) > MaxCertificate {
		return nil, fmt.Errorf("has %d bytes; Telegram takes up to %d", len(content), MaxCertificate)
	}
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("holds a %s besides certificates; only the public part may leave this machine", block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("cannot be read: %w", err)
		}
		uploaded = append(uploaded, cert)
	}
	switch blocks := bytes.Count(content, []byte("-----BEGIN ")); {
	case blocks == 0:
		return nil, errors.New("holds no certificate in PEM form")
	case blocks > len(uploaded): // pem.Decode skips what it cannot read
		return nil, errors.New("holds a broken PEM block, for which Telegram refuses the whole file")
	}
	return uploaded, nil
}

// TrustStore returns what Telegram trusts after an upload, in place of its own store. A
// certificate that another one signs does not count.
func TrustStore(uploaded []*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range uploaded {
		if c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil {
			pool.AddCert(c)
		}
	}
	return pool
}

// VerifyUploaded checks the chain of a host, its leaf first, against the trust store of
// an upload. An empty host is not compared.
func VerifyUploaded(store *x509.CertPool, chain []*x509.Certificate, host string) error {
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
		return fmt.Errorf("its names are %q, and %s has to be one (-subj /CN=%[2]s makes it so)", uploadNames(chain[0]), host)
	}
	return nil
}

// CheckUpload reports why Telegram would not connect to a host with an upload: none of
// the chains that may be served passes. If none is known, an uploaded certificate has to
// pass by itself; that of a CA need not have the host's name.
func CheckUpload(uploaded []*x509.Certificate, served [][]*x509.Certificate, host string) (err error) {
	known := len(served) > 0
	for _, c := range uploaded {
		if !known {
			served = append(served, []*x509.Certificate{c})
		}
	}
	store := TrustStore(uploaded)
	for _, chain := range served {
		name := host
		if !known && chain[0].IsCA {
			name = ""
		}
		if err = VerifyUploaded(store, slices.Concat(chain, uploaded), name); err == nil {
			return nil
		}
	}
	return fmt.Errorf("Telegram would not connect: %w; upload the valid self-signed certificate that the site serves, or the root that signs it, "+
		"and both in one file while the old and the new one differ", err)
}

// OpenSSL's security level 2 asks for 112 bits.
func hasStrongKeys(chain []*x509.Certificate) bool {
	return !slices.ContainsFunc(chain, func(c *x509.Certificate) bool {
		key, ok := c.PublicKey.(*rsa.PublicKey)
		return ok && key.N.BitLen() < 2048
	})
}

// uploadNames returns the names that count where a certificate was uploaded. An IP
// address is none of them.
func uploadNames(leaf *x509.Certificate) []string {
	if len(leaf.DNSNames) > 0 {
		return leaf.DNSNames
	}
	return []string{leaf.Subject.CommonName}
}

// MatchesHost reports whether a certificate is for a host where one was uploaded. OpenSSL
// compares names then: an IP address is one too, and a wildcard may be a part of the first
// label.
func MatchesHost(leaf *x509.Certificate, host string) bool {
	label, domain, _ := strings.Cut(strings.ToLower(host), ".")
	return slices.ContainsFunc(uploadNames(leaf), func(name string) bool {
		first, rest, _ := strings.Cut(strings.ToLower(name), ".")
		before, after, wildcard := strings.Cut(first, "*")
		matches := first == label
		if wildcard && (before == "" || after == "") && strings.Contains(rest, ".") {
			matches = len(label) >= max(1, len(before)+len(after)) && strings.HasPrefix(label, before) && strings.HasSuffix(label, after)
		}
		return matches && rest == domain
	})
}
