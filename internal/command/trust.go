package command

import (
	"crypto/tls"
	"crypto/x509"
	"errors"

	"github.com/spf13/cobra"

	"github.com/caddy-telegram/telegramwebhook/internal/wire"
)

// trust says which certificates a webhook may have.
type trust struct {
	roots    *x509.CertPool // nil are the system's
	insecure bool           // any
}

func addTrustFlags(cmd *cobra.Command) {
	cmd.Flags().String("ca", "", "Trust the certificates in this PEM `file` and no others, as Telegram does with an uploaded one")
	cmd.Flags().Bool("insecure", false, "Accept any certificate; whoever is in between then reads the secret")
	cmd.MarkFlagsMutuallyExclusive("ca", "insecure")
}

// maxCertificate is the largest file that Telegram takes.
const maxCertificate = 3 << 20

func readTrust(cmd *cobra.Command) (t trust, err error) {
	if t.insecure, err = cmd.Flags().GetBool("insecure"); err != nil || !cmd.Flags().Changed("ca") {
		return t, err
	}
	content, err := readFile(cmd, "ca", maxCertificate)
	if err != nil {
		return t, err
	}
	t.roots = x509.NewCertPool()
	if !t.roots.AppendCertsFromPEM(content) {
		return t, errors.New("--ca: holds no certificate in PEM form")
	}
	return t, nil
}

// config is nil for plain HTTP.
func (t trust) config(target wire.Target) *tls.Config {
	if !target.TLS {
		return nil
	}
	c := wire.TLSConfig(target.ServerName(), t.roots)
	if t.insecure {
		c.InsecureSkipVerify = true
	}
	return c
}
