//! The streams of an HTTP/2 connection. If the client does not read an answer, only the stream of that answer is reset.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use hyper::rt::Executor;
use hyper_util::rt::TokioExecutor;
use tokio::time::{Sleep, sleep_until};

use super::requests::Requests;

#[derive(Clone)]
pub(super) struct Streams {
    tasks: TokioExecutor,
    requests: Requests,
    unread: Duration,
}

impl Streams {
    /// A client may leave each answer unread for this time.
    pub(super) fn new(requests: Requests, unread: Duration) -> Self {
        Self { tasks: TokioExecutor::new(), requests, unread }
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        // hyper first calls the service, which registers the request, and then passes the stream of the same request to this
        // executor, before it does anything else. So the last answer is the answer of this stream.
        let (answer, requests, unread) = (self.requests.last_answer(), self.requests.clone(), self.unread);
        self.tasks.execute(async move {
            let mut stream = pin!(stream);
            let mut timer: Option<Pin<Box<Sleep>>> = None;
            // A body is not polled while its client does not read, so it cannot end itself. Dropping the stream resets it.
            poll_fn(|context| {
                if stream.as_mut().poll(context).is_ready() {
                    return Poll::Ready(());
                }
                let Some(since) = answer.since() else {
                    timer = None;
                    return Poll::Pending;
                };
                let end = since + unread;
                let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
                if timer.deadline() != end {
                    timer.as_mut().reset(end);
                }
                timer.as_mut().poll(context).map(|()| requests.give_up())
            })
            .await;
        });
    }
}
