//! The operators' channels: Telegram, Slack, WhatsApp. Each is off until it has its settings. Mail to operators
//! is an ordinary message of this service.

mod answer;
pub(crate) mod doubt;
mod health;
pub(crate) mod inbound;
pub(crate) mod slack;
pub(crate) mod telegram;
pub(crate) mod whatsapp;

use chrono::{DateTime, Utc};
use levqor_runtime::service::Capability;

pub(crate) use self::answer::Answer;
use self::{health::ChannelHealth, slack::Slack, telegram::Telegram, whatsapp::Whatsapp};
use crate::{
    config::operators::{Inboxes, OperatorsConfig},
    domain::operator_notice::{Channel, Told},
};

/// The channels that are set.
pub(crate) struct Operators {
    telegram: Option<Telegram>,
    slack: Option<Slack>,
    whatsapp: Option<Whatsapp>,
    health: [ChannelHealth; Channel::ALL.len()],
    pub(crate) inboxes: Inboxes,
}

impl Operators {
    /// Makes the clients of the channels that are set.
    pub(crate) fn try_new(config: &OperatorsConfig) -> Result<Self, reqwest::Error> {
        Ok(Self {
            telegram: config.telegram.clone().map(Telegram::try_new).transpose()?,
            slack: config.slack.clone().map(Slack::try_new).transpose()?,
            whatsapp: config.whatsapp.clone().map(Whatsapp::try_new).transpose()?,
            health: Channel::ALL.map(|_| ChannelHealth::default()),
            inboxes: config.inboxes.clone(),
        })
    }

    /// The channels that are set.
    pub(crate) fn channels(&self) -> impl Iterator<Item = Channel> {
        Channel::ALL.into_iter().filter(|channel| match channel {
            Channel::Telegram => self.telegram.is_some(),
            Channel::Slack => self.slack.is_some(),
            Channel::Whatsapp => self.whatsapp.is_some(),
        })
    }

    /// Hands a notice to a channel once. None if the channel is off.
    pub(crate) async fn deliver(&self, channel: Channel, told: &Told, now: DateTime<Utc>) -> Option<Answer> {
        let answer = match channel {
            Channel::Telegram => self.telegram.as_ref()?.deliver(told).await,
            Channel::Slack => self.slack.as_ref()?.deliver(told).await,
            Channel::Whatsapp => self.whatsapp.as_ref()?.deliver(told).await,
        };
        if let Some(health) = self.health(channel) {
            health.answered(channel, &answer, now);
        }
        Some(answer)
    }

    /// The capabilities of all channels, mail among them.
    pub(crate) fn capabilities(&self) -> Vec<Capability> {
        let mail = match self.inboxes.unset() {
            unset if unset.is_empty() => {
                Capability::on("operators_mail", "operators get mail, each at its mailbox")
            }
            _ if self.inboxes.receiving.is_none() => Capability::off(
                "operators_mail",
                "RECEIVING_EMAIL is not set: operators get no mail, unless another mailbox is set",
            ),
            unset => {
                let how = format!(
                    "operators get mail; RECEIVING_EMAIL also gets that of {}, not set",
                    unset.join(", ")
                );
                Capability::on("operators_mail", how)
            }
        };
        let is_set: Vec<_> = self.channels().collect();
        let channels = Channel::ALL.into_iter().filter_map(|channel| {
            let health = self.health(channel)?;
            Some(health.capability(channel, is_set.contains(&channel)))
        });
        std::iter::once(mail).chain(channels).collect()
    }

    fn health(&self, channel: Channel) -> Option<&ChannelHealth> {
        let place = Channel::ALL.into_iter().position(|other| other == channel)?;
        self.health.get(place)
    }
}
