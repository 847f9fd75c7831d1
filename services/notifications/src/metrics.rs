//! The metrics of notifications: mails by template and state, and the provider's reports about them.

use std::sync::Arc;

use levqor_runtime::metrics::{Attribute, Count, Definition, KeyValue, Metrics};

use crate::domain::{delivery::AttemptOutcome, message::State, report::DeliveryOutcome, resend_event};

/// Mails that reached a state.
pub const MESSAGES: Definition = Definition::counter(
    "levqor.mail.messages",
    "{message}",
    "Mails that reached a state: pending (requested, or to be sent again), sent (accepted by the provider), failed, in doubt.",
    &[TEMPLATE, Attribute::one_of("state", &["pending", "sent", "failed", "in_doubt"])],
);
/// Answers of the provider.
pub const ANSWERS: Definition = Definition::counter(
    "levqor.mail.provider.answers",
    "{try}",
    "Attempts to send a mail to the provider, by answer: it accepted the mail, refused it for good, did not accept it now, or may have accepted it.",
    &[
        Attribute::one_of("provider", &["mailbox", "resend"]),
        Attribute::one_of("answer", &["accepted", "refused", "not_accepted", "ambiguous"]),
    ],
);
/// Events of providers.
pub const PROVIDER_EVENTS: Definition = Definition::counter(
    "levqor.mail.provider.events",
    "{event}",
    "Journaled events of mail providers, by outcome: applied to a mail, ignored because of their type, about a mail that is not \
     ours, or quarantined.",
    &[
        Attribute::known("type", "the types of the provider's events, or `_OTHER`"),
        Attribute::one_of("verdict", &VERDICTS),
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
    "Age of the oldest mail in this state; 0 if there is none.",
    &[STATE],
);

/// All metrics.
pub const ALL: &[Definition] = &[MESSAGES, ANSWERS, PROVIDER_EVENTS, DELIVERIES, UNSETTLED, UNSETTLED_AGE];

const STATE: Attribute = Attribute::one_of("state", &["pending", "in_doubt"]);

const TEMPLATE: Attribute = Attribute::known("template", "the templates, or `_OTHER` for an unknown one");

const VERDICTS: [&str; 4] = ["applied", "ignored", "unmatched", "quarantined"];
/// In the order of `DeliveryOutcome::ALL`.
const OUTCOMES: [&str; 7] =
    ["delayed", "delivered", "failed", "bounced_soft", "suppressed", "bounced_hard", "complained"];

/// The result of processing an event.
#[derive(Debug, Clone, Copy)]
pub(crate) enum EventVerdict {
    /// It was applied to its mail.
    Applied,
    /// It tells nothing of a mail's delivery.
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
    deliveries: [Count; 7],
    answers: [Count; 4],
    templates: Arc<[String]>,
}

impl MailMetrics {
    /// Binds the series for this provider and these templates.
    pub(crate) fn new<'a>(
        metrics: &Metrics,
        provider: &'static str,
        templates: impl Iterator<Item = &'a str>,
    ) -> Self {
        let templates = templates.map(str::to_owned).collect();
        let answer = |answer| {
            let labels = [KeyValue::new("provider", provider), KeyValue::new("answer", answer)];
            metrics.counter(&ANSWERS, &labels)
        };
        let answers = ["accepted", "refused", "not_accepted", "ambiguous"].map(answer);
        let delivery = |outcome| metrics.counter(&DELIVERIES, &[KeyValue::new("outcome", outcome)]);
        let this = Self { metrics: metrics.clone(), deliveries: OUTCOMES.map(delivery), answers, templates };
        for event_type in resend_event::HEEDED {
            for verdict in [EventVerdict::Applied, EventVerdict::Unmatched, EventVerdict::Quarantined] {
                drop(this.events(event_type, verdict));
            }
        }
        for event_type in resend_event::OTHERS {
            drop(this.events(event_type, EventVerdict::Ignored));
        }
        drop(this.events("_OTHER", EventVerdict::Ignored));
        drop(this.events("_OTHER", EventVerdict::Quarantined));
        // Every series starts at 0, so that the first mail and the first failure are visible as an increase.
        for template in &*this.templates {
            for state in [State::Pending, State::Sent, State::Failed, State::InDoubt] {
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

    /// Counts an answer of the provider.
    pub(crate) fn answered(&self, answer: AttemptOutcome) {
        let [accepted, refused, not_accepted, ambiguous] = &self.answers;
        match answer {
            AttemptOutcome::Accepted => accepted.one(),
            AttemptOutcome::Refused => refused.one(),
            AttemptOutcome::NotAccepted => not_accepted.one(),
            AttemptOutcome::Ambiguous => ambiguous.one(),
        }
    }

    /// Counts a processed event.
    pub(crate) fn judged(&self, event_type: Option<&str>, verdict: EventVerdict) {
        let mut types = resend_event::HEEDED.into_iter().chain(resend_event::OTHERS);
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
    }
}
