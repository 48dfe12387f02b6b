package command

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/caddy-telegram/telegramwebhook/internal/secret"
	"github.com/caddy-telegram/telegramwebhook/internal/wire"
)

const (
	secretEnv  = "TELEGRAM_WEBHOOK_SECRET"
	secretFile = "secret-file"

	// stdin as the name of a file stands for standard input.
	stdin = "-"
)

func parseURL(url string) (wire.Target, error) {
	target, err := wire.ParseTarget(url)
	if err != nil {
		return target, errors.New("the url is not one such as https://bot.example.com/telegram")
	}
	return target, nil
}

func addSecretFlag(cmd *cobra.Command) {
	cmd.Flags().String(secretFile, "", "`file` with the webhook's secret, - for standard input (default: the environment variable "+secretEnv+")")
}

// readSecret returns the webhook's secret; empty if none is given.
func readSecret(cmd *cobra.Command) (string, error) {
	if !cmd.Flags().Changed(secretFile) {
		value := os.Getenv(secretEnv)
		if value == "" {
			return "", nil
		}
		return checkSecret(secretEnv, value)
	}
	content, err := readFile(cmd, secretFile, 4<<10)
	if err != nil {
		return "", err
	}
	return checkSecret("--"+secretFile, string(withoutNewline(content)))
}

func checkSecret(from, value string) (string, error) {
	if err := secret.Check(value); err != nil {
		return "", fmt.Errorf("%s: the secret %w", from, err)
	}
	return value, nil
}

// readFile reads the file that a flag names, or standard input. What is longer
// than limit is cut a little behind it. Errors do not repeat the name: it may be
// a secret that was given in place of a file.
func readFile(cmd *cobra.Command, flag string, limit int) ([]byte, error) {
	name, err := cmd.Flags().GetString(flag)
	if err != nil {
		return nil, err
	}
	in := cmd.InOrStdin()
	if name != stdin {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("--%s: %w", flag, withoutName(err))
		}
		defer f.Close()
		in = f
	}
	content, err := io.ReadAll(io.LimitReader(in, int64(limit)+1))
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", flag, withoutName(err))
	}
	return content, nil
}

func withoutName(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	return err
}

// withoutNewline takes away the end of line that editors put behind a text.
func withoutNewline(content []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(content, []byte("\n")), []byte("\r"))
}
