//! Metrics of support: the outcomes of turns and tickets, and the overdue first replies.

use levqor_runtime::metrics::{Attribute, Count, Definition, KeyValue, Metrics, Timing};

use crate::domain::{
    inbound::Verdict,
    model_call::{ModelCall, ModelOutcome},
    survey::Score,
    turn::{HandOffReason, Outcome},
};

/// Turns of conversations.
pub const TURNS: Definition = Definition::counter(
    "levqor.support.turns",
    "{turn}",
    "Messages to the assistant, by what became of them.",
    &[Attribute::one_of(
        "outcome",
        &[
            "ANSWERED",
            "NOT_KNOWN",
            "ACKNOWLEDGED",
            "HANDED_OFF",
            "FORWARDED",
            "REPLIED",
            "RETURNED",
            "OWN_DATA",
        ],
    )],
);
/// Conversations that went to a person.
pub const HAND_OFFS: Definition = Definition::counter(
    "levqor.support.hand_offs",
    "{conversation}",
    "Conversations that went to a person, by the reason.",
    &[Attribute::one_of("reason", &["ASKED", "NO_ANSWER", "NOT_HELPFUL", "MONEY_BACK", "ANGER", "TAKEN"])],
);
/// Tickets that were opened, replied to, and so on.
pub const TICKET_STEPS: Definition = Definition::counter(
    "levqor.support.ticket.steps",
    "{step}",
    "Steps of tickets.",
    &[Attribute::one_of("step", STEPS)],
);
/// Answers to surveys.
pub const SURVEYS: Definition = Definition::counter(
    "levqor.support.surveys",
    "{answer}",
    "Answers to the survey after a ticket was solved, by the score from 1 (bad) to 5 (good).",
    &[Attribute::one_of("score", &["1", "2", "3", "4", "5"])],
);
/// Mails that came to addresses of tickets.
pub const INBOUND_MAILS: Definition = Definition::counter(
    "levqor.support.inbound_mails",
    "{mail}",
    "Mails that came to addresses of tickets, by what became of them.",
    &[Attribute::one_of("verdict", &["ACCEPTED", "STRANGER", "AUTOMATIC", "LOOP", "TOO_MANY", "NO_TICKET"])],
);
/// Questions to the language model.
pub const MODEL_CALLS: Definition = Definition::counter(
    "levqor.support.model.calls",
    "{call}",
    "Questions to the language model, by outcome. Customers read the model's text only if the outcome is ANSWERED.",
    &[Attribute::one_of(
        "outcome",
        &[
            "ANSWERED",
            "NO_ANSWER",
            "UNSUPPORTED",
            "REFUSED",
            "EMPTY",
            "CUT",
            "MALFORMED",
            "UNAUTHORISED",
            "RATE_LIMITED",
            "REJECTED",
            "SERVER_FAILED",
            "TIMED_OUT",
            "UNREACHABLE",
        ],
    )],
);
/// Tokens of the language model.
pub const MODEL_TOKENS: Definition = Definition::counter(
    "levqor.support.model.tokens",
    "{token}",
    "Tokens that the language model read and wrote, as its server counts them.",
    &[Attribute::one_of("direction", &["read", "written"])],
);
/// How long the language model takes.
pub const MODEL_DURATION: Definition = Definition::timing(
    "levqor.support.model.duration",
    "How long customers waited for the language model, also if no answer came.",
    &[],
);
/// First replies that are overdue.
pub const FIRST_REPLIES_OVERDUE: Definition = Definition::gauge(
    "levqor.support.first_replies.overdue",
    "{ticket}",
    "Tickets whose first reply is overdue. Counted up to 1,000.",
    &[],
);
/// Until when the bank holidays are known.
pub const LAST_HOLIDAY: Definition = Definition::gauge(
    "levqor.support.holidays.last.timestamp",
    "s",
    "Day of the last bank holiday that is known, in seconds since 1970. Due times after it ignore bank holidays.",
    &[],
);

/// All metrics.
pub const ALL: &[Definition] = &[
    TURNS,
    HAND_OFFS,
    TICKET_STEPS,
    SURVEYS,
    INBOUND_MAILS,
    MODEL_CALLS,
    MODEL_TOKENS,
    MODEL_DURATION,
    FIRST_REPLIES_OVERDUE,
    LAST_HOLIDAY,
];

const STEPS: &[&str] = &["opened", "replied", "overdue", "solved", "closed"];

/// A step of a ticket that is counted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// It was opened.
    Opened,
    /// Staff replied.
    Replied,
    /// Its first reply became overdue.
    Overdue,
    /// It was solved.
    Solved,
    /// It was closed.
    Closed,
}

/// The counters, bound once.
#[derive(Clone)]
pub(crate) struct SupportMetrics {
    turns: Vec<Count>,
    hand_offs: Vec<Count>,
    steps: Vec<Count>,
    surveys: Vec<Count>,
    inbound_mails: Vec<Count>,
    model_calls: Vec<Count>,
    tokens_read: Count,
    tokens_written: Count,
    model_duration: Timing,
}

impl SupportMetrics {
    /// Binds the counters.
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let bind = |definition, key: &'static str, value: &'static str| {
            metrics.counter(definition, &[KeyValue::new(key, value)])
        };
        Self {
            turns: Outcome::ALL.iter().map(|outcome| bind(&TURNS, "outcome", outcome.as_str())).collect(),
            hand_offs: HandOffReason::ALL
                .iter()
                .map(|reason| bind(&HAND_OFFS, "reason", reason.as_str()))
                .collect(),
            inbound_mails: Verdict::ALL
                .iter()
                .map(|verdict| bind(&INBOUND_MAILS, "verdict", verdict.as_str()))
                .collect(),
            surveys: Score::ALL.iter().map(|score| bind(&SURVEYS, "score", score.as_str())).collect(),
            steps: STEPS.iter().map(|step| bind(&TICKET_STEPS, "step", step)).collect(),
            model_calls: ModelOutcome::ALL
                .iter()
                .map(|outcome| bind(&MODEL_CALLS, "outcome", outcome.as_str()))
                .collect(),
            tokens_read: bind(&MODEL_TOKENS, "direction", "read"),
            tokens_written: bind(&MODEL_TOKENS, "direction", "written"),
            model_duration: metrics.histogram(&MODEL_DURATION, &[]),
        }
    }

    /// Counts a turn.
    pub(crate) fn turn(&self, outcome: Outcome, reason: Option<HandOffReason>) {
        let place = Outcome::ALL.iter().position(|known| *known == outcome);
        if let Some(count) = place.and_then(|place| self.turns.get(place)) {
            count.one();
        }
        let place = reason.and_then(|reason| HandOffReason::ALL.iter().position(|known| *known == reason));
        if let Some(count) = place.and_then(|place| self.hand_offs.get(place)) {
            count.one();
        }
    }

    /// Counts an answer to a survey.
    pub(crate) fn survey(&self, score: Score) {
        let place = Score::ALL.iter().position(|known| *known == score);
        if let Some(count) = place.and_then(|place| self.surveys.get(place)) {
            count.one();
        }
    }

    /// Counts a received mail.
    pub(crate) fn inbound_mail(&self, verdict: Verdict) {
        let place = Verdict::ALL.iter().position(|known| *known == verdict);
        if let Some(count) = place.and_then(|place| self.inbound_mails.get(place)) {
            count.one();
        }
    }

    /// Counts a question to the language model.
    pub(crate) fn model(&self, call: &ModelCall) {
        let place = ModelOutcome::ALL.iter().position(|known| *known == call.outcome);
        if let Some(count) = place.and_then(|place| self.model_calls.get(place)) {
            count.one();
        }
        self.tokens_read.add(call.tokens.read.into());
        self.tokens_written.add(call.tokens.written.into());
        self.model_duration.record(call.took);
    }

    /// Counts a step of a ticket.
    pub(crate) fn step(&self, step: Step) {
        let place = match step {
            Step::Opened => 0,
            Step::Replied => 1,
            Step::Overdue => 2,
            Step::Solved => 3,
            Step::Closed => 4,
        };
        if let Some(count) = self.steps.get(place) {
            count.one();
        }
    }
}
