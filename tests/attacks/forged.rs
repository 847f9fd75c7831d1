//! Attacks with many webhooks that Stripe has not signed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{io::AsyncWriteExt, task::JoinSet};

use super::{
    Target,
    attack::{ATTACKER, Connection},
    genuine, genuine_calls,
};
use crate::stripe::sign;

const SPAN: Duration = Duration::from_secs(6);

/// Posts forged webhooks over this many connections until it is dropped.
struct Forgers {
    posted: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

impl Forgers {
    fn start(target: &Target, connections: usize, length: usize) -> Self {
        let (posted, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let body = "x".repeat(length);
        let head = format!(
            "POST /webhooks/stripe HTTP/1.1\r\nhost: a\r\nstripe-signature: {}\r\ncontent-length: {length}\r\n\r\n",
            sign("of another body")
        );
        let post = Arc::new(format!("{head}{body}").into_bytes());
        let mut tasks = JoinSet::new();
        for _ in 0..connections {
            let (posted, stop, post, to) =
                (Arc::clone(&posted), Arc::clone(&stop), Arc::clone(&post), target.gateway);
            tasks.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let Ok(mut connection) = Connection::open(ATTACKER, to, &post).await else { continue };
                    // The connection is used as long as requests are answered.
                    while is_answered(&mut connection).await && !stop.load(Ordering::Relaxed) {
                        posted.fetch_add(1, Ordering::Relaxed);
                        if connection.0.write_all(&post).await.is_err() {
                            break;
                        }
                    }
                }
            });
        }
        Self { posted, stop, tasks }
    }

    fn posted(&self) -> usize {
        self.posted.load(Ordering::Relaxed)
    }
}

impl Drop for Forgers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.tasks.abort_all();
    }
}

async fn is_answered(connection: &mut Connection) -> bool {
    let mut bytes = [0; 4096];
    let read = tokio::io::AsyncReadExt::read(&mut connection.0, &mut bytes);
    matches!(tokio::time::timeout(Duration::from_secs(10), read).await, Ok(Ok(count)) if count > 0)
}

async fn genuine_ones_beside(connections: usize) {
    let target = Target::start().await;
    let forgers = Forgers::start(&target, connections, 300);
    let fared = genuine(&target, SPAN).await;
    println!("{} forged ones were answered over {connections} connections", forgers.posted());
    assert!(forgers.posted() > 100, "they were no attack");
    fared.assert_well();
    assert!(fared.failed.is_empty() && fared.median() < Duration::from_millis(500), "{fared:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_webhooks_over_300_connections_delay_no_genuine_webhook() {
    genuine_ones_beside(300).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_webhooks_over_1000_connections_delay_no_genuine_webhook() {
    genuine_ones_beside(1000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_webhooks_of_a_mebibyte_stay_within_their_memory_limit() {
    let target = Target::start().await;
    let forgers = Forgers::start(&target, 1000, 1 << 20);
    let fared = genuine_calls(&target, SPAN, 1).await;
    println!(
        "{} forged ones were answered, memory {:?}, genuine {fared:?}",
        forgers.posted(),
        target.memory()
    );
    assert!(target.memory().iter().all(|memory| *memory < 300 << 20), "{:?}", target.memory());
    // The attackers in this process copy more than a gigabyte per second, so genuine callers get little CPU time on two cores.
    assert!(!fared.took.is_empty() && fared.failed.is_empty(), "{fared:?}");
}
