//! The order in which webhooks are forwarded to their service. If more arrive than are forwarded concurrently, addresses take
//! turns. An address that posts many webhooks then delays only its own.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use crate::{peer::CallerAddress, problem::Problem};

/// Webhooks that are forwarded concurrently.
const AT_ONCE: usize = 96;
/// Concurrent webhooks of a suspect address.
const SUSPECT_AT_ONCE: usize = 4;
/// Forged webhooks, without a good one between them, after which an address is suspect.
const SUSPECT_AFTER: usize = 8;
/// How long an address stays suspect after its last forged webhook.
const SUSPECT_FOR: Duration = Duration::from_secs(30);
/// Waiting webhooks of one address. More are refused.
const MOST_WAITING: usize = 512;
/// Waiting webhooks of a suspect address. Few, because their unread bodies fill the receive windows of their connections.
const MOST_SUSPECT_WAITING: usize = 16;
/// Addresses whose forged webhooks are counted.
const MOST_REMEMBERED: usize = 4096;

/// Limits the number of concurrent webhooks. Cheap to clone.
#[derive(Clone)]
pub(super) struct Queue(Arc<Mutex<State>>);

struct State {
    free: usize,
    worked_on: HashMap<CallerAddress, usize>,
    /// The waiting webhooks by address. The next address is at the front. No list is empty.
    waiting: VecDeque<(CallerAddress, VecDeque<oneshot::Sender<Turn>>)>,
    /// Per address: the number of forged webhooks since the last good one, and the time of the last forged one.
    forged: HashMap<CallerAddress, (usize, Instant)>,
}

impl State {
    fn is_suspect(&self, address: CallerAddress) -> bool {
        let forged = self.forged.get(&address);
        forged.is_some_and(|(count, last)| *count >= SUSPECT_AFTER && last.elapsed() < SUSPECT_FOR)
    }

    /// Takes a turn for a webhook of this address. Returns false if none is available now.
    fn take(&mut self, address: CallerAddress) -> bool {
        let its = self.worked_on.get(&address).copied().unwrap_or_default();
        if self.free == 0 || (its >= SUSPECT_AT_ONCE && self.is_suspect(address)) {
            return false;
        }
        self.free -= 1;
        self.worked_on.insert(address, its + 1);
        true
    }

    fn give_back(&mut self, address: CallerAddress) {
        self.free += 1;
        if let Some(its) = self.worked_on.get_mut(&address) {
            *its -= 1;
            if *its == 0 {
                self.worked_on.remove(&address);
            }
        }
    }

    /// Takes a turn for the next webhook, the first one of the next address, and returns it. The address then moves to the end.
    fn next(&mut self) -> Option<(CallerAddress, oneshot::Sender<Turn>)> {
        for _ in 0..self.waiting.len() {
            let (address, mut its) = self.waiting.pop_front()?;
            let first = if self.take(address) { its.pop_front() } else { None };
            if !its.is_empty() {
                self.waiting.push_back((address, its));
            }
            if let Some(first) = first {
                return Some((address, first));
            }
        }
        None
    }
}

/// The right to forward one webhook, until it is dropped.
pub(super) struct Turn {
    queue: Queue,
    address: CallerAddress,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self::of(AT_ONCE)
    }

    fn of(free: usize) -> Self {
        let state =
            State { free, worked_on: HashMap::new(), waiting: VecDeque::new(), forged: HashMap::new() };
        Self(Arc::new(Mutex::new(state)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this address posted only forged webhooks. The body of its next webhook is then read only after the turn has come.
    pub(super) fn is_suspect(&self, address: CallerAddress) -> bool {
        self.state().is_suspect(address)
    }

    /// Notes whether a webhook of this address was good or forged.
    pub(super) fn judged(&self, address: CallerAddress, good: bool) {
        let mut state = self.state();
        if good {
            state.forged.remove(&address);
            return;
        }
        if state.forged.len() >= MOST_REMEMBERED {
            state.forged.retain(|_, (_, last)| last.elapsed() < SUSPECT_FOR);
        }
        if state.forged.len() < MOST_REMEMBERED || state.forged.contains_key(&address) {
            let (count, last) = state.forged.entry(address).or_insert((0, Instant::now()));
            (*count, *last) = (*count + 1, Instant::now());
        }
    }

    /// Waits for the turn of a webhook of this address.
    pub(super) async fn turn(&self, of: CallerAddress, deadline: Instant) -> Result<Turn, Problem> {
        let turn = {
            let mut state = self.state();
            // Webhooks wait only if their address cannot have a turn now, so no earlier webhook waits that could go first.
            if state.take(of) {
                return Ok(Turn { queue: self.clone(), address: of });
            }
            let most = if state.is_suspect(of) { MOST_SUSPECT_WAITING } else { MOST_WAITING };
            let (sender, turn) = oneshot::channel();
            match state.waiting.iter_mut().find(|(address, _)| *address == of) {
                None => state.waiting.push_back((of, VecDeque::from([sender]))),
                Some((_, its)) if its.len() >= most => {
                    its.retain(|sender| !sender.is_closed());
                    if its.len() >= most {
                        return Err(Problem::busy());
                    }
                    its.push_back(sender);
                }
                Some((_, its)) => its.push_back(sender),
            }
            turn
        };
        // The sender of a waiting webhook is never dropped before it has sent the turn.
        timeout_at(deadline, turn).await.ok().and_then(Result::ok).ok_or_else(Problem::busy)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.queue.state().give_back(self.address);
        loop {
            let Some((address, next)) = self.queue.state().next() else { return };
            let turn = Self { queue: self.queue.clone(), address };
            if let Err(unheard) = next.send(turn) {
                // The caller has disconnected, so the turn goes to the next webhook.
                std::mem::forget(unheard);
                self.queue.state().give_back(address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use futures_util::{FutureExt, poll};

    use super::*;

    fn address(n: u8) -> CallerAddress {
        IpAddr::from([192, 0, 2, n]).into()
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_mins(1)
    }

    #[tokio::test]
    async fn a_webhook_after_many_of_another_address_is_next() {
        let queue = Queue::of(1);
        let first = queue.turn(address(1), soon()).await.expect("a turn");
        let mut many: Vec<_> = (0..9).map(|_| Box::pin(queue.turn(address(1), soon()))).collect();
        for turn in &mut many {
            assert!(poll!(turn).is_pending());
        }
        let mut other = Box::pin(queue.turn(address(2), soon()));
        assert!(poll!(&mut other).is_pending());
        drop(first);
        let Some(Ok(turn)) = (&mut many[0]).now_or_never() else { panic!("the first is next") };
        drop(turn);
        let Some(Ok(turn)) = (&mut other).now_or_never() else { panic!("the other address is next") };
        drop((turn, other));
        // Some callers disconnect. Each of the others gets its turn.
        let left = many.split_off(5);
        drop(many);
        for turn in left {
            assert!(turn.await.is_ok());
        }
        assert_eq!(queue.state().free, 1);
    }

    #[tokio::test]
    async fn an_address_that_posts_only_forged_webhooks_has_few_turns_until_it_posts_a_good_one() {
        let queue = Queue::of(2 * SUSPECT_AT_ONCE);
        for _ in 0..SUSPECT_AFTER {
            queue.judged(address(1), false);
        }
        assert!(queue.is_suspect(address(1)) && !queue.is_suspect(address(2)));
        let mut its = Vec::new();
        for _ in 0..SUSPECT_AT_ONCE {
            its.push(queue.turn(address(1), soon()).await.expect("a turn"));
        }
        let mut more = Box::pin(queue.turn(address(1), soon()));
        assert!(poll!(&mut more).is_pending());
        assert!(queue.turn(address(2), soon()).await.is_ok());
        its.pop();
        let Some(Ok(turn)) = (&mut more).now_or_never() else { panic!("it has the turn that is free") };
        its.push(turn);
        queue.judged(address(1), true);
        assert!(queue.turn(address(1), soon()).await.is_ok());
        drop(its);
        let state = queue.state();
        assert!(state.free == 2 * SUSPECT_AT_ONCE && state.worked_on.is_empty());
    }

    #[tokio::test]
    async fn few_webhooks_of_a_suspect_address_wait() {
        let queue = Queue::of(0);
        for _ in 0..SUSPECT_AFTER {
            queue.judged(address(1), false);
        }
        let mut waiting: Vec<_> =
            (0..MOST_SUSPECT_WAITING).map(|_| Box::pin(queue.turn(address(1), soon()))).collect();
        for turn in &mut waiting {
            assert!(poll!(turn).is_pending());
        }
        let refused = Box::pin(queue.turn(address(1), soon())).now_or_never();
        assert!(refused.is_some_and(|refused| refused.is_err()), "it is refused at once");
        assert!(poll!(Box::pin(queue.turn(address(2), soon()))).is_pending());
        waiting.pop();
        assert!(poll!(Box::pin(queue.turn(address(1), soon()))).is_pending());
    }

    #[tokio::test]
    async fn the_waiting_webhooks_of_one_address_are_limited() {
        let queue = Queue::of(0);
        let mut waiting = Vec::new();
        for _ in 0..MOST_WAITING {
            waiting.push(Box::pin(queue.turn(address(1), soon())));
            assert!(poll!(waiting.last_mut().expect("one")).is_pending());
        }
        assert!(queue.turn(address(1), soon()).await.is_err());
        waiting.pop();
        assert!(poll!(Box::pin(queue.turn(address(1), soon()))).is_pending());
    }
}
