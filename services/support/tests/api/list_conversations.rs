//! `ListConversations`: staff see who waits for a person.

use levqor_proto_support::v1::{ListConversationsRequest, conversation::State};
use levqor_runtime::testing::Caller;

use crate::bench::{Bench, ada};

#[tokio::test]
async fn staff_filter_by_state_and_address() {
    let bench = Bench::start().await;
    bench.chat(Caller::anonymous()).await;
    bench.chat(ada()).await.say("I want a human").await;
    for (state, email, expected) in [
        (State::Unspecified, "", 2),
        (State::WithPerson, "", 1),
        (State::WithAssistant, "ada@example.com", 0),
        (State::Unspecified, "ada@example.com", 1),
    ] {
        let request = ListConversationsRequest {
            state: state.into(),
            customer_email: email.to_owned(),
            ..Default::default()
        };
        let listed =
            bench.conversations().list_conversations(Caller::staff().request(request)).await.expect("a list");
        assert_eq!(listed.into_inner().conversations.len(), expected, "{state:?} {email}");
    }
}
