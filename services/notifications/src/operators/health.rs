//! Whether a channel takes our notices, judged by its last answers to this process.

use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use levqor_runtime::service::Capability;

use super::Answer;
use crate::domain::operator_notice::Channel;

/// The last refusal of a channel. A notice that it takes clears it.
#[derive(Debug, Default)]
pub(super) struct ChannelHealth(Mutex<Option<(String, DateTime<Utc>)>>);

impl ChannelHealth {
    /// Notes whether the channel refuses us, and logs a change.
    pub(super) fn answered(&self, channel: Channel, answer: &Answer, now: DateTime<Utc>) {
        let name = channel.as_str();
        match answer {
            Answer::NotTaken { what, refused: true, .. } => {
                let before = self.refusal().replace((what.clone(), now));
                if before.is_none_or(|(before, _)| before != *what) {
                    tracing::warn!(
                        channel = name,
                        reason = what,
                        "a channel refuses our notices for operators"
                    );
                }
            }
            Answer::Taken(_) => {
                if self.refusal().take().is_some() {
                    tracing::info!(channel = name, "a channel takes our notices for operators again");
                }
            }
            Answer::NotTaken { .. } | Answer::Unknown(_) => {}
        }
    }

    /// The capability of the channel.
    pub(super) fn capability(&self, channel: Channel, is_set: bool) -> Capability {
        let (name, what, setting) = match channel {
            Channel::Telegram => ("operators_telegram", "a chat of Telegram", "TELEGRAM_BOT_TOKEN"),
            Channel::Slack => ("operators_slack", "a channel of Slack", "SLACK_WEBHOOK_URL"),
            Channel::Whatsapp => ("operators_whatsapp", "a phone with WhatsApp", "WHATSAPP_ACCESS_TOKEN"),
        };
        if !is_set {
            return Capability::off(name, format!("{setting} is not set"));
        }
        match &*self.refusal() {
            None => Capability::on(name, format!("operators are told in {what}")),
            Some((what, time)) => {
                Capability::failed(name, format!("it answered {what}: operators are not told there"))
                    .measured_at(*time)
            }
        }
    }

    fn refusal(&self) -> MutexGuard<'_, Option<(String, DateTime<Utc>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
