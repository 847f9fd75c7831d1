//! The test kit: a PostgreSQL cluster of its own per test binary, a database per test cloned from a migrated
//! template, a service on a port of its own, the callers, and the details of a refused call.
#![expect(clippy::missing_panics_doc, reason = "a harness panics: that is how a test fails")]

mod authority;
mod caller;
mod database;
pub mod drive;
mod log;
pub mod process;
pub mod recorder;
mod refusal;
mod service;

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

pub use self::{
    authority::{Authority, CertificateFiles, Signed},
    caller::Caller,
    database::{
        advance, binaries, cluster, connect, copy_of, count, database, database_of, empty_database, execute,
    },
    log::Log,
    refusal::{reason, refused, retry_after, violated},
    service::{TestService, config},
};

use crate::{
    config::{Env, Reader},
    token::MeshKeys,
};

/// The key that signs service tokens in tests.
pub const MESH_KEY: &str = "the mesh key of tests which is long enough";
/// The secret that signs users' tokens in tests.
pub const JWT_SECRET: &str = "the shared secret of tests which is long enough";

/// The keys of the mesh in tests.
fn mesh_keys() -> MeshKeys {
    let env = Env::from_pairs([("LEVQOR_MESH_KEY", MESH_KEY)]);
    MeshKeys::read(&mut Reader::new(&env)).expect("keys")
}

/// Waits for a condition, a minute at most; the only waiting that tests do.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut check: impl FnMut() -> F) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = check().await {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "waited in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Whether a text has this word. In the middle of an id or a token, a short word may occur by chance: that does not count.
#[must_use]
pub fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric()).any(|it| it == word)
}

/// Lets time pass: for fakes that are slow, or late, because a test wants it. Tests wait for conditions.
pub async fn delay(by: Duration) {
    tokio::time::sleep(by).await;
}

/// Sends the log of this thread to a subscriber. That is the log of the whole test, because its runtime has one thread. Use this
/// instead of tracing's `set_default`. While only one subscriber exists, tracing asks the thread that reaches a log statement
/// first whether the statement is enabled, and caches the answer for all threads. If the thread of another test comes first, the
/// answer is no.
#[expect(clippy::disallowed_methods, reason = "this is the one place that does it safely")]
pub fn hear<S>(subscriber: S) -> tracing::subscriber::DefaultGuard
where
    S: tracing::Subscriber + Send + Sync + 'static,
{
    prepare_subscribers();
    tracing::subscriber::set_default(subscriber)
}

/// Makes two subscribers that record nothing. With more than one subscriber, tracing asks all of them.
fn prepare_subscribers() {
    static OTHERS: LazyLock<[tracing::Dispatch; 2]> =
        LazyLock::new(|| [(); 2].map(|()| tracing::Dispatch::new(tracing::subscriber::NoSubscriber::new())));
    LazyLock::force(&OTHERS);
}

/// Runs something beside the test.
#[expect(clippy::disallowed_methods, reason = "in a test there is no drain that would have to wait")]
pub fn spawn<F>(future: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(future)
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use tracing_subscriber::{Layer, layer::Context, layer::SubscriberExt};

    use super::*;

    struct Count(Arc<AtomicUsize>);

    impl<S: tracing::Subscriber> Layer<S> for Count {
        fn on_event(&self, _: &tracing::Event<'_>, _: Context<'_, S>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_test_gets_log_lines_that_another_thread_reached_first() {
        let said = || tracing::warn!("it is said");
        let heard = Arc::new(AtomicUsize::new(0));
        let _hears = hear(tracing_subscriber::registry().with(Count(Arc::clone(&heard))));
        std::thread::spawn(said).join().expect("no panic");
        assert_eq!(heard.load(Ordering::SeqCst), 0, "that thread is another test's");
        said();
        assert_eq!(heard.load(Ordering::SeqCst), 1);
    }
}
