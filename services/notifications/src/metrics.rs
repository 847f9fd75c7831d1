//! What notifications counts: mails by template, and what became of them.

use levqor_runtime::metrics::{Attribute, Count, Definition, KeyValue, Metrics};

use crate::domain::{delivery::AttemptOutcome, message::State, template::Template};

/// Mails, as they come to a state.
pub const MESSAGES: Definition = Definition::counter(
    "levqor.mail.messages",
    "{message}",
    "Mails that came to a state: asked for (or to be sent again), taken by the provider, failed for good, in doubt.",
    &[TEMPLATE, Attribute::one_of("state", &["pending", "sent", "failed", "in_doubt"])],
);
/// What the provider said.
pub const ANSWERS: Definition = Definition::counter(
    "levqor.mail.provider.answers",
    "{try}",
    "Tries to hand a mail to the provider: it took it, will never take it, did not take it now, or may have taken it.",
    &[
        Attribute::one_of("provider", &["mailbox", "resend"]),
        Attribute::one_of("answer", &["accepted", "refused", "not_accepted", "ambiguous"]),
    ],
);
/// Mails that are not settled.
pub const UNSETTLED: Definition = Definition::gauge(
    "levqor.mail.unsettled",
    "{message}",
    "Mails that wait to be handed over, and those in doubt, which a person has to look at. Counted to 100,000.",
    &[STATE],
);
/// The oldest of them.
pub const UNSETTLED_AGE: Definition = Definition::gauge(
    "levqor.mail.oldest_unsettled_age",
    "s",
    "For how long the oldest mail is there that is neither sent nor failed; 0 where none is.",
    &[STATE],
);

/// All of them.
pub const ALL: &[Definition] = &[MESSAGES, ANSWERS, UNSETTLED, UNSETTLED_AGE];

const STATE: Attribute = Attribute::one_of("state", &["pending", "in_doubt"]);

const TEMPLATE: Attribute =
    Attribute::known("template", "the templates, or `_OTHER` for one that this version has not");

/// The series, bound once. Cheap to clone.
#[derive(Clone)]
pub(crate) struct MailMetrics {
    metrics: Metrics,
    answers: [Count; 4],
}

impl MailMetrics {
    /// With this provider.
    pub(crate) fn new(metrics: &Metrics, provider: &'static str) -> Self {
        let answer = |answer| {
            let labels = [KeyValue::new("provider", provider), KeyValue::new("answer", answer)];
            metrics.counter(&ANSWERS, &labels)
        };
        let answers = ["accepted", "refused", "not_accepted", "ambiguous"].map(answer);
        let this = Self { metrics: metrics.clone(), answers };
        // All are there from the start, so that the first mail, and the first failure, is a rise.
        for template in Template::ALL {
            for state in [State::Pending, State::Sent, State::Failed, State::InDoubt] {
                drop(this.messages(template.name(), state));
            }
        }
        this
    }

    /// A mail came to a state.
    pub(crate) fn came_to(&self, template: &str, state: State) {
        let known = Template::ALL.into_iter().map(Template::name).find(|known| *known == template);
        self.messages(known.unwrap_or("_OTHER"), state).one();
    }

    /// The provider answered like this.
    pub(crate) fn answered(&self, answer: AttemptOutcome) {
        let [accepted, refused, not_accepted, ambiguous] = &self.answers;
        match answer {
            AttemptOutcome::Accepted => accepted.one(),
            AttemptOutcome::Refused => refused.one(),
            AttemptOutcome::NotAccepted => not_accepted.one(),
            AttemptOutcome::Ambiguous => ambiguous.one(),
        }
    }

    fn messages(&self, template: &'static str, state: State) -> Count {
        let state = match state {
            State::Pending => "pending",
            State::Sent => "sent",
            State::Failed => "failed",
            State::InDoubt => "in_doubt",
        };
        self.metrics.counter(&MESSAGES, &[KeyValue::new("template", template), KeyValue::new("state", state)])
    }
}
