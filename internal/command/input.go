package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/caddy-telegram/telegramwebhook/internal/secret"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

const (
	secretEnv  = "TELEGRAM_WEBHOOK_SECRET"
	secretFile = "secret-file"
	updateFlag = "update"
	stdin      = "-" // as the name of a file
)

func addSecretFlags(cmd *cobra.Command) {
	cmd.Flags().String(secretFile, "", "The `file` with the webhook's secret, - for standard input (default: the environment variable "+secretEnv+")")
	cmd.Flags().Bool("insecure", false, "Accept any certificate; a server in between can then read the secret")
}

// readSecret returns the webhook's secret; empty if none is given.
func readSecret(cmd *cobra.Command) (string, error) {
	from, value := secretEnv, os.Getenv(secretEnv)
	if cmd.Flags().Changed(secretFile) {
		content, err := readFile(cmd, secretFile)
		if err != nil {
			return "", err
		}
		from, value = "--"+secretFile, string(content)
	} else if value == "" {
		return "", nil
	}
	if err := secret.Check(value); err != nil {
		return "", fmt.Errorf("%s: the secret %w", from, err)
	}
	return value, nil
}

// readUpdate returns the update of the file, or a built-in message.
func readUpdate(cmd *cobra.Command) ([]byte, error) {
	if !cmd.Flags().Changed(updateFlag) {
		return telegram.SampleMessage(telegram.SampleID()), nil
	}
	update, err := readFile(cmd, updateFlag)
	if err != nil {
		return nil, err
	}
	// Only the update_id is checked: new types of update appear all the time.
	var u struct {
		ID *int64 `json:"update_id"`
	}
	if err := json.Unmarshal(update, &u); err != nil || u.ID == nil {
		return nil, fmt.Errorf("--%s: not an update, which is a JSON object with an update_id", updateFlag)
	}
	if len(update) > telegram.MaxUpdate {
		return nil, fmt.Errorf("--%s: longer than %d bytes; Telegram drops such an update", updateFlag, telegram.MaxUpdate)
	}
	return update, nil
}

// readFile reads the file that a flag names, or standard input, without the last
// line end. Its errors omit the name, which may be a secret in the wrong place.
func readFile(cmd *cobra.Command, flag string) (content []byte, err error) {
	if name := cmd.Flag(flag).Value.String(); name == stdin {
		content, err = io.ReadAll(cmd.InOrStdin())
	} else {
		content, err = os.ReadFile(name)
	}
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		err = path.Err
	}
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", flag, err)
	}
	return bytes.TrimSuffix(bytes.TrimSuffix(content, []byte("\n")), []byte("\r")), nil
}
