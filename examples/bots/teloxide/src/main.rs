//! A bot on teloxide behind the gate.

use teloxide::prelude::*;
use teloxide::update_listeners::webhooks::{axum_no_setup, Options};

#[tokio::main]
async fn main() {
    let bot = Bot::new(std::env::var("TELEGRAM_BOT_TOKEN").expect("TELEGRAM_BOT_TOKEN is not set"));
    let port = std::env::var("PORT").unwrap_or("8080".into());
    let address: std::net::SocketAddr = format!("127.0.0.1:{port}")
        .parse()
        .expect("PORT is no port");

    // Of the address teloxide uses the path. axum() in place of axum_no_setup()
    // would call setWebhook at the start and deleteWebhook at the end.
    let options = Options::new(address, "https://bot.example.com/".parse().unwrap());
    let (listener, _, router) = axum_no_setup(options);
    let socket = tokio::net::TcpListener::bind(address)
        .await
        .expect("cannot listen");
    tokio::spawn(async move { axum::serve(socket, router).await });

    let echo = |bot: Bot, message: Message| async move {
        if let Some(text) = message.text() {
            bot.send_message(message.chat.id, text).await?;
        }
        Ok(())
    };
    teloxide::repl_with_listener(bot, echo, listener).await;
}
