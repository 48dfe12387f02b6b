package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caddy-telegram/telegramwebhook/internal/samples"
	"github.com/caddy-telegram/telegramwebhook/internal/wire"
)

// types are those of the built-in updates.
const types = `business_connection, business_message, callback_query, channel_post,
chat_boost, chat_join_request, chat_member, chosen_inline_result,
deleted_business_messages, edited_business_message, edited_channel_post,
edited_message, guest_message, inline_query, managed_bot, message,
message_reaction, message_reaction_count, my_chat_member, poll, poll_answer,
pre_checkout_query, purchased_paid_media, removed_chat_boost, shipping_query,
stopped_message_generation, subscription`

const (
	updateFlag = "update"
	typeFlag   = "type"
)

func addUpdateFlags(cmd *cobra.Command) {
	cmd.Flags().String(updateFlag, "", "`file` with the update as JSON, - for standard input (default: a built-in one)")
	cmd.Flags().String(typeFlag, "message", "`type` of the built-in update")
	cmd.MarkFlagsMutuallyExclusive(updateFlag, typeFlag)
}

// readUpdate returns the update of the file, or else the built-in one.
func readUpdate(cmd *cobra.Command) ([]byte, error) {
	if cmd.Flags().Changed(updateFlag) {
		content, err := readFile(cmd, updateFlag, wire.MaxUpdate+len("\r\n"))
		if err != nil {
			return nil, err
		}
		update := withoutNewline(content)
		if err := checkUpdate(update); err != nil {
			return nil, fmt.Errorf("--%s: %w", updateFlag, err)
		}
		return update, nil
	}
	kind, err := cmd.Flags().GetString(typeFlag)
	if err != nil {
		return nil, err
	}
	update, ok := samples.Update(kind)
	if !ok {
		return nil, fmt.Errorf("--%s: there is no built-in update of this type, only: %s; any other can be sent with --%s",
			typeFlag, strings.ReplaceAll(types, "\n", " "), updateFlag)
	}
	return update, nil
}

// checkUpdate finds what Telegram would never send. Unknown fields are none of
// it: new types of update appear all the time.
func checkUpdate(update []byte) error {
	if len(update) > wire.MaxUpdate {
		return fmt.Errorf("is longer than %d bytes, and Telegram drops such an update unsent", wire.MaxUpdate)
	}
	var u struct {
		ID *int64 `json:"update_id"`
	}
	err := json.Unmarshal(update, &u)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("is not JSON, from byte %d on", syntax.Offset)
	}
	if err != nil || u.ID == nil {
		return errors.New("is not an update, which is a JSON object with an update_id")
	}
	return nil
}
