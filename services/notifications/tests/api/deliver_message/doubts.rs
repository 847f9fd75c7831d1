//! A message that a provider may have is sent again only if that cannot produce a second mail. Otherwise it is in doubt, and
//! staff see it.

use std::time::Duration;

use chrono::TimeDelta;
use levqor_proto_notifications::v1::{
    ListMessagesRequest,
    delivery_attempt::Outcome::{Accepted, Refused},
    message::State,
};
use levqor_runtime::{
    db::Db,
    testing::{self, Caller, TestService, eventually},
};
use sqlx::AssertSqlSafe;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use tracing_subscriber::layer::SubscriberExt;

use super::FORGET_THE_OUTCOME;
use crate::{
    ADDRESS_KEY, Notified,
    fake_mail::{
        API_KEY,
        Behaviour::{AcceptAndCut, AcceptSlowly, Fail},
        FakeMail,
    },
    reason, refused,
};

const LONG: Duration = Duration::from_mins(1);

impl Notified {
    /// Delivers a message to a provider with a slow answer, and does something else meanwhile.
    async fn deliver_slowly<T>(
        &self,
        provider: &FakeMail,
        id: &str,
        meanwhile: impl AsyncFnOnce() -> T,
    ) -> (State, T) {
        let (state, done) = self.try_slowly(provider, id, meanwhile).await;
        (state.expect("an answer"), done)
    }

    /// As `deliver_slowly`, but returns the failure too.
    async fn try_slowly<T>(
        &self,
        provider: &FakeMail,
        id: &str,
        meanwhile: impl AsyncFnOnce() -> T,
    ) -> (Result<State, Status>, T) {
        let before = provider.accepted().len();
        provider.next([AcceptSlowly(LONG)]);
        let others = async {
            let taken = || async { (provider.accepted().len() > before).then_some(()) };
            eventually("the provider has the mail", taken).await;
            let done = meanwhile().await;
            provider.release();
            done
        };
        tokio::join!(self.deliver(id), others)
    }
}

#[tokio::test]
async fn a_delivery_whose_outcome_was_not_stored_sends_no_second_mail() {
    for (provider, hours, state) in
        [(FakeMail::start(), "24", State::Sent), (FakeMail::start_ignoring_keys(), "0", State::InDoubt)]
    {
        let notified = Notified::start_with(&provider, hours).await;
        let id = notified.pending().await;
        notified.deliver(&id).await.expect("delivered");
        notified.execute(FORGET_THE_OUTCOME).await;
        assert_eq!(notified.deliver(&id).await.expect("an answer"), state);
        assert_eq!(provider.accepted().len(), 1);
        let details: Vec<_> = notified.attempts(&id).await.into_iter().map(|(_, detail)| detail).collect();
        assert_eq!(details[0], "its outcome was never written down");
    }
}

#[tokio::test]
async fn a_key_is_trusted_for_its_window_and_no_longer() {
    for (hours, state, mails) in [(23, State::Sent, 1), (24, State::InDoubt, 1)] {
        let provider = FakeMail::start();
        let notified = Notified::start_with(&provider, "24").await;
        provider.next([AcceptAndCut]);
        let id = notified.pending().await;
        notified.deliver_in_vain(&id, "cut").await;
        notified.service.advance(TimeDelta::hours(hours)).await;
        if hours == 24 {
            provider.forget_keys();
        }
        assert_eq!(notified.deliver(&id).await.expect("an answer"), state, "{hours}");
        assert_eq!(provider.accepted().len(), mails);
    }
}

#[tokio::test]
async fn an_answer_after_the_window_leaves_the_mail_in_doubt_at_once() {
    let provider = FakeMail::start();
    let notified = Notified::start_with(&provider, "24").await;
    provider.next([Fail(403), AcceptAndCut]);
    let id = notified.pending().await;
    notified.deliver_in_vain(&id, "not accepted").await;
    notified.service.advance(TimeDelta::hours(24)).await;
    assert_eq!(notified.deliver(&id).await.expect("an answer"), State::InDoubt);
    assert!(notified.message(&id).await.doubt.contains("any more"));
}

#[tokio::test]
async fn two_deliveries_never_call_the_provider_at_once() {
    let provider = FakeMail::start_ignoring_keys();
    let notified = Notified::start_with(&provider, "0").await;
    let id = notified.pending().await;
    let second = async || refused(notified.deliver(&id).await);
    let (state, status) = notified.deliver_slowly(&provider, &id, second).await;
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Aborted, "DELIVERY_UNDER_WAY"));
    let delay = status.get_error_details().retry_info().and_then(|info| info.retry_delay).expect("a time");
    assert!((1..=30).contains(&delay.as_secs()), "{delay:?}");
    assert_eq!((state, provider.requests()), (State::Sent, 1));
}

#[tokio::test]
async fn a_new_round_waits_for_a_delivery_of_the_older_round() {
    let provider = FakeMail::start_ignoring_keys();
    let notified = Notified::start_with(&provider, "0").await;
    let id = notified.pending().await;
    let second = async || {
        // Simulates a person who requested "send it again" while a slow attempt was under way.
        notified.execute("UPDATE messages SET round = 2").await;
        refused(notified.deliver(&id).await)
    };
    let (state, status) = notified.deliver_slowly(&provider, &id, second).await;
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Aborted, "DELIVERY_UNDER_WAY"));
    assert_eq!((state, provider.requests()), (State::Sent, 1), "its evidence counts in any round");
}

#[tokio::test]
async fn an_answer_is_stored_even_if_its_attempt_was_deleted() {
    let provider = FakeMail::start_ignoring_keys();
    let notified = Notified::start_with(&provider, "0").await;
    let id = notified.pending().await;
    let lose = async || notified.execute("DELETE FROM delivery_attempts").await;
    let (state, ()) = notified.deliver_slowly(&provider, &id, lose).await;
    assert_eq!(state, State::Sent);
    assert_eq!(notified.attempts(&id).await[0], (Accepted, provider.accepted()[0].id.clone()));
}

#[tokio::test]
async fn only_evidence_replaces_the_known_outcome_of_an_attempt() {
    let provider = FakeMail::start_ignoring_keys();
    let notified = Notified::start_with(&provider, "0").await;
    let known = "UPDATE delivery_attempts SET outcome = 'REFUSED', end_time = begin_time, detail = 'no'";
    let id = notified.pending().await;
    let cut = async || {
        notified.execute(known).await;
        provider.refuse_connections();
        provider.take_connections();
    };
    let (answer, ()) = notified.try_slowly(&provider, &id, cut).await;
    let status = refused(answer);
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Internal, "ATTEMPT_CONTRADICTED"));
    assert_eq!(notified.attempts(&id).await, [(Refused, "no".to_owned())]);

    let id = notified.pending().await;
    let (state, ()) = notified.deliver_slowly(&provider, &id, async || notified.execute(known).await).await;
    assert_eq!(state, State::Sent);
    assert_eq!(notified.attempts(&id).await, [(Accepted, provider.accepted()[1].id.clone())]);
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_is_in_doubt_until_late_evidence() {
    let provider = FakeMail::start_ignoring_keys();
    let notified = Notified::start_with(&provider, "0").await;
    let id = notified.pending().await;
    let second = async || {
        notified.service.advance(TimeDelta::seconds(31)).await;
        notified.deliver(&id).await.expect("an answer")
    };
    let (first, second) = notified.deliver_slowly(&provider, &id, second).await;
    assert_eq!((first, second, provider.requests()), (State::Sent, State::InDoubt, 1));
    let message = notified.message(&id).await;
    assert_eq!((message.state(), message.doubt.as_str()), (State::Sent, ""));
    assert_eq!(message.provider_message_id, provider.accepted()[0].id);
}

/// A database that is unavailable for a moment.
struct Away {
    server: Db,
    name: String,
}

impl Away {
    /// Renames the service's database and ends its connections.
    async fn take(notified: &Notified) -> Self {
        let server = testing::connect(&notified.service.url.with_database("postgres"));
        let name = notified.service.url.options().get_database().expect("a name").to_owned();
        let away = Self { server, name };
        let end =
            format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'", away.name);
        // While the rename waits for the connections to end, no new one can be opened.
        let rename = away.execute(format!("ALTER DATABASE {0} RENAME TO {0}_away", away.name));
        let all_leave = eventually("they have left", || async {
            away.execute(end.clone()).await.expect("ended");
            None::<()>
        });
        tokio::select! {
            renamed = rename => renamed.expect("nobody is connected"),
            () = all_leave => {}
        }
        away
    }

    async fn bring_back(&self) {
        self.execute(format!("ALTER DATABASE {0}_away RENAME TO {0}", self.name)).await.expect("it is back");
    }

    async fn execute(&self, sql: String) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(self.server.pool()).await.map(drop)
    }
}

#[tokio::test]
async fn an_answer_is_not_lost_during_a_short_outage_of_the_database() {
    let provider = FakeMail::start_ignoring_keys();
    let notified = Notified::start_with(&provider, "0").await;
    let id = notified.pending().await;
    provider.next([AcceptSlowly(LONG)]);
    let others = async {
        let taken = || async { (provider.accepted().len() == 1).then_some(()) };
        eventually("the provider has the mail", taken).await;
        let away = Away::take(&notified).await;
        provider.release();
        // The loop lasts until the answer has come and at least one try to store it has failed.
        let mut looks = 0;
        eventually("a moment passes", || {
            looks += 1;
            std::future::ready((looks > 30).then_some(()))
        })
        .await;
        away.bring_back().await;
    };
    let (state, ()) = tokio::join!(notified.deliver(&id), others);
    assert_eq!(state.expect("an answer"), State::Sent);
    assert_eq!(provider.requests(), 1);
}

#[tokio::test]
async fn a_key_means_nothing_to_another_provider_or_account() {
    let (provider, other) = (FakeMail::start(), FakeMail::start());
    let url = other.url();
    let elsewhere = [ADDRESS_KEY, ("RESEND_API_KEY", API_KEY), ("RESEND_API_BASE", &url)];
    let same_place = provider.url();
    let account = [ADDRESS_KEY, ("RESEND_API_KEY", "re_of_another"), ("RESEND_API_BASE", &same_place)];
    for settings in [&[ADDRESS_KEY][..], &elsewhere, &account] {
        let notified = Notified::start_with(&provider, "24").await;
        provider.next([AcceptAndCut]);
        let id = notified.pending().await;
        notified.deliver_in_vain(&id, "cut").await;
        let database = notified.service.url.clone();
        notified.service.stop().await;
        let after = Notified { service: TestService::start_on(database, settings).await };
        assert_eq!(after.deliver(&id).await.expect("an answer"), State::InDoubt);
        assert_eq!(after.count("mailbox").await, 0);
    }
    assert_eq!((provider.requests(), other.requests()), (3, 0));
}

#[tokio::test]
async fn a_later_answer_of_the_provider_does_not_end_an_earlier_doubt() {
    let provider = FakeMail::start();
    let notified = Notified::start_with(&provider, "24").await;
    let id = notified.pending().await;
    provider.next([AcceptAndCut, Fail(422)]);
    notified.deliver_in_vain(&id, "cut").await;
    assert_eq!(notified.deliver(&id).await.expect("an answer"), State::InDoubt);
    assert!(notified.message(&id).await.doubt.contains("may have taken it before"));

    let id = notified.pending().await;
    provider.next([AcceptAndCut]);
    notified.deliver_in_vain(&id, "cut").await;
    notified.execute("UPDATE messages SET subject = 'Goodbye!'").await;
    assert_eq!(notified.deliver(&id).await.expect("an answer"), State::InDoubt);
    assert!(notified.message(&id).await.doubt.contains("was not the same"));
    assert_eq!(provider.accepted().len(), 2);
}

/// Counts the WARN log lines about doubts.
#[derive(Clone, Default)]
struct Doubts(std::sync::Arc<std::sync::atomic::AtomicUsize>);

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Doubts {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        let about_doubt = event.metadata().fields().field("doubt").is_some();
        if about_doubt && *event.metadata().level() == tracing::Level::WARN {
            self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    }
}

#[tokio::test]
async fn staff_see_mails_in_doubt_and_the_log_names_each_once() {
    let doubts = Doubts::default();
    let _log = levqor_runtime::testing::hear(tracing_subscriber::registry().with(doubts.clone()));
    let provider = FakeMail::start_ignoring_keys();
    let notified = Notified::start_with(&provider, "0").await;
    provider.next([AcceptAndCut]);
    let id = notified.pending().await;
    for _ in 0..3 {
        notified.deliver(&id).await.expect("an answer");
    }
    let clear = notified.pending().await;
    notified.deliver(&clear).await.expect("delivered");
    assert_eq!(doubts.0.load(std::sync::atomic::Ordering::SeqCst), 1);

    let request = ListMessagesRequest { state: State::InDoubt.into(), ..Default::default() };
    let list = notified.client().list_messages(Caller::staff().request(request)).await.expect("a list");
    let listed: Vec<_> = list.into_inner().messages.into_iter().map(|message| message.message_id).collect();
    assert_eq!(listed, [id]);
}
