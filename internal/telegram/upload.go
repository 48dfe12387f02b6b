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

// ParseUpload returns the certificates of a file that is to be uploaded. One broken block spoils the file.
func ParseUpload(content []byte) (uploaded []*x509.Certificate, err error) {
	if len(content) > MaxCertificate {
		return nil, fmt.Errorf("has %d bytes; Telegram takes up to %d", len(content), MaxCertificate)
	}
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("holds a %s; a file to upload has blocks of the type CERTIFICATE alone, and never a private key", block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("cannot be read: %w", err)
		}
		uploaded = append(uploaded, c)
	}
	// pem.Decode skips what it cannot read.
	if len(uploaded) == 0 || bytes.Count(content, []byte("-----BEGIN ")) > len(uploaded) {
		return nil, errors.New("is empty, not in PEM form, or has a broken block")
	}
	return uploaded, nil
}

// VerifyChain checks the chain that a host serves, leaf first, as Telegram does: against the uploaded certificates, or
// against roots, nil for the system's, if there are none. The host is compared as after an upload, unless it is empty.
func VerifyChain(roots *x509.CertPool, chain []*x509.Certificate, host string, uploaded ...*x509.Certificate) error {
	opts := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
	for _, c := range chain[1:] {
		opts.Intermediates.AddCert(c)
	}
	if len(uploaded) > 0 {
		opts.Roots, opts.Intermediates = findIssuers(chain, uploaded)
	}
	const server = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageKeyAgreement
	paths, err := chain[0].Verify(opts)
	switch {
	case err != nil:
		return err
	case !slices.ContainsFunc(paths, isAcceptable):
		return errors.New("an RSA key has less than 2048 bits, or an extended key usage does not name serverAuth")
	case host != "" && chain[0].KeyUsage != 0 && chain[0].KeyUsage&server == 0:
		return errors.New("its key usage is not that of a server, such as digitalSignature")
	case host != "" && !matchesHost(chain[0], host):
		return fmt.Errorf("%s has to be one of its DNS names, or the common name if there are none, as -subj /CN=%[1]s makes it", host)
	}
	return nil
}

// findIssuers follows the one path that OpenSSL tries: the first valid one of the uploaded certificates that may be the
// issuer, and one that was sent only before any uploaded one. The path has to end in an uploaded self-signed one.
func findIssuers(chain, uploaded []*x509.Certificate) (roots, intermediates *x509.CertPool) {
	roots, intermediates = x509.NewCertPool(), x509.NewCertPool()
	now, candidates := time.Now(), slices.Concat(uploaded, chain[1:])
	c := chain[0]
	for range candidates { // a path that is longer goes in a circle
		i := slices.IndexFunc(candidates, func(issuer *x509.Certificate) bool {
			return mayIssue(issuer, c) && now.After(issuer.NotBefore) && now.Before(issuer.NotAfter)
		})
		if i < 0 { // an expired one, which Verify then names
			i = slices.IndexFunc(candidates, func(issuer *x509.Certificate) bool { return mayIssue(issuer, c) })
		}
		if i < 0 || mayIssue(c, c) && !candidates[i].Equal(c) {
			break
		}
		c = candidates[i]
		if i < len(uploaded) {
			candidates = uploaded
			if mayIssue(c, c) {
				roots.AddCert(c)
				break
			}
		}
		intermediates.AddCert(c)
	}
	return roots, intermediates
}

// mayIssue compares what OpenSSL looks for an issuer by: its name, and its key if both certificates have the
// identifier.
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

// CheckUpload reports why Telegram would not connect to a host with an upload: all of the chains that may be served
// have to pass. If none is known, an uploaded certificate has to pass by itself; that of a CA need not have the host's
// name.
func CheckUpload(content []byte, served [][]*x509.Certificate, host string) error {
	uploaded, err := ParseUpload(content)
	if err != nil {
		return err
	}
	for _, chain := range served {
		err = cmp.Or(err, VerifyChain(nil, chain, host, uploaded...))
	}
	for _, c := range uploaded {
		if len(served) > 0 {
			break
		}
		name := host
		if c.IsCA {
			name = ""
		}
		if err = VerifyChain(nil, []*x509.Certificate{c}, name, uploaded...); err == nil {
			break
		}
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("does not fit: %w; upload the valid self-signed certificate that the site serves, or the root that signs it, "+
		"and both in one file while the old and the new one differ: the served one first, or the new one with a new key and key identifiers", err)
}

// matchesHost reports whether a certificate is for a host where one was uploaded. OpenSSL compares names then: an IP
// address is one too, the common name counts if there are no others, and a wildcard may be a part of the first label.
func matchesHost(leaf *x509.Certificate, host string) bool {
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
