//! `ListOperatorNotices`: staff see the notices, newest first, and those that are open.

use levqor_proto_notifications::v1::{ListOperatorNoticesRequest, operator_notice::State};
use levqor_runtime::testing::Caller;

use crate::Notified;

#[tokio::test]
async fn staff_see_the_notices_that_are_open() {
    let notified = Notified::start().await;
    for second in [1, 3] {
        notified.report(second, &format!("at {second}")).await.expect("told");
        if second == 1 {
            notified.end(2).await;
        }
    }
    let shown = async |state: State| {
        let request = ListOperatorNoticesRequest { state: state.into(), ..Default::default() };
        let answer = notified.client().list_operator_notices(Caller::staff().request(request)).await;
        let notices = answer.expect("a list").into_inner().operator_notices;
        notices
            .into_iter()
            .map(|it| {
                let state = it.state().as_str_name();
                (it.text, it.source, state)
            })
            .collect::<Vec<_>>()
    };
    let of = |text: &str, state| (text.to_owned(), "billing".to_owned(), state);
    assert_eq!(shown(State::Open).await, [of("at 3", "STATE_OPEN")]);
    assert_eq!(shown(State::Ended).await, [of("at 1", "STATE_ENDED")]);
    assert_eq!(shown(State::Unspecified).await.len(), 2);
}
