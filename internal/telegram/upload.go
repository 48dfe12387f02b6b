package telegram

import (
	"bytes"
	"cmp"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ParseUpload returns the certificates of a file that is to be uploaded, and those that Telegram
// then trusts in place of its own: their own issuers. One broken block spoils the file.
func ParseUpload(content []byte) (uploaded []*x509.Certificate, store *x509.CertPool, err error) {
	if len(content) > MaxCertificate {
		return nil, nil, fmt.Errorf("has %d bytes; Telegram takes up to %d", len(content), MaxCertificate)
	}
	store = x509.NewCertPool()
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return nil, nil, fmt.Errorf("holds a %s; a file to upload has blocks of the type CERTIFICATE alone, and never a private key", block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, nil, fmt.Errorf("cannot be read: %w", err)
		}
		if mayIssue(c, c) {
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

// VerifyChain checks the chain that a host serves, leaf first, as Telegram does: against a trust
// store, which is the system's if it is nil, or that of the uploaded certificates. The host
// is compared as after an upload, unless it is empty.
func VerifyChain(store *x509.CertPool, chain []*x509.Certificate, host string, uploaded ...*x509.Certificate) error {
	opts := x509.VerifyOptions{Roots: store, Intermediates: x509.NewCertPool()}
	for _, c := range slices.Concat(chain[1:], uploaded) {
		opts.Intermediates.AddCert(c)
	}
	const server = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageKeyAgreement
	paths, err := chain[0].Verify(opts)
	paths = slices.DeleteFunc(paths, func(path []*x509.Certificate) bool { return !isTried(path, uploaded) })
	switch {
	case err != nil:
		return err
	case len(paths) == 0:
		return errors.New("another certificate with the same name is in front of it in the file, and not known to have another key")
	case !slices.ContainsFunc(paths, isAcceptable):
		return errors.New("an RSA key has less than 2048 bits, or an extended key usage does not name serverAuth")
	case host != "" && chain[0].KeyUsage != 0 && chain[0].KeyUsage&server == 0:
		return errors.New("its key usage is not that of a server, such as digitalSignature")
	case host != "" && !MatchesHost(chain[0], host):
		return fmt.Errorf("%s has to be one of its DNS names, or the common name if there are none, as -subj /CN=%[1]s makes it", host)
	}
	return nil
}

// isTried reports whether OpenSSL tries a path: it takes the first valid one of the uploaded
// certificates that may issue the last one, and then none that was sent.
func isTried(path, uploaded []*x509.Certificate) bool {
	now, found := time.Now(), false
	for i, c := range path[:max(1, len(path)-1)] {
		first := slices.IndexFunc(uploaded, func(u *x509.Certificate) bool {
			return mayIssue(u, c) && now.After(u.NotBefore) && now.Before(u.NotAfter)
		})
		if found = found || first >= 0; len(path) > 1 && mayIssue(c, c) || found && (first < 0 || !uploaded[first].Equal(path[min(i+1, len(path)-1)])) {
			return false
		}
	}
	return true
}

// mayIssue compares what OpenSSL looks for an issuer by: its name, and its key if both
// certificates have the identifier.
func mayIssue(issuer, c *x509.Certificate) bool {
	return bytes.Equal(issuer.RawSubject, c.RawIssuer) &&
		(len(issuer.SubjectKeyId) == 0 || len(c.AuthorityKeyId) == 0 || bytes.Equal(issuer.SubjectKeyId, c.AuthorityKeyId))
}

// isAcceptable asks for 112 bits, OpenSSL's security level 2, and for serverAuth where uses are listed.
func isAcceptable(chain []*x509.Certificate) bool {
	return !slices.ContainsFunc(chain, func(c *x509.Certificate) bool {
		key, ok := c.PublicKey.(*rsa.PublicKey)
		return ok && key.N.BitLen() < 2048 ||
			len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) > 0 && !slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	})
}

// CheckUpload reports why Telegram would not connect to a host with an upload: all of
// the chains that may be served have to pass. If none is known, an uploaded certificate has to
// pass by itself; that of a CA need not have the host's name.
func CheckUpload(content []byte, served [][]*x509.Certificate, host string) error {
	uploaded, store, err := ParseUpload(content)
	if err != nil {
		return err
	}
	for _, chain := range served {
		err = cmp.Or(err, VerifyChain(store, chain, host, uploaded...))
	}
	for _, c := range uploaded {
		if len(served) > 0 {
			break
		}
		name := host
		if c.IsCA {
			name = ""
		}
		if err = VerifyChain(store, []*x509.Certificate{c}, name, uploaded...); err == nil {
			break
		}
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("does not fit: %w; upload the valid self-signed certificate that the site serves, or the root that signs it, "+
		"and both in one file while the old and the new one differ: the served one first, or the new one with a new key and key identifiers", err)
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
