//! The metrics of notifications: mails by template and state, and the provider's reports about them.

use std::sync::Arc;

use levqor_runtime::metrics::{Attribute, Count, Definition, KeyValue, Metrics};

use crate::domain::{
    delivery::AttemptOutcome,
    message::State,
    operator_delivery::DeliveryState,
    operator_notice::{Channel, NoticeKind},
    report::DeliveryOutcome,
    resend_event,
};

/// Mails that reached a state.
pub const MESSAGES: Definition = Definition::counter(
    "levqor.mail.messages",
    "{message}",
    "Mails that reached a state: pending (requested, or to be sent again), sent (accepted by the provider), failed, in doubt, \
     suppressed (the recipient must not get it), cancelled (not wanted any more).",
    &[
        TEMPLATE,
        Attribute::one_of("state", &["pending", "sent", "failed", "in_doubt", "suppressed", "cancelled"]),
    ],
);
/// Answers of the provider.
pub const ANSWERS: Definition = Definition::counter(
    "levqor.mail.provider.answers",
    "{try}",
    "Attempts to send a mail to the provider, by answer: it accepted the mail, refused it for good, did not accept it now, or may have accepted it.",
    &[Attribute::one_of("provider", PROVIDERS), Attribute::one_of("answer", &ANSWER_NAMES)],
);
/// Events of providers.
pub const PROVIDER_EVENTS: Definition = Definition::counter(
    "levqor.mail.provider.events",
    "{event}",
    "Journaled events of mail providers, by outcome: applied to a mail, ignored because of their type, about a mail that is not \
     ours, or quarantined.",
    &[
        Attribute::known("type", "the types of the provider's events, or `_OTHER`"),
        Attribute::one_of("verdict", VERDICTS),
    ],
);
/// Delivery outcomes of mails.
pub const DELIVERIES: Definition = Definition::counter(
    "levqor.mail.deliveries",
    "{message}",
    "Provider reports about accepted mails, by outcome. Each kind counts once per mail: a delivered mail with a complaint counts in \
     both.",
    &[Attribute::one_of("outcome", &OUTCOMES)],
);
/// Mails that are not settled.
pub const UNSETTLED: Definition = Definition::gauge(
    "levqor.mail.unsettled",
    "{message}",
    "Mails that wait for the provider, and mails in doubt, which a person must resolve. Counted up to 100,000.",
    &[STATE],
);
/// The age of the oldest unsettled mail.
pub const UNSETTLED_AGE: Definition = Definition::gauge(
    "levqor.mail.oldest_unsettled_age",
    "s",
    "Age of the oldest mail in this state; 0 if there is none. Advertising that waits for its turn does not count.",
    &[STATE],
);

/// Facts that services reported to operators.
pub const NOTICES: Definition = Definition::counter(
    "levqor.operator.notices",
    "{notice}",
    "Facts that services reported to operators, by kind: told, or only counted because the notice of the same fact is open.",
    &[KIND, Attribute::one_of("outcome", &NOTICE_OUTCOMES)],
);
/// Notices on the channels.
pub const NOTICE_DELIVERIES: Definition = Definition::counter(
    "levqor.operator.notice.deliveries",
    "{notice}",
    "Notices for operators that were settled on a channel: sent (the channel took it), failed, in doubt (nobody knows). Notices by \
     mail count as mails of the template `operator_notice`.",
    &[KIND, Attribute::one_of("channel", &CHANNELS), Attribute::one_of("outcome", &DELIVERY_STATES)],
);

/// All metrics.
pub const ALL: &[Definition] =
    &[MESSAGES, ANSWERS, PROVIDER_EVENTS, DELIVERIES, UNSETTLED, UNSETTLED_AGE, NOTICES, NOTICE_DELIVERIES];

const KIND: Attribute = Attribute::known("kind", "the kinds of notices");
const NOTICE_OUTCOMES: [&str; 2] = ["told", "repeated"];
/// In the order of `Channel::ALL`.
const CHANNELS: [&str; 3] = ["telegram", "slack", "whatsapp"];
const DELIVERY_STATES: [&str; 3] = ["sent", "failed", "in_doubt"];

const PROVIDERS: &[&str] = &["mailbox", "resend", "smtp"];
const ANSWER_NAMES: [&str; 4] = ["accepted", "refused", "not_accepted", "ambiguous"];

const STATE: Attribute = Attribute::one_of("state", &["pending", "in_doubt"]);

const TEMPLATE: Attribute = Attribute::known("template", "the templates, or `_OTHER` for an unknown one");

const VERDICTS: &[&str] = &["applied", "ignored", "unmatched", "quarantined"];
/// In the order of `DeliveryOutcome::ALL`.
const OUTCOMES: [&str; 7] =
    ["delayed", "delivered", "failed", "bounced_soft", "suppressed", "bounced_hard", "complained"];

/// The result of processing an event.
#[derive(Debug, Clone, Copy)]
pub(crate) enum EventVerdict {
    /// It was applied to its mail.
    Applied,
    /// It does not report a delivery.
    Ignored,
    /// It is about a mail that is not ours.
    Unmatched,
    /// It cannot be understood, or it failed too often.
    Quarantined,
}

/// The metric series, bound once. It is cheap to clone.
#[derive(Clone)]
pub(crate) struct MailMetrics {
    metrics: Metrics,
    deliveries: [Count; OUTCOMES.len()],
    templates: Arc<[String]>,
}

impl MailMetrics {
    /// Binds the series for these providers and these templates.
    pub(crate) fn new<'a>(
        metrics: &Metrics,
        providers: impl Iterator<Item = &'static str>,
        templates: impl Iterator<Item = &'a str>,
    ) -> Self {
        let templates = templates.map(str::to_owned).collect();
        let delivery = |outcome| metrics.counter(&DELIVERIES, &[KeyValue::new("outcome", outcome)]);
        let this = Self { metrics: metrics.clone(), deliveries: OUTCOMES.map(delivery), templates };
        for provider in providers {
            for answer in ANSWER_NAMES {
                drop(this.answers(provider, answer));
            }
        }
        for &event_type in resend_event::DELIVERY_TYPES {
            for verdict in [EventVerdict::Applied, EventVerdict::Unmatched, EventVerdict::Quarantined] {
                drop(this.events(event_type, verdict));
            }
        }
        for &event_type in resend_event::OTHERS {
            drop(this.events(event_type, EventVerdict::Ignored));
        }
        drop(this.events(resend_event::RECEIVED, EventVerdict::Applied));
        drop(this.events(resend_event::RECEIVED, EventVerdict::Quarantined));
        drop(this.events("_OTHER", EventVerdict::Ignored));
        drop(this.events("_OTHER", EventVerdict::Quarantined));
        for kind in NoticeKind::ALL {
            for outcome in NOTICE_OUTCOMES {
                drop(this.notices(kind, outcome));
            }
            for channel in CHANNELS {
                for outcome in DELIVERY_STATES {
                    drop(this.notice_deliveries(kind, channel, outcome));
                }
            }
        }
        // Every series starts at 0, so that the first mail and the first failure are visible as an increase.
        for template in &*this.templates {
            for state in State::ALL {
                drop(this.messages(template, state));
            }
        }
        this
    }

    /// Counts a mail that reached a state.
    pub(crate) fn came_to(&self, template: &str, state: State) {
        let is_known = self.templates.iter().any(|known| known == template);
        self.messages(if is_known { template } else { "_OTHER" }, state).one();
    }

    /// Counts an answer of a provider.
    pub(crate) fn answered(&self, provider: &'static str, answer: AttemptOutcome) {
        let [accepted, refused, not_accepted, ambiguous] = ANSWER_NAMES;
        let answer = match answer {
            AttemptOutcome::Accepted => accepted,
            AttemptOutcome::Refused => refused,
            AttemptOutcome::NotAccepted => not_accepted,
            AttemptOutcome::Ambiguous => ambiguous,
        };
        self.answers(provider, answer).one();
    }

    fn answers(&self, provider: &'static str, answer: &'static str) -> Count {
        let labels = [KeyValue::new("provider", provider), KeyValue::new("answer", answer)];
        self.metrics.counter(&ANSWERS, &labels)
    }

    /// Counts a processed event.
    pub(crate) fn judged(&self, event_type: Option<&str>, verdict: EventVerdict) {
        let mut types = resend_event::DELIVERY_TYPES.iter().chain(resend_event::OTHERS).copied();
        let known = types.find(|known| Some(*known) == event_type);
        self.events(known.unwrap_or("_OTHER"), verdict).one();
    }

    /// Counts the first report of this outcome for a mail.
    pub(crate) fn became(&self, outcome: DeliveryOutcome) {
        let place = DeliveryOutcome::ALL.into_iter().position(|other| other == outcome);
        if let Some(count) = place.and_then(|place| self.deliveries.get(place)) {
            count.one();
        }
    }

    /// Counts a fact that operators got as a notice, or that was only counted.
    pub(crate) fn reported(&self, kind: NoticeKind, told: bool) {
        let [first, repeated] = NOTICE_OUTCOMES;
        self.notices(kind, if told { first } else { repeated }).one();
    }

    fn notices(&self, kind: NoticeKind, outcome: &'static str) -> Count {
        let labels = [KeyValue::new("kind", kind.as_str()), KeyValue::new("outcome", outcome)];
        self.metrics.counter(&NOTICES, &labels)
    }

    /// Counts a notice that is settled on a channel.
    pub(crate) fn delivered_notice(&self, kind: NoticeKind, channel: Channel, state: DeliveryState) {
        let [sent, failed, in_doubt] = DELIVERY_STATES;
        let outcome = match state {
            DeliveryState::Pending => return,
            DeliveryState::Sent => sent,
            DeliveryState::Failed => failed,
            DeliveryState::InDoubt => in_doubt,
        };
        let place = Channel::ALL.into_iter().position(|other| other == channel);
        let channel = place.and_then(|place| CHANNELS.get(place)).copied().unwrap_or_default();
        self.notice_deliveries(kind, channel, outcome).one();
    }

    fn notice_deliveries(&self, kind: NoticeKind, channel: &'static str, outcome: &'static str) -> Count {
        let labels = [
            KeyValue::new("kind", kind.as_str()),
            KeyValue::new("channel", channel),
            KeyValue::new("outcome", outcome),
        ];
        self.metrics.counter(&NOTICE_DELIVERIES, &labels)
    }

    fn events(&self, event_type: &'static str, verdict: EventVerdict) -> Count {
        let verdict = match verdict {
            EventVerdict::Applied => "applied",
            EventVerdict::Ignored => "ignored",
            EventVerdict::Unmatched => "unmatched",
            EventVerdict::Quarantined => "quarantined",
        };
        let labels = [KeyValue::new("type", event_type), KeyValue::new("verdict", verdict)];
        self.metrics.counter(&PROVIDER_EVENTS, &labels)
    }

    fn messages(&self, template: &str, state: State) -> Count {
        let state = match state {
            State::Pending => "pending",
            State::Sent => "sent",
            State::Failed => "failed",
            State::InDoubt => "in_doubt",
            State::Suppressed => "suppressed",
            State::Cancelled => "cancelled",
        };
        let labels = [KeyValue::new("template", template.to_owned()), KeyValue::new("state", state)];
        self.metrics.counter(&MESSAGES, &labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_counted_under_its_own_name() {
        let names = DeliveryOutcome::ALL.map(|outcome| outcome.as_str().to_lowercase());
        assert_eq!(names, OUTCOMES);
        assert_eq!(Channel::ALL.map(|channel| channel.as_str().to_lowercase()), CHANNELS);
    }
}
