//! The browser's side of the live connection: opens it, listens, and tries again.
//!
//! A socket is there before it is connected, so only the first message counts as "open". The server sends no pings of its
//! own: we send one every [`PING_MS`] and give up a line that was silent for [`SILENCE_MS`].

use futures::future::{Either, select};
use futures::stream::StreamExt;
use gloo_net::websocket::futures::WebSocket;
use gloo_net::websocket::{Message, WebSocketError};
use gloo_timers::callback::Interval;
use gloo_timers::future::TimeoutFuture;
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;

use super::message::{LiveFrame, LiveMessage, Shown};
use super::phase::backoff_ms;
use super::{Line, Live, PATH, steady_now_ms};
use crate::account::api::load_page_context;
use crate::codec::read;
use crate::error::UiError;
use crate::fleet::view::{LiveRequest, LiveTopic};

const PING_MS: f64 = 5_000.0;
const SILENCE_MS: f64 = 12_000.0;
/// How long to wait for the answer whether the session still is one.
const SESSION_CHECK_MS: u32 = 5_000;
/// How often a quiet line is looked after.
const POLL_MS: u32 = 250;

/// Why a line ended.
enum End {
    /// The page follows something else, is hidden, or asked to try again.
    Wanted,
    /// It broke.
    Lost,
    /// The session has ended.
    SignedOut,
}

pub(super) fn start(live: Live) {
    Interval::new(1_000, move || live.tick(steady_now_ms())).forget();
    // Another topic, or a page that shows itself again, is a reason to look now.
    spawn_local(keep(live));
}

/// Runs as long as the page.
async fn keep(live: Live) {
    let mut attempt = 0_u32;
    let mut was_open = false;
    // The last moment at which what is shown was current; before the first line, the page's own rendering.
    let mut current_at = (
        steady_now_ms(),
        live.anchor.get_value().map(|(server_ms, _)| server_ms),
    );
    loop {
        let Some(topic) = live.topic.get_untracked().filter(|_| is_visible()) else {
            if live.line.get_untracked() != Line::Resting {
                live.line.set(Line::Resting);
            }
            attempt = 0;
            TimeoutFuture::new(POLL_MS).await;
            current_at = (
                steady_now_ms(),
                live.anchor.get_value().map(|(server_ms, _)| server_ms),
            );
            continue;
        };
        let asked = live.retry.get_untracked();
        live.line.set(Line::Down {
            since_ms: current_at.0,
            data_at_ms: current_at.1,
            retry_at_ms: steady_now_ms(),
        });
        let mut opened = false;
        let end = listen(live, &topic, asked, |message_at| {
            if !opened {
                opened = true;
                if was_open {
                    live.recovered.update(|count| *count += 1);
                }
                live.line.set(Line::Open);
            }
            current_at = message_at;
        })
        .await;
        was_open |= opened;
        match end {
            End::Wanted => attempt = 0,
            End::SignedOut => {
                live.line.set(Line::SignedOut);
                return;
            }
            End::Lost => {
                attempt = if opened { 0 } else { attempt.saturating_add(1) };
                if !opened && session_has_ended().await {
                    live.line.set(Line::SignedOut);
                    return;
                }
                wait(live, current_at, backoff_ms(attempt), asked).await;
            }
        }
    }
}

/// Waits for the next attempt, or until the person asks for it.
async fn wait(live: Live, current_at: (f64, Option<i64>), wait_ms: u32, asked: u32) {
    let retry_at_ms = steady_now_ms() + f64::from(wait_ms);
    live.line.set(Line::Down {
        since_ms: current_at.0,
        data_at_ms: current_at.1,
        retry_at_ms,
    });
    while steady_now_ms() < retry_at_ms && live.retry.get_untracked() == asked {
        TimeoutFuture::new(POLL_MS.min(wait_ms)).await;
    }
}

/// Follows `topic` over one line until it ends; `on_message` gets (steady clock, server's clock).
async fn listen(
    live: Live,
    topic: &LiveTopic,
    asked: u32,
    mut on_message: impl FnMut((f64, Option<i64>)),
) -> End {
    let Some(mut line) = open(topic) else {
        return End::Lost;
    };
    let mut shown = Shown::default();
    let (mut heard_at, mut pinged_at) = (steady_now_ms(), steady_now_ms());
    loop {
        match select(line.frames.next(), TimeoutFuture::new(POLL_MS)).await {
            Either::Left((Some(frame), _)) => match read_frame(frame) {
                Some(Ok(message)) => {
                    heard_at = steady_now_ms();
                    on_message((heard_at, Some(message.now_ms)));
                    if take(live, &mut shown, message, heard_at).is_err() {
                        return End::Lost;
                    }
                }
                Some(Err(UiError::SignedOut)) => return End::SignedOut,
                Some(Err(_)) | None => return End::Lost,
            },
            Either::Left((None, _)) => return End::Lost,
            Either::Right(_) => {}
        }
        let now = steady_now_ms();
        if live.topic.read_untracked().as_ref() != Some(topic)
            || !is_visible()
            || live.retry.get_untracked() != asked
        {
            return End::Wanted;
        }
        if now - heard_at > SILENCE_MS {
            return End::Lost;
        }
        if now - pinged_at > PING_MS {
            pinged_at = now;
            say(&line.socket, &LiveRequest::Ping);
        }
    }
}

/// A socket, closed when this is dropped.
struct Opened {
    socket: web_sys::WebSocket,
    frames: WebSocket,
    _on_open: Closure<dyn FnMut()>,
}

impl Drop for Opened {
    /// An opening that was on its way must not call what is gone.
    fn drop(&mut self) {
        self.socket.set_onopen(None);
    }
}

/// Connects, and asks for the topic once that has succeeded.
fn open(topic: &LiveTopic) -> Option<Opened> {
    // `http:` becomes `ws:`, `https:` becomes `wss:`.
    let origin = window().location().origin().ok()?.replacen("http", "ws", 1);
    let socket = web_sys::WebSocket::new(&[&origin, PATH].concat()).ok()?;
    let request = LiveRequest::Follow {
        topic: topic.clone(),
    };
    let on_open = {
        let socket = socket.clone();
        Closure::<dyn FnMut()>::new(move || say(&socket, &request))
    };
    socket.set_onopen(Some(on_open.as_ref().unchecked_ref()));
    Some(Opened {
        frames: WebSocket::try_from(socket.clone()).ok()?,
        socket,
        _on_open: on_open,
    })
}

/// A line that is not open is found by its silence, or by its end.
fn say(socket: &web_sys::WebSocket, request: &LiveRequest) {
    if socket.ready_state() == web_sys::WebSocket::OPEN
        && let Ok(text) = serde_json::to_string(request)
    {
        let _sent = socket.send_with_str(&text);
    }
}

/// What the server says; `None` when the line breaks, or cannot be read.
fn read_frame(frame: Result<Message, WebSocketError>) -> Option<LiveFrame> {
    match frame {
        Ok(Message::Text(text)) => read::text(&text).ok(),
        Ok(Message::Bytes(_)) | Err(_) => None,
    }
}

/// Keeps a message until the next tick.
fn take(
    live: Live,
    shown: &mut Shown,
    message: LiveMessage,
    steady_ms: f64,
) -> Result<(), super::delta::Misfit> {
    live.set_clock(message.now_ms, steady_ms);
    if live.server_version.read_untracked().as_deref() != Some(message.version.as_str()) {
        live.server_version.set(Some(message.version));
    }
    if let Some(update) = shown.take(message.payload)? {
        live.pending.set_value(Some(update));
    }
    Ok(())
}

/// A refused upgrade does not say why: ask the server who we are.
async fn session_has_ended() -> bool {
    let answer = select(
        Box::pin(load_page_context()),
        TimeoutFuture::new(SESSION_CHECK_MS),
    )
    .await;
    matches!(answer, Either::Left((Ok(context), _)) if context.user.is_none())
}

fn is_visible() -> bool {
    web_sys::window()
        .and_then(|window| window.document())
        .is_none_or(|document| document.visibility_state() == web_sys::VisibilityState::Visible)
}
