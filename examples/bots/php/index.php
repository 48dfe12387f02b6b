<?php
// A bot in plain PHP behind the gate, run by PHP-FPM. It answers within its
// answer to Telegram's request, so it needs no token.
$update = json_decode(file_get_contents('php://input'), true);

if (isset($update['message']['text'])) {
    header('Content-Type: application/json');
    echo json_encode([
        'method' => 'sendMessage',
        'chat_id' => $update['message']['chat']['id'],
        'text' => $update['message']['text'],
    ]);
}
