//! For every sequence of provider answers and crashes, a message becomes one mail, or a person learns of the doubt.

use chrono::TimeDelta;
use levqor_proto_notifications::v1::{
    ResolveMessageRequest,
    message::State,
    resolve_message_request::{Resolution, SendAgain},
};
use levqor_runtime::testing::Caller;
use proptest::{
    collection::vec,
    prelude::{Just, Strategy, prop_oneof},
    test_runner::{Config, TestCaseError, TestRunner},
};

use crate::{
    Notified,
    fake_mail::{Behaviour, FakeMail},
    fake_smtp::{Behaviour as AtSmtp, FakeSmtp},
};

/// An event in the life of a message.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// The message is delivered to providers with these behaviours: Resend, and the SMTP server after it, if there is one.
    Deliver(Behaviour, AtSmtp),
    /// As `Deliver`, but the process is killed before the last outcome is stored.
    DeliverAndDie(Behaviour, AtSmtp),
    /// This number of hours passes, and the provider forgets its keys when it may.
    Pass(i64),
    /// If the message is in doubt, a person requests "send it again".
    SendAgain,
}

fn behaviour() -> impl Strategy<Value = Behaviour> {
    prop_oneof![
        Just(Behaviour::Accept),
        Just(Behaviour::AcceptAndCut),
        Just(Behaviour::AcceptAndFail(500)),
        Just(Behaviour::AcceptAndBabble),
        Just(Behaviour::Cut),
        Just(Behaviour::Fail(422)),
        Just(Behaviour::Fail(403)),
        Just(Behaviour::Fail(503)),
        Just(Behaviour::RateLimit(1)),
    ]
}

fn at_smtp() -> impl Strategy<Value = AtSmtp> {
    prop_oneof![
        Just(AtSmtp::Accept),
        Just(AtSmtp::AcceptAndCut),
        Just(AtSmtp::Cut("RCPT")),
        Just(AtSmtp::Cut(".")),
        Just(AtSmtp::Reply(".", "451 4.3.0 try again later")),
        Just(AtSmtp::Reply("RCPT", "550 5.7.1 blocked using spamhaus")),
        Just(AtSmtp::Reply(".", "554 5.7.1 Spam message rejected")),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (behaviour(), at_smtp()).prop_map(|(resend, smtp)| Event::Deliver(resend, smtp)),
        3 => (behaviour(), at_smtp()).prop_map(|(resend, smtp)| Event::DeliverAndDie(resend, smtp)),
        1 => (1..30i64).prop_map(Event::Pass),
        1 => Just(Event::SendAgain),
    ]
}

/// The state after a process is killed before it stores the outcome of its last attempt.
const KILLED: &str = "
    WITH last AS (
        UPDATE delivery_attempts SET outcome = NULL, end_time = NULL, begin_time = begin_time - interval '1 minute'
        WHERE delivery_attempt_id = (SELECT max(delivery_attempt_id::text)::uuid FROM delivery_attempts)
        RETURNING message_id
    )
    UPDATE messages SET state = 'PENDING', provider = NULL, provider_message_id = NULL, send_time = NULL, failure = NULL,
                        doubt = NULL
    FROM last WHERE messages.message_id = last.message_id";

/// One message, its events, and the expected result.
struct Case<'a> {
    notified: &'a Notified,
    provider: &'a FakeMail,
    smtp: Option<&'a FakeSmtp>,
    id: String,
    /// The number of mails that existed before this message.
    before: usize,
    said_again: usize,
    /// The hours since the provider first saw the key of this round. None if it has not seen the key.
    hours: Option<i64>,
}

impl Case<'_> {
    fn mails(&self) -> usize {
        self.provider.accepted().len() + self.smtp.map_or(0, |smtp| smtp.accepted().len()) - self.before
    }

    async fn happen(&mut self, event: Event) {
        match event {
            Event::Deliver(behaviour, smtp) => self.deliver(behaviour, smtp).await,
            Event::DeliverAndDie(behaviour, smtp) => {
                let attempts = self.notified.count("delivery_attempts").await;
                self.deliver(behaviour, smtp).await;
                if self.notified.count("delivery_attempts").await > attempts {
                    self.notified.execute(KILLED).await;
                }
            }
            Event::Pass(hours) => {
                self.notified.service.advance(TimeDelta::hours(hours)).await;
                self.hours = self.hours.map(|before| before + hours);
                if self.hours.is_some_and(|hours| hours >= 24) {
                    self.provider.forget_keys();
                }
            }
            Event::SendAgain => {
                if self.notified.message(&self.id).await.state() == State::InDoubt {
                    let resolution = Some(Resolution::SendAgain(SendAgain {}));
                    let request = ResolveMessageRequest { message_id: self.id.clone(), resolution };
                    let staff = Caller::staff().with_key(&format!("{}-{}", self.id, self.said_again));
                    self.notified.client().resolve_message(staff.request(request)).await.expect("resolved");
                    self.said_again += 1;
                    self.hours = None;
                }
            }
        }
    }

    /// Delivers once, and ignores the answer.
    async fn deliver(&mut self, behaviour: Behaviour, at_smtp: AtSmtp) {
        self.provider.heal();
        self.provider.next([behaviour]);
        if let Some(smtp) = self.smtp {
            smtp.heal();
            smtp.next([at_smtp]);
        }
        let before = self.provider.requests();
        drop(self.notified.deliver(&self.id).await);
        if self.provider.requests() > before {
            self.hours = self.hours.or(Some(0));
        }
    }

    /// Checks the invariants, which hold after every event.
    async fn check(&self) -> Result<(), TestCaseError> {
        let message = self.notified.message(&self.id).await;
        let (mails, state) = (self.mails(), message.state());
        proptest::prop_assert!(mails <= 1 + self.said_again, "{mails} mails, said {}", self.said_again);
        if state == State::Failed {
            proptest::prop_assert!(mails <= self.said_again, "it failed, and is with the provider");
        }
        if state == State::Sent {
            let id = &message.provider_message_id;
            let at_smtp = self.smtp.map(FakeSmtp::accepted).unwrap_or_default();
            let known = self.provider.accepted().iter().any(|mail| mail.id == *id)
                || at_smtp.iter().any(|mail| mail.data.contains(id.as_str()));
            proptest::prop_assert!(known, "sent without evidence");
        }
        Ok(())
    }
}

async fn run(
    notified: &Notified,
    provider: &FakeMail,
    smtp: Option<&FakeSmtp>,
    events: Vec<Event>,
) -> Result<(), TestCaseError> {
    let id = notified.pending().await;
    let before = provider.accepted().len() + smtp.map_or(0, |smtp| smtp.accepted().len());
    let mut case = Case { notified, provider, smtp, id, before, said_again: 0, hours: None };
    for event in events {
        case.happen(event).await;
        case.check().await?;
    }
    // Once the provider works again, every message is settled or visibly in doubt.
    case.deliver(Behaviour::Accept, AtSmtp::Accept).await;
    case.check().await?;
    let state = notified.message(&case.id).await.state();
    proptest::prop_assert!(state != State::Pending, "still pending");
    Ok(())
}

/// The number of sequences that are run; `PROPTEST_CASES` sets another number.
fn whatever_happens(provider: &FakeMail, smtp: Option<&FakeSmtp>, key_hours: &str, default: u32) {
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let notified = tokio.block_on(async {
        match smtp {
            None => Notified::start_with(provider, key_hours).await,
            Some(smtp) => {
                Notified::start_with_smtp(Some(provider), smtp, &[("RESEND_KEY_HOURS", key_hours)]).await
            }
        }
    });
    // Only the test delivers, so the deferred calls are disabled.
    tokio.block_on(notified.execute(
        "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
         CREATE TRIGGER nothing BEFORE INSERT ON runtime.work FOR EACH ROW EXECUTE FUNCTION nothing()",
    ));
    let default = Config { cases: default, failure_persistence: None, ..Config::default() };
    let cases = Config::default().cases;
    let config = if cases == 256 { default } else { Config { cases, ..default } };
    let outcome = TestRunner::new(config)
        .run(&vec(event(), 1..8), |events| tokio.block_on(run(&notified, provider, smtp, events)));
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    assert!(provider.accepted().len() > 50, "hardly anything was sent");
}

#[test]
fn a_provider_that_honours_keys_gets_one_mail() {
    whatever_happens(&FakeMail::start(), None, "24", 200);
}

#[test]
fn a_provider_that_ignores_keys_gets_one_mail_unless_a_person_says_again() {
    whatever_happens(&FakeMail::start_ignoring_keys(), None, "0", 200);
}

#[test]
fn two_providers_get_one_mail_together() {
    whatever_happens(&FakeMail::start(), Some(&FakeSmtp::start()), "24", 150);
}
