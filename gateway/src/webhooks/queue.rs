//! The order in which webhooks go on to their service: where more come than are worked on at once, addresses take turns, so
//! that whoever posts many waits for himself only.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use crate::{peer::CallerAddress, problem::Problem};

/// Webhooks that are worked on at once.
const AT_ONCE: usize = 128;
/// Webhooks of one address that wait; more are refused.
const MOST_WAITING: usize = 512;

/// Lets so many webhooks through at once. Cheap to clone.
#[derive(Clone)]
pub(super) struct Queue(Arc<Mutex<State>>);

struct State {
    free: usize,
    /// Those who wait, by address; the address whose turn it is comes first. None is empty.
    waiting: VecDeque<(CallerAddress, VecDeque<oneshot::Sender<Turn>>)>,
}

/// The right to be worked on, until it is dropped.
pub(super) struct Turn(Queue);

impl Queue {
    pub(super) fn new() -> Self {
        Self::of(AT_ONCE)
    }

    fn of(free: usize) -> Self {
        Self(Arc::new(Mutex::new(State { free, waiting: VecDeque::new() })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the turn of a webhook from this address.
    pub(super) async fn turn(&self, of: CallerAddress, deadline: Instant) -> Result<Turn, Problem> {
        let turn = {
            let mut state = self.state();
            if state.free > 0 {
                // Nobody waits while something is free.
                state.free -= 1;
                return Ok(Turn(self.clone()));
            }
            let (sender, turn) = oneshot::channel();
            match state.waiting.iter_mut().find(|(address, _)| *address == of) {
                None => state.waiting.push_back((of, VecDeque::from([sender]))),
                Some((_, its)) if its.len() >= MOST_WAITING => {
                    its.retain(|sender| !sender.is_closed());
                    if its.len() >= MOST_WAITING {
                        return Err(Problem::busy());
                    }
                    its.push_back(sender);
                }
                Some((_, its)) => its.push_back(sender),
            }
            turn
        };
        // The sender is never dropped before it has sent.
        timeout_at(deadline, turn).await.ok().and_then(Result::ok).ok_or_else(Problem::busy)
    }

    /// Who is next: the first of the next address, which then goes to the end.
    fn next(&self) -> Option<oneshot::Sender<Turn>> {
        let mut state = self.state();
        let next = state.waiting.pop_front().and_then(|(address, mut its)| {
            let first = its.pop_front();
            if !its.is_empty() {
                state.waiting.push_back((address, its));
            }
            first
        });
        if next.is_none() {
            state.free += 1;
        }
        next
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        while let Some(next) = self.0.next() {
            match next.send(Self(self.0.clone())) {
                Ok(()) => return,
                // It has hung up: the right is not lost, and goes on to the next.
                Err(unheard) => std::mem::forget(unheard),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{net::IpAddr, time::Duration};

    use futures_util::{FutureExt, poll};

    use super::*;

    fn address(n: u8) -> CallerAddress {
        IpAddr::from([192, 0, 2, n]).into()
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_mins(1)
    }

    #[tokio::test]
    async fn whoever_comes_after_many_of_another_address_is_next() {
        let queue = Queue::of(1);
        let first = queue.turn(address(1), soon()).await.ok().expect("a turn");
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
        // Some of those who wait hang up; each of the others has its turn.
        let left = many.split_off(5);
        drop(many);
        for turn in left {
            assert!(turn.await.is_ok());
        }
        assert_eq!(queue.state().free, 1);
    }

    #[tokio::test]
    async fn one_address_does_not_wait_in_any_number() {
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
