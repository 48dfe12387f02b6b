# The bot in examples/bots/go. Most bots want their token in the environment: the shell
# takes it from the file that the container engine puts there.
FROM golang:1.26-alpine AS build
WORKDIR /src
COPY . .
RUN CGO_ENABLED=0 go build -o /bot .

FROM alpine:3.22
COPY --from=build /bot /usr/local/bin/bot
USER 1000:1000
CMD ["sh", "-c", "TELEGRAM_BOT_TOKEN=$(cat /run/secrets/telegram_bot_token) exec bot"]
