module example.com/bot

go 1.26.0

require github.com/PaulSonOfLars/gotgbot/v2 v2.0.0-rc.34
