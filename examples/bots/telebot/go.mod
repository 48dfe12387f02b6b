module example.com/bot

go 1.26.0

require gopkg.in/telebot.v4 v4.0.0-beta.10
