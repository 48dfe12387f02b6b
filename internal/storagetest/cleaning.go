package storagetest

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// SkipCleaning keeps a Caddy from cleaning the new storage in a folder when it starts. The cleaning, at the same time as
// the first certificate is stored, can remove the folder for it, and Caddy tries again only after a minute.
func SkipCleaning(folder string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "last_clean.json"), fmt.Appendf(nil, `{"tls":{"timestamp":%q}}`, time.Now().Format(time.RFC3339)), 0o600)
}
